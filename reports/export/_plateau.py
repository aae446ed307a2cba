"""Code for a training that follows its metric: PyTorch's own ReduceLROnPlateau, which is no curve to write down."""

from __future__ import annotations

import json

from ...spaces.families import PLATEAU_ARGUMENTS
from ._optimizer import SHARED_FLOOR, constants, optimizer_call, rates_of
from ._python import call, title
from ._source import Source


def render_plateau(source: Source) -> str:
    """The file for PyTorch."""
    schedule = source.schedule
    many = source.several > 0
    metric = _literal(schedule.value("metric"))
    step = "for scheduler in schedulers:\n            scheduler.step(value)" if many else "scheduler.step(value)"
    head = "schedulers" if many else "scheduler"
    doc = f'''"""{title(source, "for PyTorch")}

It follows the metric: step it once an epoch, with what the epoch gave.

    {"optimizers" if many else "optimizer"} = {optimizer_call(source, "model.parameters()")}
    {head} = build_scheduler({"optimizers" if many else "optimizer"})
    for epoch in range({schedule.horizon:.10g}):
        ...
        value = ...  # of METRIC
        {step}
"""'''
    floor = [SHARED_FLOOR] if schedule.value("min_lr") else []
    arguments = [f"{name}={_literal(schedule.value(name))}" for name in PLATEAU_ARGUMENTS]
    groups = "    groups = [g for optimizer in optimizers for g in optimizer.param_groups]" if many else ""
    rates, ratio = rates_of(schedule, "groups" if many else "optimizer.param_groups")
    signature = "optimizers: list[Optimizer]" if many else "optimizer: Optimizer"
    made = "list[ReduceLROnPlateau]" if many else "ReduceLROnPlateau"
    lines = [
        f"def build_scheduler({signature}) -> {made}:",
        '    """Set the rates; step what it gives after every epoch, with the metric."""',
        *([groups] if many else []),
        rates,
        f'        group["lr"] = BASE_LR * ({ratio})',
        *floor,
        *(
            [
                "    return [",
                call("ReduceLROnPlateau", ["optimizer", *arguments], 8),
                "        for optimizer in optimizers",
                "    ]",
            ]
            if many
            else [call("return ReduceLROnPlateau", ["optimizer", *arguments])]
        ),
    ]
    imports = "from torch.optim import Optimizer\nfrom torch.optim.lr_scheduler import ReduceLROnPlateau"
    body = "\n".join(lines)
    return f"{doc}\n\n{imports}\n\n{constants(source)}\nMETRIC = {metric}\n\n\n{body}\n"


def _literal(value: float | str) -> str:
    """Double quotes, and whole numbers without a point, as a person writes them."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(int(value) if value == int(value) else value)
