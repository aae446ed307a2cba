"""Is the winner better than a baseline? Paired t-tests on equal seeds, stricter than 5 % to stay true under ugly noise.

A comparison is looked at twice, with more seeds the second time, each look at its own level. A study may be confirmed
again after more trials, on new seeds. The levels of all looks of all its confirmations add up to `ALPHA` (Bonferroni),
and one confirmation takes `CONTEST_SHARE` of what is left, 1.25 % the first time. So "better" is said of a winner that
is no better in at most 1.25 % of first confirmations if the paired differences are about symmetric. The rest is for
noise that is not: if only the winner's loss is skewed towards bad values, a t-test is wrong several times as often as
its level says, and no other test on a few seeds keeps its level at equal power (``benchmarks/verdict_noise.py``; in
theory, Bahadur and Savage, Annals of Mathematical Statistics 27, 1956). What happens in so few runs that none of
them shows it stays unseen; `unseen_risk` says how often that may be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from ...options import FEWEST_SEEDS
from ..notes.contest import Look
from .student_t import upper_quantile

ALPHA = 0.05
"""The level of all confirmations of a study together, for "better" and for "worse" each."""
CONTEST_SHARE = 0.25
"""One confirmation spends this much of the level that earlier ones of the study have left."""
LOOKS = ((0.67, 0.05), (1.0, 0.95))
"""Looks at a comparison: after which share of the seeds, with which share of the confirmation's level. The first is
strict: it ends clear cases early."""
FEWEST = FEWEST_SEEDS
"""Seeds of the first look, at least: two differences say next to nothing about their spread."""

Result = Literal["better", "worse", "open"]


@dataclass(frozen=True)
class Duel:
    """The winner against one baseline.

    Attributes:
        rival: The baseline's trial number.
        seeds: Seeds that both were trained with.
        difference: Mean of winner minus baseline, in units of the metric; NaN without a pair.
        low: Lower end of the interval for the true difference, which misses it on either side with the probability
            of the last look's level.
        high: Upper end.
        result: What the looks say so far.
    """

    rival: int
    seeds: int
    difference: float
    low: float
    high: float
    result: Result


def contest_level(spent: Iterable[float]) -> float:
    """The level of a study's next confirmation.

    Args:
        spent: The levels that earlier ones spent. One that ended in "better" spends nothing: if that is true, no
            mistake was possible, and if it is not, the one mistake that `ALPHA` allows has been made (Bonferroni's
            fallback; Tian and Ramdas, Statistical Methods in Medical Research 30, 2021).
    """
    return CONTEST_SHARE * max(0.0, ALPHA - math.fsum(spent))


def planned_looks(seeds: int, level: float) -> list[Look]:
    """When to look at a comparison of at most this many seeds, >= `FEWEST`, whose looks' levels add up to `level`."""
    levels: dict[int, float] = {}
    for share, spent in LOOKS:
        count = max(FEWEST, round(share * seeds))
        levels[count] = levels.get(count, 0.0) + spent * level
    return [Look(*look) for look in levels.items()]


def next_look(done: Sequence[Look], seeds: int, affordable: int, level: float) -> Look | None:
    """The next look at a comparison.

    Args:
        done: The looks so far.
        seeds: The most seeds that were planned.
        affordable: The most seeds that there is budget for.
        level: What the looks' levels add up to.

    Returns:
        The next look, the last one at all the level that is left; None if nothing can be gained any more.
    """
    before = max((look.seeds for look in done), default=0)
    left = level - sum(look.level for look in done)
    total = min(affordable, seeds)
    if total < max(FEWEST, before + 1) or left < 1e-12:
        return None
    look = next(look for look in planned_looks(total, level) if look.seeds > before)
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

    A run that diverged or failed counts as the worst. The baseline's counts as the worst finite value of both, which
    does not favour the winner. A winner with such a run is never better, and worse if it has significantly more of
    them than the baseline.

    Args:
        rival: The baseline's trial number.
        winner: Final values by seed; infinite after a divergence or a failure.
        other: The baseline's.
        seeds: Seeds in the order of their use.
        looks: The looks so far. One at fewer pairs than `FEWEST` says nothing.
        maximize: Whether larger is better.
    """
    finite = [v for v in (*winner.values(), *other.values()) if math.isfinite(v)]
    worst = (min if maximize else max)(finite, default=0.0)
    so_far = Duel(rival, 0, math.nan, -math.inf, math.inf, "open")
    for look in looks:
        used = [s for s in seeds[: look.seeds] if s in winner and s in other]
        if len(used) < FEWEST or so_far.result != "open":
            continue
        mine, others = [winner[s] for s in used], [other[s] for s in used]
        if not all(map(math.isfinite, mine)):
            so_far = Duel(rival, len(used), math.nan, -math.inf, math.inf, _by_bad_runs(mine, others, look.level))
            continue
        paired = [a - (b if math.isfinite(b) else worst) for a, b in zip(mine, others, strict=True)]
        low, high = interval(paired, look.level)
        result = _by_interval(*((-high, -low) if maximize else (low, high)))
        so_far = Duel(rival, len(used), float(np.mean(paired)), low, high, result)
    return so_far


def _by_interval(low: float, high: float) -> Result:
    return "better" if high < 0 else "worse" if low > 0 else "open"


def _by_bad_runs(winner: Sequence[float], other: Sequence[float], level: float) -> Result:
    """Whether the winner diverges or fails more often, by Barnard's exact test."""
    bad = [sum(not math.isfinite(v) for v in values) for values in (winner, other)]
    return "worse" if _barnard(bad[0], len(winner), bad[1], len(other)) <= level else "open"


@cache
def _barnard(bad: int, runs: int, others_bad: int, others_runs: int) -> float:
    """The p-value of so many bad runs, against another schedule's; few tables occur, and they occur often."""
    from scipy.stats import barnard_exact  # a second of imports, and rarely needed

    table = [[bad, others_bad], [runs - bad, others_runs - others_bad]]
    return float(barnard_exact(table, alternative="greater").pvalue)


def unseen_risk(runs: int) -> float:
    """The largest risk of an event in one run that is not excluded, at 95 %, by this many runs without it."""
    return float(1 - ALPHA ** (1 / runs)) if runs else 1.0


def interval(differences: Sequence[float], level: float) -> tuple[float, float]:
    """The interval of Student's t for the mean of differences, missing it with probability `level` on either side.

    Equal differences, as from an objective that ignores its seed, give an interval of no width.
    """
    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    reach = upper_quantile(len(differences) - 1, level) * spread / math.sqrt(len(differences))
    return mean - reach, mean + reach
