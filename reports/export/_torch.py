"""Code for PyTorch alone: the scheduler classes that `Schedule.scheduler` builds, written out."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from ...objectives import TrainedOptimizer
from ...spaces import Schedule, get_family
from ...spaces.families import Stage
from ...spaces.params import ticks_text
from ._python import WIDTH, call, names, provenance, tidy, title
from ._source import Format, Source

MANY_STEPS = 1000
"""Stands for an unknown number of steps in an epoch; any large one gives the same code."""

_CLASSES = {"adamw": "torch.optim.AdamW", "sgd": "torch.optim.SGD"}
RATES = """\
    # BASE_LR is the highest rate of any group; the others keep their ratio to it.
    rates = [g["lr"] * g.get("lr_scale", 1.0) for g in optimizer.param_groups]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):"""
"""The beginning of a loop over the groups, each with the rate that it has of its own."""
RATIO = "rate / max(rates) if any(rates) else 1.0"
SHARED_FLOOR = """\
    if len(set(rates)) > 1:
        raise ValueError("the smallest rate would be the same for every group")"""


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
        from ._plateau import render_plateau

        return render_plateau(source)
    builder = make_builder(source.schedule, source.steps_per_epoch, grouped=source.grouped, several=source.several > 0)
    doc = f'"""{title(source, "for PyTorch")}\n\n{_usage(source)}\n"""'
    return f"{doc}\n\n{builder.first}{builder.imports}\n\n{constants(source)}\n\n\n{builder.text}\n"


def constants(source: Source) -> str:
    """``BASE_LR``, under a comment on where it comes from, and what else was searched."""
    others = f"\nPARAMS = {dict(source.schedule.beside)!r}  # train with these, too" if source.schedule.beside else ""
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
    if made.grouped:
        return f"{_made(made, 'groups', grouped=True)}  # the groups of the search, with their rates"
    return _made(made, parameters, grouped=False)


def _made(made: TrainedOptimizer, parameters: str, *, grouped: bool) -> str:
    options = "".join(f", {name}={value!r}" for name, value in made.options.items())
    return f"{made.name}({parameters}{'' if grouped else ', lr=BASE_LR'}{options})"


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
    variables = _shared(schedule, [*(t for kw in kwargs for t in kw.values()), *ends])
    kwargs = [{k: _replaced(t, variables) for k, t in kw.items()} for kw in kwargs]
    ends = [_replaced(e, variables) for e in ends]
    used = names([*(t for kw in kwargs for t in kw.values()), *ends, *variables.values()])
    variables = {**_lengths(schedule, used), **variables}
    body = [f"    {name} = {text}" for name, text in variables.items()]
    body += _factors(kwargs)
    body += _stages(stages, kwargs, ends)
    uses_steps = "steps_per_epoch" in used | names(variables.values())
    imports, definitions = _needs(stages)
    opening = _opening(schedule, uses_steps=uses_steps, shared_floor=shared_floor)
    text = "\n".join([*definitions, *opening, *body])
    if several:
        text = _for_several(definitions, opening[0], body, uses_steps=uses_steps)
    return Builder(_first(imports), _imports(stages, imports), text, uses_steps)


def _for_several(definitions: Sequence[str], signature: str, body: Sequence[str], *, uses_steps: bool) -> str:
    """One function that sets the rates of all optimizers, and one that makes the scheduler of each."""
    one = signature.replace("build_scheduler", "one_scheduler")
    both = signature.replace("optimizer: Optimizer", "optimizers: list[Optimizer]").replace(
        "-> LRScheduler", "-> list[LRScheduler]"
    )
    steps = ", steps_per_epoch" if uses_steps else ""
    rates = RATES.replace("for g in optimizer.param_groups", "for g in groups").replace(
        "zip(optimizer.param_groups,", "zip(groups,"
    )
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
            f'        group["lr"] = BASE_LR * ({RATIO})',
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
    return [
        f"def build_scheduler(optimizer: Optimizer{steps}) -> LRScheduler:",
        *([f'{doc}"""'] if uses_steps or no_epochs else [doc, *unused]),
        RATES,
        f'        group["lr"] = BASE_LR * ({RATIO})',
        *([SHARED_FLOOR] if shared_floor else []),
    ]


def _factors(kwargs: Sequence[dict[str, str]]) -> list[str]:
    """Named functions in place of lambdas; each stage's arguments then hold the name."""
    having = [kw for kw in kwargs if "lr_lambda" in kw]
    lines = []
    for kw in having:
        name = "factor" if kw is having[-1] else "warmup_factor"
        lines += ["", f"    def {name}(t: int) -> float:", *_body(kw["lr_lambda"].removeprefix("lambda t: ")), ""]
        kw["lr_lambda"] = name
    return [line for line, following in zip_longest(lines, lines[1:]) if not (line == following == "")]


def _body(formula: str) -> list[str]:
    """What a factor returns, with a name for the progress, where it needs one."""
    progress = re.search(r"min\(t / .*?, 1\)", formula)
    lines = []
    if progress:
        if formula == progress[0]:
            return [f"        return {formula}"]
        lines = [f"        progress = {progress[0]}"]
        formula = formula.replace(progress[0], "progress")
    hugged = re.sub(r"(?<=[\w.]) \*\* (?=[\w.])", "**", formula)
    return [*lines, f"        return {hugged}"]


def _needs(stages: Sequence[Stage]) -> tuple[list[str], list[str]]:
    """Import lines and definitions that the stages' expressions use, each once."""
    needed = dict.fromkeys(need for s in stages for e in s.kwargs.values() for need in e.needs)
    imports = [need for need in needed if need.startswith(("import ", "from "))]
    return imports, [f"{need.rstrip()}\n\n" for need in needed if need not in imports]


def _first(needs: Sequence[str]) -> str:
    """Import lines of the standard library, a blank line, and whole packages."""
    own = sorted(need for need in needs if _package(need) in sys.stdlib_module_names)
    others = sorted(need for need in needs if need not in own and need.startswith("import "))
    return "".join(f"{line}\n" for line in (*own, *([""] if own else []), *others))


def _package(line: str) -> str:
    return line.split()[1].partition(".")[0]


def _imports(stages: Sequence[Stage], needs: Sequence[str]) -> str:
    classes = {"LRScheduler", *(s.cls for s in stages), *(["SequentialLR"] if len(stages) > 1 else [])}
    names = sorted(classes, key=str.lower)
    line = f"from torch.optim.lr_scheduler import {', '.join(names)}"
    if len(line) > WIDTH:
        line = "\n".join(["from torch.optim.lr_scheduler import (", *(f"    {c}," for c in names), ")"])
    others = sorted(n for n in needs if n.startswith("from ") and _package(n) not in sys.stdlib_module_names)
    return "\n".join([*others, "from torch.optim import Optimizer", line])


def _shared(schedule: Schedule, texts: Sequence[str]) -> dict[str, str]:
    """Names for the family's lengths that occur more than once or in a factor, as they are or cut at the end."""
    shared = {}
    for param in get_family(schedule.family).params:
        if param.unit == "epochs":
            length = _length(schedule, float(schedule.value(param.name)))
            whole = [length] if "* steps_per_epoch" in length else []  # any number may stand for something else
            for text in (tidy(f"min({length}, decay_steps)"), *whole):
                times = [len(re.findall(_alone(text), t)) for t in texts]
                if sum(times) > 1 or any(n and t.startswith("lambda") for n, t in zip(times, texts, strict=True)):
                    shared[f"{param.name}_steps"] = text
                    break
    return shared


def _alone(text: str) -> str:
    """A pattern for the text where it is not the end of a longer number or name."""
    return rf"(?<![\w.]){re.escape(text)}"


def _replaced(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = re.sub(_alone(value), name, text)
    return text


def _lengths(schedule: Schedule, used: set[str]) -> dict[str, str]:
    """``warmup_steps`` and ``decay_steps``, as far as they are used."""
    warmup = {"warmup_steps": _length(schedule, schedule.warmup)} if "warmup_steps" in used else {}
    decay = _length(schedule, schedule.horizon)
    if warmup:
        decay = f"{decay} - warmup_steps"
        sure = schedule.warmup <= schedule.horizon / 2 and schedule.horizon == int(schedule.horizon)
        decay = decay if sure else f"max(1, {decay})"
    return {**warmup, **({"decay_steps": decay} if "decay_steps" in used else {})}


def _length(schedule: Schedule, epochs: float) -> str:
    per_step = schedule.interval == "step" and schedule.unit == "epoch"
    return tidy(ticks_text(epochs)) if per_step else str(max(1, round(epochs)))


def _stages(stages: Sequence[Stage], kwargs: Sequence[Mapping[str, str]], ends: Sequence[str]) -> list[str]:
    arguments = [["optimizer", *(f"{k}={v}" for k, v in kw.items())] for kw in kwargs]
    if len(stages) == 1:
        return [call(f"return {stages[0].cls}", arguments[0])]
    first = ["warmup"] if stages[0].length and stages[0].length.text == "warmup_steps" else []
    roles = [*first, *["stable"] * (len(stages) - len(first) - 1), "decay"]
    made = [call(f"{role} = {s.cls}", a) for role, s, a in zip(roles, stages, arguments, strict=True)]
    milestones = f"milestones=[{', '.join(ends)}]"
    return [*made, call("return SequentialLR", ["optimizer", f"[{', '.join(roles)}]", milestones])]


FORMAT = Format("torch", "PyTorch's own scheduler classes, in a function for your training script", ".py", render)
