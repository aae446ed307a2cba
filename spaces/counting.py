"""What the length of a training is counted in: epochs, or the optimizer's steps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import InputError

Unit = Literal["epoch", "step"]
HORIZONS: dict[Unit, tuple[float, float]] = {"epoch": (1e-6, 1e6), "step": (1, 1e8)}
"""The smallest and the largest horizon."""
REPORTS = 20
"""At most so many reports has a training in steps where nobody says how often it reports."""


def check_unit(unit: str) -> None:
    """Raise `InputError` unless it is a unit."""
    if unit not in get_args(Unit):
        raise InputError(f"unit must be 'epoch' or 'step', got {unit!r}.")


@dataclass(frozen=True)
class Counting:
    """What a search counts its trainings in.

    Attributes:
        unit: ``"epoch"`` or ``"step"``: what lengths are given in.
        every: Units between a training's reports; 1 for epochs.

    Raises:
        InputError: A value is outside its domain.
    """

    unit: Unit = "epoch"
    every: int = 1

    def __post_init__(self) -> None:
        check_unit(self.unit)
        if self.every < 1 or (self.unit == "epoch" and self.every != 1):
            raise InputError(f"every must be at least 1, and 1 for epochs; got {self.every} for {self.unit}s.")

    def many(self, n: float) -> str:
        """``1 epoch``, ``20 epochs``, ``2000 steps``."""
        return amount(n, self.unit)

    @property
    def units(self) -> str:
        """``epochs``, ``steps``."""
        return f"{self.unit}s"

    def at(self, reports: int) -> int:
        """Units trained by the time of so many reports."""
        return reports * self.every

    def reports(self, units: float) -> int:
        """Reports of a training of so many units."""
        return int(units) // self.every

    def trained(self, reports: int) -> str:
        """``3 epochs``, ``300 steps``: what was trained by the time of so many reports."""
        return f"{self.at(reports):,} {self.unit}{'' if self.at(reports) == 1 else 's'}"

    def when(self, reports: int) -> str:
        """``epoch 3``, ``step 300``: where a training is after so many reports."""
        return f"{self.unit} {self.at(reports)}"


IN_EPOCHS = Counting()


def steps_counting(steps: int, every: int | None) -> Counting:
    """The counting of trainings of so many steps; raises `InputError` unless they are whole reports.

    Args:
        steps: Optimizer steps of a training.
        every: Steps between its reports; None for the most reports up to `REPORTS`.
    """
    if steps != int(steps) or not 1 <= steps <= HORIZONS["step"][1]:
        raise InputError(f"steps must be a whole number from 1 to {HORIZONS['step'][1]:,.0f}, got {steps}.")
    if every is None:
        reports = max(n for n in range(1, REPORTS + 1) if steps % n == 0)
        if reports < min(5, steps):
            near = max(1, round(steps / REPORTS)) * REPORTS
            raise InputError(f"say with --every how often {steps} steps are reported, or take --steps {near}.")
        return Counting("step", int(steps) // reports)
    if every != int(every) or not 1 <= every <= steps:
        raise InputError(f"every must be a whole number from 1 to the {steps} steps of a trial, got {every}.")
    if steps % every:
        below = steps - steps % every
        raise InputError(
            f"steps must be a multiple of every, so that the last report tells of the end; got {steps} and {every}: "
            f"take --steps {below} or {below + every}."
        )
    return Counting("step", int(every))


def amount(n: float, unit: Unit) -> str:
    """``1 epoch``, ``20 epochs``, ``12.5 epochs``, ``2000 steps``."""
    return f"{brief(n)} {unit}{'' if n == 1 else 's'}"


def in_unit(text: str, unit: Unit) -> str:
    """What a family says of itself, where lengths are in that unit."""
    return text if unit == "epoch" else re.sub(r"\bepoch", "step", text)


def brief(value: float) -> str:
    """A parameter in four digits; more of a large length, and of a factor next to 1."""
    if 1000 <= abs(value) < 1e9:
        return f"{value:.0f}"
    if 0.9995 < value < 1:
        return f"{value:.{2 - math.floor(math.log10(1 - value))}f}".rstrip("0")
    return f"{value:.4g}"
