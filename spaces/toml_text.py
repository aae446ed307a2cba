"""A search space written as commented TOML, which `read_space` reads back."""

from __future__ import annotations

import json
from typing import get_args

from .beside import for_job, from_optuna, multiplier_name, multipliers
from .counting import in_unit
from .families import Choice, Range, get_family
from .space import ScheduleSpace
from .warmup import WarmupShape

_HEAD = """\
# lrsearch search space, made for {horizon}. Edit, then: lrsearch run --space FILE
# A range is {{ low, high }}, with log = true for a logarithmic scale or step for a grid; a plain value is fixed.
# Lengths are in {unit}s (or text like "50%" of the horizon); warm-up and decay share the horizon.
"""
_BESIDE = """
# [params]
# weight_decay = { low = 1e-6, high = 0.1, log = true, default = 0.01 }  # as run.params
# batch_size = { choices = [32, 64, 128] }

# [groups.head]  # the param group of that name: {"params": ..., "name": "head"}
# multiplier = { low = 0.1, high = 10, log = true }  # of base_lr, in place of the group's own ratio
"""
_UNITS = {
    "epochs": "{unit}s",
    "per epoch": "factor per {unit}",
    "lr": "fraction of base_lr",
    "factor": "",
    "choice": "",
}


def space_to_toml(space: ScheduleSpace, *, offers: bool = False) -> str:
    """The space as commented TOML that `space_from_toml` reads back.

    Args:
        space: The space.
        offers: Whether to show what else could be searched, as comments.
    """
    assert space.warmup is not None
    counting = space.counting
    lines = [
        _HEAD.format(horizon=counting.many(space.horizon), unit=counting.unit),
        f"families = {json.dumps(list(space.families))}",
        f"{counting.unit}s = {space.horizon!r}  # what the lengths were made for",
        *_interval(space),
        f"warmup_start = {space.warmup_start!r}  # first rate of the warm-up, fraction of base_lr",
        *_warmup_shape(space, offers),
        f"base_lr = {_dump(space.base_lr)}",
        f"warmup = {_dump(space.warmup)}  # {counting.unit}s",
    ]
    for name in space.families:
        family = get_family(name)
        if not family.params:
            continue
        lines += ["", f"[{name}]  # {in_unit(family.summary, counting.unit)}"]
        for p in family.params:
            note = "; ".join(
                filter(None, [_UNITS[p.unit].format(unit=counting.unit), in_unit(p.summary, counting.unit)])
            )
            if searched := space.ranges.get(f"{name}.{p.name}"):
                lines.append(f"{p.name} = {_dump(searched)}  # {note}")
            elif offers:
                offer = _dump(p.valid if isinstance(p.valid, Choice) else p.search(space.horizon))
                lines.append(f"# {p.name} = {offer}  # {note}; {_dump_value(p.usual(1.0))} unless searched")
    return "\n".join([*lines, *_beside(space, offers)]) + "\n"


def _beside(space: ScheduleSpace, offers: bool) -> list[str]:
    """What is searched beside the schedule, if anything is."""
    if not space.beside:
        return _BESIDE.splitlines() if offers else []
    lines: list[str] = []
    searched = for_job(space.beside)
    if searched:
        lines += ["", "[params]  # what else the training takes, as run.params; default: its value in baselines"]
    for name, span in searched.items():
        usual = f", default = {json.dumps(space.usual[name])} }}"
        if isinstance(span, Choice):
            options = json.dumps([from_optuna(span, option) for option in span.options])
            lines.append(f"{name} = {{ choices = {options}{usual}")
        else:
            more = ", log = true" if span.log else f", step = {span.step!r}" if span.step else ""
            lines.append(f"{name} = {{ low = {float(span.low)!r}, high = {float(span.high)!r}{more}{usual}")
    for group, value in multipliers(space.usual).items():
        span = space.beside[multiplier_name(group)]
        dumped = _dump(span)
        ranged = f"{dumped.removesuffix(' }')}, default = {value!r} }}" if dumped.endswith("}") else dumped
        lines += ["", f"[groups.{group}]  # the param group of that name", f"multiplier = {ranged}  # of base_lr"]
    return lines


def _interval(space: ScheduleSpace) -> list[str]:
    """The line of the interval; where there are no epochs, the rate changes every step."""
    if space.counting.unit == "step":
        return []
    return [f"interval = {json.dumps(space.interval)}  # the rate changes every step or every epoch"]


def _warmup_shape(space: ScheduleSpace, offers: bool) -> list[str]:
    """The line of the warm-up's shape; a linear one goes without saying."""
    line = f"warmup_shape = {json.dumps(space.warmup_shape)}"
    if space.warmup_shape != "linear":
        return [line]
    return [f"# {line}  # {', '.join(get_args(WarmupShape))}"] if offers else []


def _dump(searched: Range | Choice) -> str:
    if isinstance(searched, Choice):
        return json.dumps(list(searched.options))
    if searched.low == searched.high:
        return repr(float(searched.low))
    extra = ", log = true" if searched.log else f", step = {searched.step!r}" if searched.step else ""
    return f"{{ low = {float(searched.low)!r}, high = {float(searched.high)!r}{extra} }}"


def _dump_value(value: float | str) -> str:
    return json.dumps(value) if isinstance(value, str) else f"{value:g}"
