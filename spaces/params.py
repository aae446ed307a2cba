"""A family's parameters in a schedule: completed, checked, scaled, in scheduler steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError
from .families import Choice, Expr, Family, Param, Range, number


def filled(family: Family, given: Mapping[str, float | str], decay: float) -> dict[str, float | str]:
    """All of a family's parameters, the missing ones at their usual value."""
    return {p.name: given[p.name] if p.name in given else p.usual(decay) for p in family.params}


def scaled(
    family: Family, params: Mapping[str, float | str], scale: Mapping[str, Callable[[Any], float]]
) -> dict[str, float | str]:
    """The parameters, those of some units scaled."""
    units = {p.name: p.unit for p in family.params}
    return {k: scale[unit](v) if (unit := units.get(k, "factor")) in scale else v for k, v in params.items()}


def complete(family: Family, given: Mapping[str, float | str], decay: float) -> dict[str, float | str]:
    """What a schedule keeps of a family's parameters; raises `InputError` unless all are valid."""
    names = [p.name for p in family.params]
    if extra := [name for name in given if name not in names]:
        takes = f"it takes {', '.join(names)}" if names else "it takes no parameters"
        raise InputError(f"{family.name} has no parameter {extra[0]!r}; {takes}.")
    params = filled(family, given, decay)
    for param in family.params:
        param.check(family.name, params[param.name])
    return {p.name: params[p.name] for p in family.params if not p.opt_in or params[p.name] != p.usual(decay)}


def in_steps(param: Param, value: Any, per_epoch: float, *, per_step: bool) -> Expr:
    """A parameter's value in scheduler steps, with the text that computes it.

    Args:
        param: The parameter.
        value: Its value.
        per_epoch: Scheduler steps in an epoch.
        per_step: Whether a scheduler step is an optimizer step, so that exported code has to compute it.
    """
    if param.unit == "epochs":
        steps = max(1, round(value * per_epoch)) if value else 0
        return Expr(steps, ticks_text(value) if per_step else str(steps))
    if param.unit == "per epoch" and per_step:
        return Expr(value ** (1 / per_epoch), f"{value!r} ** (1 / steps_per_epoch)")
    return number(value)


def ticks_text(epochs: float) -> str:
    """Python text for a length in scheduler steps, at least one: exact for whole epochs."""
    if epochs == int(epochs):
        return f"{int(epochs)} * steps_per_epoch"
    return f"max(1, round({epochs!r} * steps_per_epoch))"


def only(value: float | str) -> Range | Choice:
    """The range that holds one value alone; raises `InputError` unless it is a number or a name."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(f"a parameter is a number or a name, got {value!r:.60}.")
    return Choice((value,)) if isinstance(value, str) else Range(value, value)
