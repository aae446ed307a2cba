"""How far a schedule is from the rates at which training diverges, and which of its runs spiked; pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ...spaces import Schedule

EDGE = 1.5
"""A schedule is near the edge if it would be one that diverged or spiked at this many times its base_lr, or less."""
SPIKE = 7.0
"""A run spiked if it is this many robust standard deviations worse than its schedule's median run."""
FEWEST_FOR_SPIKES = 5
"""Runs of a schedule that its median is taken of, at least."""


def margin(schedule: Schedule, walls: Iterable[Schedule]) -> float:
    """The factor between base_lr and the nearest one that is known to have broken: at least 1; infinite if none has.

    It is 1 if a schedule broke at a lower base_lr though it was warmed up at least as long. One that was warmed up less
    and broke at a lower base_lr counts by its distance: a longer warm-up moves the wall.

    Args:
        schedule: The schedule, of any family.
        walls: Schedules that diverged or spiked on any seed.
    """
    ratios = [
        1.0 if w.base_lr < schedule.base_lr and w.warmup >= schedule.warmup else w.base_lr / schedule.base_lr
        for w in walls
    ]
    return min((max(ratio, 1 / ratio) for ratio in ratios), default=math.inf)


def spikes(runs: Sequence[Sequence[float]], *, maximize: bool = False) -> list[list[int]]:
    """Which runs of each schedule spiked: ended far worse than its others, or not with a finite value.

    The spread is one for all: 1.4826 times the median distance from each schedule's own median.

    Args:
        runs: Final values of each schedule.
        maximize: Whether larger is better.

    Returns:
        Places in each schedule's values.
    """
    sign = -1.0 if maximize else 1.0
    finite = [[sign * v for v in values if math.isfinite(v)] for values in runs]
    known = [f for f in finite if len(f) >= FEWEST_FOR_SPIKES]
    apart = [abs(v - float(np.median(f))) for f in known for v in f]
    reach = SPIKE * 1.4826 * float(np.median(apart)) if apart else math.inf
    limits = [float(np.median(f)) + reach if len(f) >= FEWEST_FOR_SPIKES and reach > 0 else math.inf for f in finite]
    return [
        [i for i, v in enumerate(values) if not math.isfinite(v) or sign * v > limit]
        for values, limit in zip(runs, limits, strict=True)
    ]
