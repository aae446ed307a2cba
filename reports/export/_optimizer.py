"""What exported code has in common: where it comes from, the rates of its groups, and its optimizer."""

from __future__ import annotations

from ...objectives import TrainedOptimizer
from ...spaces import Schedule
from ...spaces.beside import for_job
from ._python import provenance
from ._source import Source

_CLASSES = {"adamw": "torch.optim.AdamW", "sgd": "torch.optim.SGD"}
RATES = """\
    # BASE_LR is the highest rate of any group; the others keep their ratio to it.
    rates = [g["lr"] * g.get("lr_scale", 1.0) for g in optimizer.param_groups]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):"""
"""The beginning of a loop over the groups, each with the rate that it has of its own."""
RATIO = "rate / max(rates) if any(rates) else 1.0"
_NAMED_RATES = """\
    if missing := MULTIPLIERS.keys() - {g.get("name") for g in optimizer.param_groups}:
        raise ValueError(f"there is no param group with the name of {missing}")
    # BASE_LR is the highest rate of any group without a multiplier; the others keep
    # their ratio to it.
    rates = [
        0.0 if g.get("name") in MULTIPLIERS else g["lr"] * g.get("lr_scale", 1.0)
        for g in optimizer.param_groups
    ]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        own = rate / max(rates) if any(rates) else 1.0"""
SHARED_FLOOR = """\
    if len(set(rates)) > 1:
        raise ValueError("the smallest rate would be the same for every group")"""


def rates_of(schedule: Schedule, groups: str = "optimizer.param_groups") -> tuple[str, str]:
    """The beginning of a loop over `groups`, and the share of BASE_LR that a ``group`` gets in it."""
    if not schedule.multipliers:
        return RATES.replace("optimizer.param_groups", groups), RATIO
    return _NAMED_RATES.replace("optimizer.param_groups", groups), 'MULTIPLIERS.get(group.get("name"), own)'


def constants(source: Source) -> str:
    """``BASE_LR``, under a comment on where it comes from, and what else was searched."""
    params, multipliers = for_job(source.schedule.beside), source.schedule.multipliers
    others = f"\nPARAMS = {params!r}  # train with these, too" if params else ""
    if multipliers:
        others += f"\nMULTIPLIERS = {multipliers!r}  # of BASE_LR, by the group's name"
    return f"{provenance(source)}\nBASE_LR = {source.schedule.base_lr!r}{others}"


def optimizer_call(source: Source, parameters: str) -> str:
    """The optimizer that the trial was trained with, as a Python call with `parameters` to train."""
    made = source.record.optimizer
    if made is not None and made.others:
        calls = (_made(one, "...", grouped=made.grouped) for one in (made, *made.others))
        return f"[{', '.join(calls)}]  # those of the search, with their rates"
    if made is None:
        used = str(source.result.settings.get("optimizer")) if source.result else ""
        return f"{_CLASSES.get(used, _CLASSES['sgd'])}({parameters}, lr=BASE_LR)"
    if made.grouped or source.schedule.multipliers:
        owned = "names" if source.schedule.multipliers else "rates"
        return f"{_made(made, 'groups', grouped=made.grouped)}  # the groups of the search, with their {owned}"
    return _made(made, parameters, grouped=False)


def _made(made: TrainedOptimizer, parameters: str, *, grouped: bool) -> str:
    options = "".join(f", {name}={value!r}" for name, value in made.options.items())
    return f"{made.name}({parameters}{'' if grouped else ', lr=BASE_LR'}{options})"
