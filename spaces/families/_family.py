"""What a schedule family is: its parameters, its closed form, and the PyTorch classes that make it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from ...errors import InputError

Array: TypeAlias = "np.ndarray[tuple[Any, ...], np.dtype[np.float64]]"  # numpy.typing takes 10 ms to import
Unit = Literal["epochs", "per epoch", "lr", "factor", "choice"]


@dataclass(frozen=True)
class Range:
    """An interval to search, ends included.

    Attributes:
        low: Smallest value.
        high: Largest value; equal to `low` for a fixed value.
        log: Whether to search on a logarithmic scale.
        step: Grid width from `low` on; None for any value. Not together with `log`.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            raise InputError(f"a range needs finite ends, got low={self.low}, high={self.high}.")
        if self.low > self.high:
            raise InputError(f"a range needs low <= high, got low={self.low:g}, high={self.high:g}: swap the two.")
        if self.log and self.low <= 0:
            raise InputError(f"a log range needs low > 0, got low={self.low:g}: raise it or drop log.")
        if self.step is not None and (self.log or not self.step > 0):
            raise InputError(f"step must be > 0 and cannot go with log, got step={self.step}, log={self.log}.")

    @property
    def middle(self) -> float:
        """The midpoint on the range's own scale."""
        return float(np.sqrt(self.low * self.high)) if self.log else (self.low + self.high) / 2


@dataclass(frozen=True)
class Choice:
    """A set of names to choose from."""

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) != len(self.options):
            raise InputError(f"a choice needs distinct names, at least one, got {list(self.options)}.")


class AnyName(Choice):
    """Any name, as of a metric; the one option is the usual one."""


@dataclass(frozen=True)
class Expr:
    """A value used to build a scheduler, with the Python text that computes it in exported code.

    Attributes:
        value: The value.
        text: The expression.
        needs: Import lines and function definitions that the text uses, for the top of the exported module.
    """

    value: Any
    text: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One PyTorch scheduler class, its arguments, and how many scheduler steps it lasts (None: to the end)."""

    cls: str
    kwargs: Mapping[str, Expr]
    length: Expr | None = None


@dataclass(frozen=True)
class Param:
    """A parameter of a family.

    Attributes:
        name: PyTorch's own word where there is one.
        unit: "epochs" is a length; "per epoch" a decay factor per epoch; "lr" a learning rate, searched as a
            fraction of base_lr; "factor" a plain number; "choice" a name.
        summary: One line for help texts.
        search: The default range for a given horizon in epochs.
        usual: The value people usually take for a given decay length in epochs.
        valid: The largest sensible domain; values outside are refused. A grid has `step`.
        opt_in: Whether it stays at its usual value, the same for every length, unless a space or a schedule names it.
    """

    name: str
    unit: Unit
    summary: str
    search: Callable[[float], Range | Choice]
    usual: Callable[[float], float | str]
    valid: Range | Choice
    opt_in: bool = False

    def check(self, family: str, value: float | str) -> None:
        """Raise `InputError` unless `value` lies in `valid`."""
        if isinstance(self.valid, AnyName):
            if not isinstance(value, str) or not re.fullmatch(r"[\w.+@/ -]{0,100}", value):
                raise InputError(f"{family}.{self.name} must be a name, got {value!r:.60}.")
        elif isinstance(self.valid, Choice):
            if value not in self.valid.options:
                raise InputError(f"{family}.{self.name} must be one of {', '.join(self.valid.options)}, got {value!r}.")
        elif isinstance(value, (bool, str)) or not self.valid.low <= value <= self.valid.high:
            raise InputError(
                f"{family}.{self.name} must be between {self.valid.low:g} and {self.valid.high:g}, got {value!r}."
            )
        elif self.valid.step and value % self.valid.step:
            raise InputError(f"{family}.{self.name} must be a multiple of {self.valid.step:g}, got {value!r}.")


@dataclass(frozen=True)
class Family:
    """A schedule family. Times are scheduler steps counted from the end of the warm-up.

    Attributes:
        name: The word used on the command line and in stored studies.
        summary: One line: what the curve looks like.
        reference: Where the formula comes from.
        params: Its parameters.
        lr: ``lr(t, base_lr, decay, params)``: closed form at steps `t` (float array, shape ``(n,)``), where
            `decay` is the number of steps after the warm-up and `params` are in scheduler steps.
        stages: ``stages(decay, params)``: the same as PyTorch classes, for building and for exporting; `params`
            hold ``base_lr`` too.
        scaled_stages: The same as factors of base_lr, with ``"lr"`` parameters as fractions of it; for a family that
            has any, since PyTorch's class would take them for rates of every parameter group.
        used_by: Who trains with it.
        sets: The named sets of families that it belongs to.
        rises: Whether it begins below base_lr and warms up by itself, so that no other warm-up goes before it.
    """

    name: str
    summary: str
    reference: str
    params: tuple[Param, ...]
    lr: Callable[[Array, float, int, Mapping[str, Any]], Array]
    stages: Callable[[Expr, Mapping[str, Expr]], tuple[Stage, ...]]
    scaled_stages: Callable[[Expr, Mapping[str, Expr]], tuple[Stage, ...]] | None = None
    used_by: str = ""
    sets: tuple[str, ...] = ()
    rises: bool = False


TINY, HUGE = 1e-9, 1e9
LENGTH = Range(TINY, HUGE)
DECAY = Range(TINY, 1.0)
FRACTION = Range(0.0, 1.0)
END_FACTOR = Param(
    "end_factor",
    "factor",
    "rate at the horizon, as a fraction of base_lr",
    search=lambda epochs: Range(0.0, 0.2),
    usual=lambda decay: 0.0,
    valid=FRACTION,
    opt_in=True,
)
"""Of families whose decay need not end at 0."""


def number(value: float) -> Expr:
    """A literal number, written so that Python reads back the same float."""
    return Expr(value, repr(value))


def lambda_lr(formula: str, *needs: str, length: Expr | None = None, **names: Expr) -> Stage:
    """A ``LambdaLR``, built from the very text that is exported, so that both give the same rates to the last bit.

    Args:
        formula: The share of base_lr as a Python expression of ``t``, of the `names`, and of ``progress``.
        needs: Import lines and function definitions that the formula uses.
        length: ``progress`` runs from 0 to 1 in so many scheduler steps and stays there.
        names: What else the formula uses.
    """
    text = formula
    if length is not None:
        text = re.sub(r"\bprogress\b", "min(t / length, 1)", text)
        names = {**names, "length": length}
    scope: dict[str, Any] = {}
    for need in needs:
        exec(need, scope)
    scope.update({name: expr.value for name, expr in names.items()})
    value = eval(f"lambda t: {text}", scope)
    for name, expr in names.items():
        text = re.sub(rf"\b{name}\b", f"({expr.text})", text)
    return Stage("LambdaLR", {"lr_lambda": Expr(value, f"lambda t: {text}", needs)})


def down_to(floor: float, share: Array) -> Array:
    """A share that falls from 1 to 0, made to end at `floor` instead."""
    lowered: Array = floor + (1 - floor) * share
    return lowered


def above(floor: float, formula: str) -> str:
    """The formula of a share that ends at `floor` instead of 0: the same text where that is 0."""
    return f"{floor!r} + {1 - floor!r} * ({formula})" if floor else formula
