"""What every exporter starts from: the schedule to hand over, and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from ...errors import InputError
from ...search import SearchResult, TrialRecord
from ...spaces import Schedule

MOST_STEPS = 10**9
"""The largest number of optimizer steps in an epoch."""


@dataclass(frozen=True)
class Source:
    """A trial to export.

    Attributes:
        record: The trial.
        result: Its search, where known: the text then says what the numbers come from.
        schedule: The schedule to write, stretched and rescaled as asked.
        steps_per_epoch: Optimizer steps in an epoch where the schedule will be used; None if unknown, and for a
            schedule in steps.
    """

    record: TrialRecord
    result: SearchResult | None
    schedule: Schedule
    steps_per_epoch: int | None

    @property
    def grouped(self) -> bool:
        """Whether the trial's optimizer had parameter groups of different rates, or the schedule has multipliers."""
        own = self.record.optimizer is not None and self.record.optimizer.grouped
        return own or bool(self.schedule.multipliers)

    @property
    def several(self) -> int:
        """How many optimizers the trial had besides the first one."""
        return 0 if self.record.optimizer is None else len(self.record.optimizer.others)


class InexpressibleError(Exception):
    """The format has no words for this schedule; the message says for what, `instead` what to do."""

    def __init__(self, message: str, instead: str = "") -> None:
        super().__init__(message)
        self.instead = instead


def only_one(source: Source, where: str) -> None:
    """Raise `InexpressibleError` if the trial had several optimizers, and `where` there is but one."""
    if source.several:
        raise InexpressibleError(
            f"{where} one optimizer, the trial had {1 + source.several} that share a base_lr.",
            "Make one optimizer with their parameter groups, or step the schedulers of --format torch yourself.",
        )


def no_curve(source: Source, where: str) -> None:
    """Raise `InexpressibleError` if the schedule follows the metric, for a format that writes curves."""
    if source.schedule.reacts:
        raise InexpressibleError(f"plateau follows the metric, and is written for PyTorch alone, not for {where}.")


@dataclass(frozen=True)
class Format:
    """A way to write a schedule down.

    Attributes:
        name: The word for ``--format``.
        summary: One line for help texts.
        suffix: File name suffix.
        render: The text for a source; raises `InexpressibleError`.
    """

    name: str
    summary: str
    suffix: str
    render: Callable[[Source], str]


@dataclass(frozen=True)
class Lengths:
    """A schedule's lengths in scheduler steps.

    Attributes:
        n: Steps in an epoch.
        warmup: Steps of the warm-up.
        decay: Steps after it, at least one.
        total: Steps to the horizon.
    """

    n: int
    warmup: int
    decay: int
    total: int

    def ticks(self, epochs: float | str) -> int:
        """A length in scheduler steps, at least one."""
        return max(1, round(float(epochs) * self.n))

    def epochs(self, ticks: int, *, above: bool = False) -> float:
        """The epochs that, times `n`, give `ticks` or the next float below it; with `above`, the next one above."""
        in_epochs = ticks / self.n
        wrong = in_epochs * self.n < ticks if above else in_epochs * self.n > ticks
        return float(np.nextafter(in_epochs, np.inf if above else 0.0)) if wrong else in_epochs


def lengths(source: Source) -> Lengths:
    """The lengths of a source's schedule; raises `InputError` if steps_per_epoch is needed and unknown."""
    schedule = source.schedule
    n = 1
    if schedule.interval == "step" and schedule.unit == "epoch":
        if source.steps_per_epoch is None:
            raise InputError("the number of optimizer steps in an epoch is unknown: give it with --steps-per-epoch.")
        n = source.steps_per_epoch
    warmup, total = round(schedule.warmup * n), max(1, round(schedule.horizon * n))
    return Lengths(n, warmup, max(1, total - warmup), total)


def make_source(
    record: TrialRecord,
    result: SearchResult | None,
    *,
    length: float | None = None,
    steps_per_epoch: int | None = None,
    base_lr: float | None = None,
    keep_warmup: bool = False,
) -> Source:
    """The source for a trial, stretched to a `length` in its unit and rescaled as asked; raises `InputError`."""
    if record.schedule is None:
        raise InputError(f"trial {record.number} never got a schedule ({record.outcome}): choose another with --trial.")
    if steps_per_epoch is not None and not 1 <= steps_per_epoch <= MOST_STEPS:
        raise InputError(f"steps_per_epoch must be from 1 to {MOST_STEPS}, got {steps_per_epoch}.")
    schedule = record.schedule
    if schedule.unit == "step" and steps_per_epoch is not None:
        raise InputError("the search counted optimizer steps, which need no steps_per_epoch: leave it out.")
    if length is not None:
        kept = _kept_warmup(record, schedule, steps_per_epoch) if keep_warmup else None
        schedule = schedule.stretched(length, kept)
    if base_lr is not None:
        schedule = schedule.rescaled(base_lr)
    return Source(record, result, schedule, steps_per_epoch or record.steps_per_epoch)


def lrsearch_version() -> str:
    """The installed version."""
    try:
        return version("lrsearch")
    except PackageNotFoundError:
        return "unknown"


def _kept_warmup(record: TrialRecord, schedule: Schedule, steps_per_epoch: int | None) -> float:
    """The warm-up in epochs of the new training that takes as many optimizer steps as the trial's did."""
    if schedule.interval == "epoch" or schedule.unit == "step" or not (steps_per_epoch and record.steps_per_epoch):
        return schedule.warmup
    return schedule.warmup * record.steps_per_epoch / steps_per_epoch
