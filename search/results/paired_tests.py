"""Is the winner better than a baseline? Paired tests on equal seeds that stay valid though they are repeated.

A comparison is looked at a few times, each time with more seeds. Every look is a paired t-test at its own level, and
the levels add up to `ALPHA` (Bonferroni), so that by whatever rule one stops, "better" is said of schedules that are no
better in at most `ALPHA` of all cases, and so is "worse". The one assumption is that the differences of paired runs
are independent and about normal; the two schedules' runs may vary differently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

ALPHA = 0.05
"""Probability, at most, of saying "better" of a winner that is not, and of saying "worse" of one that is not."""
LOOKS = ((0.45, 0.1), (0.7, 0.2), (1.0, 0.7))
"""Looks at a comparison: after which share of the seeds, with which share of `ALPHA`."""
DEFAULT_SEEDS = 9
FEWEST = 3
"""Seeds of the first look, at least: two differences say next to nothing about their spread."""

Result = Literal["better", "worse", "open"]


class Look(NamedTuple):
    """One look at all comparisons: after how many seeds, and the level of its one-sided tests."""

    seeds: int
    level: float


@dataclass(frozen=True)
class Duel:
    """The winner against one baseline.

    Attributes:
        rival: The baseline's trial number.
        seeds: Seeds that both were trained with.
        difference: Mean of winner minus baseline, in units of the metric; NaN without a pair.
        low: Lower end of the interval for the true difference, which misses it on either side in at most `ALPHA`.
        high: Upper end.
        result: What the looks say so far.
    """

    rival: int
    seeds: int
    difference: float
    low: float
    high: float
    result: Result


def planned_looks(seeds: int) -> list[Look]:
    """When to look at a comparison of at most so many seeds, >= `FEWEST`."""
    found: dict[int, float] = {}
    for share, spent in LOOKS:
        count = max(FEWEST, round(share * seeds))
        found[count] = found.get(count, 0.0) + spent * ALPHA
    return [Look(*look) for look in found.items()]


def next_look(done: Sequence[Look], seeds: int, affordable: int) -> Look | None:
    """The next look at a comparison.

    Args:
        done: The looks so far.
        seeds: The most seeds that were planned.
        affordable: The most seeds that there is budget for.

    Returns:
        The next look, the last one at all the level that is left; None if nothing can be gained any more.
    """
    before = max((look.seeds for look in done), default=0)
    left = ALPHA - sum(look.level for look in done)
    total = min(affordable, seeds)
    if total < max(FEWEST, before + 1) or left < 1e-12:
        return None
    look = next(look for look in planned_looks(total) if look.seeds > before)
    return look._replace(level=left if look.seeds == total else min(look.level, left))


def duel(
    rival: int,
    winner: Mapping[int, float],
    other: Mapping[int, float],
    seeds: Sequence[int],
    looks: Sequence[Look],
    *,
    maximize: bool = False,
) -> Duel:
    """The winner against one baseline after some looks.

    Args:
        rival: The baseline's trial number.
        winner: Final values by seed; infinite after a divergence.
        other: The baseline's. A divergence counts as the worst finite value of both, which does not favour the winner.
        seeds: Seeds in the order of their use.
        looks: The looks so far.
        maximize: Whether larger is better.
    """
    finite = [v for v in (*winner.values(), *other.values()) if math.isfinite(v)]
    if not all(map(math.isfinite, winner.values())):
        return Duel(rival, len(winner.keys() & other.keys()), math.nan, -math.inf, math.inf, "worse")
    worst = (min if maximize else max)(finite, default=0.0)
    sign = -1.0 if maximize else 1.0
    result: Result = "open"
    low, high = -math.inf, math.inf
    paired: list[float] = []
    for look in looks:
        used = [s for s in seeds[: look.seeds] if s in winner and s in other]
        if len(used) < FEWEST or result != "open":
            break
        paired = [winner[s] - (other[s] if math.isfinite(other[s]) else worst) for s in used]
        low, high = interval(paired, look.level)
        if sign * (low if maximize else high) < 0:
            result = "better"
        elif sign * (high if maximize else low) > 0:
            result = "worse"
    return Duel(rival, len(paired), float(np.mean(paired)) if paired else math.nan, low, high, result)


def interval(differences: Sequence[float], level: float) -> tuple[float, float]:
    """The interval of Student's t for the mean of differences, missing it with probability `level` on either side.

    Equal differences, as from an objective that ignores its seed, give an interval of no width.
    """
    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    reach = -float(stdtrit(len(differences) - 1, level)) * spread / math.sqrt(len(differences))
    return mean - reach, mean + reach
