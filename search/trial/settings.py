"""`Terms`: what every trial of a search is run under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import InputError
from ...objectives import Measurement
from ...spaces import ScheduleSpace
from ..budget.shared import Quota
from ..sampling.scale import Scale


@dataclass(frozen=True)
class Terms:
    """What every trial of a search is run under.

    Attributes:
        space: Where schedules come from.
        metric: Name of the metric to report.
        maximize: Whether larger is better.
        epochs: Length of a full trial.
        seed: Seed of every trial: they differ only in lr(t).
        device: Torch device.
        test: Whether full trials are evaluated on test data too.
        quota: What trials may use together with those of other processes; None if there are no others.
        skipped: By how much the number of a new trial is ahead of the sampler's draws.
        scale: What a probe told the sampler of base_lr; None without one.
        told: Who is told of every epoch in this process: the trial, the epoch, and how many there are.
    """

    space: ScheduleSpace
    metric: str
    maximize: bool
    epochs: int
    seed: int
    device: str
    test: bool = False
    quota: Quota | None = None
    skipped: int = 0
    scale: Scale | None = None
    told: Callable[[int, int, int], None] | None = None


def metric_of(m: Measurement, name: str) -> float:
    """The metric to rank by; raises `InputError` if the objective does not yield it."""
    if name not in m.metrics:
        raise InputError(
            f"the objective yields no metric {name!r}, only {', '.join(sorted(m.metrics))}: choose one with --metric."
        )
    return m.metrics[name]
