"""Which curve to try before the surrogate knows anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from ...spaces import Schedule, ScheduleSpace
from .features import Array
from .usual_schedule import usual

PLACES, PLACES_BELOW = (0.55, 0.8), (0.35, 0.15)
"""Places in the range of base_lr (0 to 1, on its own scale) that a search begins with, and where it goes on, one after
the other, while the lower rate is no worse: measured on recorded tables, some of whose best rates lie low."""
EDGE = 1.6
"""A curve lies within this many standard deviations of the average one: beyond are rates that train nothing."""


def next_design(x: Array, known: Sequence[Array], *, alone: bool = True) -> int:
    """Which of the curves to try besides the known ones: at first the most average one.

    Then, alone, the one that is farthest from the known ones. Where these are still running, the one that brings all
    curves closest to a known one (greedy k-medoids): of several that are chosen at once, far apart, most would lie at
    the edges, where little trains well.

    Args:
        x: Features of the curves, scaled, ``(m, d)``.
        known: Features of the known ones, ``(d,)`` each.
        alone: Whether all known ones have ended.
    """
    if not known:
        return int(np.argmin((x**2).sum(1)))
    inner = (np.abs(x) < EDGE).all(1)
    away = cdist(x, np.stack(known), "sqeuclidean").min(1)
    if alone:
        return int(np.argmax(np.where(inner, away, -1.0)))
    left = np.minimum(cdist(x, x, "sqeuclidean"), away).mean(1)
    return int(np.argmin(np.where(inner, left, np.inf)))


def scan(space: ScheduleSpace) -> tuple[Schedule, ...]:
    """The usual schedule at two rates of the space, and at two below, falling: a coarse scan of base_lr."""
    span = space.base_lr
    rates = [
        span.low * (span.high / span.low) ** place if span.log else span.low + place * (span.high - span.low)
        for place in (*PLACES, *PLACES_BELOW)
    ]
    return tuple(usual(space, rate) for rate in rates)
