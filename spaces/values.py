"""Values of a range: proposed by a trial, drawn at random, moved a little, checked, rounded."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from ..errors import InputError
from .counting import Counting
from .families import Choice, Param, Range


class TrialLike(Protocol):
    """The part of ``optuna.Trial`` that a space needs."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Propose a number."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Propose one of the choices."""


def check_range(key: str, param: Param, values: Range | Choice) -> None:
    """Raise `InputError` unless the parameter of that name can have all of these values."""
    if isinstance(values, Choice) != isinstance(param.valid, Choice):
        wanted = "a list of names" if isinstance(param.valid, Choice) else "low and high"
        raise InputError(f"{key} takes {wanted}, got {values}.")
    valid = Range(0.0, 1.0) if param.unit == "lr" else param.valid
    ends = values.options if isinstance(values, Choice) else (values.low, values.high)
    for end in ends:
        if not inside(end, valid):
            of = " as a fraction of base_lr" if param.unit == "lr" else ""
            shown = valid.options if isinstance(valid, Choice) else f"{valid.low:g} to {valid.high:g}"
            raise InputError(f"{key} must stay within {shown}{of}, got {end!r}.")


def inside(value: float | str, valid: Range | Choice) -> bool:
    """Whether a value lies in a range and on its grid, or among the choices."""
    if isinstance(valid, Choice):
        return value in valid.options
    if not isinstance(value, (int, float)) or not valid.low <= value <= valid.high:
        return False
    steps = (value - valid.low) / valid.step if valid.step else 0.0
    return abs(steps - round(steps)) < 1e-6


def suggest(trial: TrialLike, name: str, values: Range | Choice) -> float | str:
    """The value that a trial proposes."""
    if isinstance(values, Choice):
        return str(trial.suggest_categorical(name, list(values.options)))
    return trial.suggest_float(name, values.low, values.high, log=values.log, step=values.step)


def draw(rng: np.random.Generator, values: Range | Choice) -> float | str:
    """A random value, uniform on the range's own scale."""
    if isinstance(values, Choice):
        return values.options[rng.integers(len(values.options))]
    if values.step is not None:
        return values.low + values.step * float(rng.integers(int((values.high - values.low) / values.step + 1.5)))
    if values.log:
        return float(np.exp(rng.uniform(np.log(values.low), np.log(values.high))))
    return float(rng.uniform(values.low, values.high))


def nudge(rng: np.random.Generator, values: Range | Choice, value: float | str, scale: float) -> float | str:
    """A value near another: a normal step of `scale` times the range's width away, or now and then another choice."""
    if isinstance(values, Choice):
        return value if rng.random() >= scale else draw(rng, values)
    ends = (values.low, values.high, float(value))
    low, high, now = map(math.log, ends) if values.log else ends
    moved = min(max(now + scale * (high - low) * rng.standard_normal(), low), high)
    if values.step is not None:
        return values.low + values.step * round((moved - values.low) / values.step)
    return min(max(math.exp(moved), values.low), values.high) if values.log else moved


def rounded(param: Param, values: Range | Choice, counting: Counting) -> Range | Choice:
    """The range with ends of four digits."""
    if isinstance(values, Choice):
        return values
    if param.unit == "per epoch":
        return Range(
            rounded_factor(values.low, 4, counting), rounded_factor(values.high, 4, counting), values.log, values.step
        )
    return Range(to_digits(values.low, 4), to_digits(values.high, 4), values.log, values.step)


def rounded_factor(value: float, n: int, counting: Counting) -> float:
    """A factor per epoch in `n` digits; one per step is next to 1, where the distance to 1 gets them."""
    if counting.unit == "epoch" or value <= 0.5:
        return to_digits(value, n)
    return round(1 - to_digits(1 - value, 4), 12)


def to_digits(value: float, n: int) -> float:
    """The value in `n` significant digits."""
    return float(f"{value:.{n}g}")
