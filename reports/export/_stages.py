"""The parts of a ``build_scheduler`` function: its lengths, its factors, its stages, and what they import."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from ...spaces import Schedule, get_family
from ...spaces.families import Stage
from ...spaces.params import ticks_text
from ._python import WIDTH, call, tidy


def factors(kwargs: Sequence[dict[str, str]]) -> list[str]:
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


def needs_of(stages: Sequence[Stage]) -> tuple[list[str], list[str]]:
    """Import lines and definitions that the stages' expressions use, each once."""
    needed = dict.fromkeys(need for s in stages for e in s.kwargs.values() for need in e.needs)
    imports = [need for need in needed if need.startswith(("import ", "from "))]
    return imports, [f"{need.rstrip()}\n\n" for need in needed if need not in imports]


def first_imports(needs: Sequence[str]) -> str:
    """Import lines of the standard library, a blank line, and whole packages."""
    own = sorted(need for need in needs if _package(need) in sys.stdlib_module_names)
    others = sorted(need for need in needs if need not in own and need.startswith("import "))
    return "".join(f"{line}\n" for line in (*own, *([""] if own else []), *others))


def _package(line: str) -> str:
    return line.split()[1].partition(".")[0]


def torch_imports(stages: Sequence[Stage], needs: Sequence[str]) -> str:
    classes = {"LRScheduler", *(s.cls for s in stages), *(["SequentialLR"] if len(stages) > 1 else [])}
    names = sorted(classes, key=str.lower)
    line = f"from torch.optim.lr_scheduler import {', '.join(names)}"
    if len(line) > WIDTH:
        line = "\n".join(["from torch.optim.lr_scheduler import (", *(f"    {c}," for c in names), ")"])
    others = sorted(n for n in needs if n.startswith("from ") and _package(n) not in sys.stdlib_module_names)
    return "\n".join([*others, "from torch.optim import Optimizer", line])


def shared_lengths(schedule: Schedule, texts: Sequence[str]) -> dict[str, str]:
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


def with_names(text: str, variables: Mapping[str, str]) -> str:
    """The text with the names of variables in place of their values."""
    for name, value in variables.items():
        text = re.sub(_alone(value), name, text)
    return text


def lengths_used(schedule: Schedule, used: set[str]) -> dict[str, str]:
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


def build_stages(stages: Sequence[Stage], kwargs: Sequence[Mapping[str, str]], ends: Sequence[str]) -> list[str]:
    """The lines that make the schedulers and join them."""
    arguments = [["optimizer", *(f"{k}={v}" for k, v in kw.items())] for kw in kwargs]
    if len(stages) == 1:
        return [call(f"return {stages[0].cls}", arguments[0])]
    first = ["warmup"] if stages[0].length and stages[0].length.text == "warmup_steps" else []
    roles = [*first, *["stable"] * (len(stages) - len(first) - 1), "decay"]
    made = [call(f"{role} = {s.cls}", a) for role, s, a in zip(roles, stages, arguments, strict=True)]
    milestones = f"milestones=[{', '.join(ends)}]"
    return [*made, call("return SequentialLR", ["optimizer", f"[{', '.join(roles)}]", milestones])]
