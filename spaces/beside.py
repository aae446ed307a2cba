"""What is searched beside the schedule: whatever a job takes, as weight decay, and multipliers of param groups."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from .families import Array, Choice, Range

PREFIX = "params."
"""Begins the Optuna names of what the job takes."""
MULTIPLIER = re.compile(r"groups\.([\w-]{1,100})\.multiplier", re.ASCII)
"""The name of a param group's multiplier, of which the first group is the param group's name."""
MULTIPLIERS = Range(1e-6, 1e6)
"""The smallest and the largest multiplier."""
Value = float | int | str


def optuna_name(name: str) -> str:
    """The Optuna name of a parameter, e.g. ``"params.weight_decay"``; that of a multiplier is its own."""
    return name if MULTIPLIER.fullmatch(name) else PREFIX + name


def multiplier_name(group: str) -> str:
    """The name of a param group's multiplier."""
    return f"groups.{group}.multiplier"


def for_job(beside: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters that the job takes by itself, as ``run.params``."""
    return {name: value for name, value in beside.items() if not MULTIPLIER.fullmatch(name)}


def for_groups(beside: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters that are multipliers of param groups."""
    return {name: value for name, value in beside.items() if MULTIPLIER.fullmatch(name)}


def multipliers(beside: Mapping[str, Value]) -> dict[str, float]:
    """The multipliers of param groups by the group's name; raises `InputError` for one out of `MULTIPLIERS`."""
    by_group = {match[1]: value for name, value in beside.items() if (match := MULTIPLIER.fullmatch(name))}
    for group, value in by_group.items():
        _check_multiplier(group, value)
    return {group: float(value) for group, value in by_group.items()}


def _check_multiplier(group: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not MULTIPLIERS.low <= value <= MULTIPLIERS.high:
        bounds = f"{MULTIPLIERS.low:g} to {MULTIPLIERS.high:g}"
        raise InputError(f"{multiplier_name(group)} must be a number from {bounds}, got {value!r}.")


def check_beside(beside: Mapping[str, Range | Choice], usual: Mapping[str, Value]) -> dict[str, Value]:
    """The usual values of the parameters: the given ones, else the middle of a range, or the first choice.

    Raises:
        InputError: A name is no name, or a usual value is not among those that are searched.
    """
    for name in (*beside, *usual):
        if not (name.isidentifier() or MULTIPLIER.fullmatch(name)):
            raise InputError(f"a parameter in [params] has a name as in Python, got {name!r}.")
    if strange := [name for name in usual if name not in beside]:
        raise InputError(f"[params] has a default for {strange[0]!r}, which is not searched.")
    for name, span in beside.items():
        if match := MULTIPLIER.fullmatch(name):
            for end in (span,) if isinstance(span, Choice) else (span.low, span.high):
                _check_multiplier(match[1], end)
    checked = {name: usual.get(name, _usual(name, span)) for name, span in beside.items()}
    for name, value in checked.items():
        if not contains(beside[name], value):
            raise InputError(f"the default of params.{name} must be among what is searched, got {value!r}.")
    return checked


def contains(span: Range | Choice, value: Value) -> bool:
    """Whether a value is among those that are searched."""
    if isinstance(span, Choice):
        return to_optuna(span, value) in span.options
    return not isinstance(value, str) and span.low <= value <= span.high


def from_optuna(span: Range | Choice, value: Any) -> Value:
    """What a job gets for an Optuna value: a number in four digits, a whole one on a whole grid, or a choice."""
    if isinstance(span, Choice):
        try:
            read: Value = json.loads(value)
        except ValueError:
            return str(value)
        return read
    if span.step is not None and float(span.step).is_integer() and float(span.low).is_integer():
        whole: int = round(value)
        return whole
    return min(max(float(f"{value:.4g}"), span.low), span.high)


def to_optuna(span: Range | Choice, value: Value) -> float | str:
    """The Optuna value of what a job gets."""
    if isinstance(span, Choice):
        return value if isinstance(value, str) else json.dumps(value)
    return float(value)


def numeric(span: Range | Choice) -> bool:
    """Whether its values have an order: numbers, and choices that are numbers."""
    return isinstance(span, Range) or not any(isinstance(from_optuna(span, option), str) for option in span.options)


def features(beside: Mapping[str, Range | Choice], values: Sequence[Mapping[str, Value]]) -> Array:
    """Coordinates for the surrogate, ``(len(values), d)``, of about unit variance over the ranges.

    A number is its place in its range, on the range's own scale; of names each is a coordinate of its own.
    """
    columns = [column for name, span in beside.items() for column in _columns(span, [v[name] for v in values])]
    x: Array = np.array(columns, dtype=np.float64).reshape(len(columns), len(values)).T
    return x


def _columns(span: Range | Choice, values: Sequence[Value]) -> list[list[float]]:
    if isinstance(span, Choice):
        if not numeric(span):
            return [[1.0 if value == option else -1.0 for value in values] for option in span.options]
        order = sorted(float(option) for option in span.options)
        return [[_spread(order.index(float(value)) / max(1, len(order) - 1)) for value in values]]
    low, high = (np.log([span.low, span.high]) if span.log else np.array([span.low, span.high])).tolist()
    at = np.log(np.array(values, dtype=np.float64)) if span.log else np.array(values, dtype=np.float64)
    return [[_spread(place) for place in ((at - low) / ((high - low) or 1.0)).tolist()]]


def _spread(place: float) -> float:
    """A place in [0, 1] as a coordinate of unit variance."""
    return (place - 0.5) * float(np.sqrt(12))


def _usual(name: str, span: Range | Choice) -> Value:
    """1 for a multiplier, if it is among what is searched; else the middle of a range, or the first choice."""
    return 1.0 if MULTIPLIER.fullmatch(name) and contains(span, 1.0) else _middle(span)


def _middle(span: Range | Choice) -> Value:
    if isinstance(span, Choice):
        return from_optuna(span, span.options[0])
    middle = span.middle
    if span.step is not None:
        middle = span.low + span.step * round((middle - span.low) / span.step)
    return from_optuna(span, middle)
