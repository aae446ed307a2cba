"""Code for PyTorch alone: the scheduler classes that `Schedule.scheduler` builds, written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ...spaces import Schedule
from ._optimizer import SHARED_FLOOR, constants, optimizer_call, rates_of
from ._plateau import render_plateau
from ._python import names, tidy, title
from ._source import Format, Source
from ._stages import (
    build_stages,
    factors,
    first_imports,
    lengths_used,
    needs_of,
    shared_lengths,
    torch_imports,
    with_names,
)

MANY_STEPS = 1000
"""Stands for an unknown number of steps in an epoch; any large one gives the same code."""


@dataclass(frozen=True)
class Builder:
    """A ``build_scheduler`` function: the imports it needs, its text, and whether `steps_per_epoch` matters.

    `first` are import lines that stand above those of other packages, with a blank line where one is due.
    """

    first: str
    imports: str
    text: str
    uses_steps: bool


def render(source: Source) -> str:
    """The file."""
    if source.schedule.reacts:
        return render_plateau(source)
    builder = make_builder(source.schedule, source.steps_per_epoch, grouped=source.grouped, several=source.several > 0)
    doc = f'"""{title(source, "for PyTorch")}\n\n{_usage(source)}\n"""'
    return f"{doc}\n\n{builder.first}{builder.imports}\n\n{constants(source)}\n\n\n{builder.text}\n"


def make_builder(
    schedule: Schedule, steps_per_epoch: int | None, *, grouped: bool = False, several: bool = False
) -> Builder:
    """The function that builds `schedule`, equal to ``schedule.scheduler`` to the last bit.

    Args:
        schedule: What to build.
        steps_per_epoch: Decides which stages there are: a warm-up that is rounded to nothing there is left out.
        grouped: Whether it is for optimizers whose groups have different rates.
        several: Whether it is for a list of optimizers that share a base_lr; it then gives a list of schedulers.
    """
    scaled = schedule.stages(steps_per_epoch or MANY_STEPS, scaled=True)
    stages = scaled if grouped else schedule.stages(steps_per_epoch or MANY_STEPS)
    shared_floor = [s.cls for s in stages] != [s.cls for s in scaled]
    kwargs = [{k: tidy(e.text) for k, e in s.kwargs.items()} for s in stages]
    ends = list(accumulate((tidy(s.length.text) for s in stages if s.length), "{} + {}".format))
    variables = shared_lengths(schedule, [*(t for kw in kwargs for t in kw.values()), *ends])
    kwargs = [{k: with_names(t, variables) for k, t in kw.items()} for kw in kwargs]
    ends = [with_names(e, variables) for e in ends]
    used = names([*(t for kw in kwargs for t in kw.values()), *ends, *variables.values()])
    variables = {**lengths_used(schedule, used), **variables}
    body = [f"    {name} = {text}" for name, text in variables.items()]
    body += factors(kwargs)
    body += build_stages(stages, kwargs, ends)
    uses_steps = "steps_per_epoch" in used | names(variables.values())
    imports, definitions = needs_of(stages)
    opening = _opening(schedule, uses_steps=uses_steps, shared_floor=shared_floor)
    text = "\n".join([*definitions, *opening, *body])
    if several:
        text = _for_several(schedule, definitions, opening[0], body, uses_steps=uses_steps)
    return Builder(first_imports(imports), torch_imports(stages, imports), text, uses_steps)


def _for_several(
    schedule: Schedule, definitions: Sequence[str], signature: str, body: Sequence[str], *, uses_steps: bool
) -> str:
    """One function that sets the rates of all optimizers, and one that makes the scheduler of each."""
    one = signature.replace("build_scheduler", "one_scheduler")
    both = signature.replace("optimizer: Optimizer", "optimizers: list[Optimizer]").replace(
        "-> LRScheduler", "-> list[LRScheduler]"
    )
    steps = ", steps_per_epoch" if uses_steps else ""
    rates, ratio = rates_of(schedule, "groups")
    return "\n".join(
        [
            *definitions,
            one,
            '    """The scheduler of an optimizer whose rates are set."""',
            *body,
            "",
            "",
            both,
            '    """Set the rates; step every scheduler after every step."""',
            "    groups = [g for optimizer in optimizers for g in optimizer.param_groups]",
            rates,
            f'        group["lr"] = BASE_LR * ({ratio})',
            f"    return [one_scheduler(optimizer{steps}) for optimizer in optimizers]",
        ]
    )


def _usage(source: Source) -> str:
    """How to train with it, scheduler.step() in the right place."""
    if source.several:
        return _usage_of_several(source)
    step = "scheduler.step()"
    within, after = ("", f"\n        {step}") if source.schedule.interval == "epoch" else (f"\n            {step}", "")
    when = "every epoch" if source.schedule.interval == "epoch" else "every optimizer step"
    if source.schedule.unit == "step":
        return f"""Step the scheduler after every optimizer step:

    optimizer = {optimizer_call(source, "model.parameters()")}
    scheduler = build_scheduler(optimizer)
    for step in range({source.schedule.horizon:.0f}):
        ...
        optimizer.step()
        scheduler.step()"""
    return f"""Step the scheduler after {when}:

    optimizer = {optimizer_call(source, "model.parameters()")}
    scheduler = build_scheduler(optimizer, steps_per_epoch=len(train_loader))
    for epoch in range({math.ceil(source.schedule.horizon)}):
        for batch in train_loader:
            ...
            optimizer.step(){within}{after}"""


def _usage_of_several(source: Source) -> str:
    """How to train several optimizers with it."""
    when = "every epoch" if source.schedule.interval == "epoch" else "every optimizer step"
    steps = "" if source.schedule.unit == "step" else ", steps_per_epoch=len(train_loader)"
    return f"""Step all schedulers after {when}:

    optimizers = {optimizer_call(source, "")}
    schedulers = build_scheduler(optimizers{steps})
    ...
    for scheduler in schedulers:
        scheduler.step()"""


def _opening(schedule: Schedule, *, uses_steps: bool, shared_floor: bool) -> list[str]:
    when = "every epoch" if schedule.interval == "epoch" else "every optimizer step"
    doc = f'    """Set the rates; step the scheduler after {when}.'
    unused = ["", "    `steps_per_epoch` makes no difference to this schedule.", '    """']
    steps = ", steps_per_epoch: int" if uses_steps else ", steps_per_epoch: int = 1"
    if no_epochs := schedule.unit == "step":
        steps = ""
    rates, ratio = rates_of(schedule)
    return [
        f"def build_scheduler(optimizer: Optimizer{steps}) -> LRScheduler:",
        *([f'{doc}"""'] if uses_steps or no_epochs else [doc, *unused]),
        rates,
        f'        group["lr"] = BASE_LR * ({ratio})',
        *([SHARED_FLOOR] if shared_floor else []),
    ]


FORMAT = Format("torch", "PyTorch's own scheduler classes, in a function for your training script", ".py", render)
