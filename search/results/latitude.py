"""Does the schedule matter beyond base_lr? Not where schedules of every shape differ no more than the seeds' noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from .confirmation import Confirmation
from .search import SearchResult
from .trial import TrialRecord

REACH = 3.0
"""A trial does as well as the others if it is at most this many noise units behind the best quarter."""
FEWEST, FEWEST_COMPLETE = 8, 5
"""Trials in the range, at least, and complete ones among them."""
FEWEST_FREE = 4
"""Degrees of freedom that the noise is estimated with, at least."""
HELD, DECAYED = 0.5, 0.2
"""Shapes differ enough if two schedules end at this share of their highest rate or more, and two at that or less: one
may have been lucky."""
SPREAD = 1.5
"""How many times as much as seeds schedules may differ at most, since both are estimated from a few runs, and
some of the schedules are poor ones."""


@dataclass(frozen=True)
class Latitude:
    """A range of base_lr in which the schedule hardly matters: whatever its shape, only the seed's luck is seen.

    Attributes:
        low: Lowest base_lr in the range that was trained to the end.
        high: Highest one.
        trials: The search's trials in the range, by number; all do equally well.
        spread: Standard deviation of the values of the complete ones, in units of the metric.
        noise: What the seed alone does to one run, beside what it does to every schedule alike; in the same units.
    """

    low: float
    high: float
    trials: tuple[int, ...]
    spread: float
    noise: float


def latitude(result: SearchResult) -> Latitude | None:
    """The range of base_lr in which the schedule hardly matters.

    The range reaches from the recommended trial's base_lr down and up as long as every trial of the search, in the
    order of base_lr, does well: it ends at most `REACH` noise units behind the complete ones' best quartile, or was
    pruned when it was there already, or no worse than one of those at that epoch. The schedule hardly matters there if
    shapes that hold their rate and shapes that decay are among the complete ones, and their values differ little more
    than the seeds make one schedule's differ (`SPREAD`).

    Returns:
        None if the schedule matters, or if that is unknown: no confirmation, one that finds a difference, a schedule
        that broke on a fresh seed, or too few trials or seeds.
    """
    confirmation = result.confirmation
    if confirmation is None or confirmation.word != "not distinguishable" or not result.ranking:
        return None
    noise = seed_noise(confirmation)
    if noise is None:
        return None
    around = _range(result, noise)
    complete = [t for t in around if t.outcome == "complete"]
    rates = [_base_lr(t) for t in complete]
    inside = [t.number for t in around if min(rates) <= _base_lr(t) <= max(rates)] if rates else []
    if len(inside) < FEWEST or len(complete) < FEWEST_COMPLETE or not _differ(complete):
        return None
    spread = float(np.std([t.value or 0.0 for t in complete], ddof=1))
    if spread > SPREAD * noise:
        return None
    return Latitude(min(rates), max(rates), tuple(sorted(inside)), spread, noise)


def seed_noise(confirmation: Confirmation) -> float | None:
    """Standard deviation of one run's value, beside what its seed does to every schedule alike, from fresh seeds.

    That is what remains of the values when each schedule's mean and each seed's mean are taken off (two-way analysis of
    variance), over the seeds that choose and those that judge together. None if a run diverged or failed, or if fewer
    than `FEWEST_FREE` degrees of freedom are left.
    """
    contest = confirmation.contest
    tables = [_table(confirmation, seeds) for seeds in (contest.choosing, contest.judging)]
    free = sum((len(t) - 1) * (t.shape[1] - 1) for t in tables if t.size)
    if free < FEWEST_FREE or not all(np.isfinite(t).all() for t in tables):
        return None
    return math.sqrt(sum(float((_remainder(t) ** 2).sum()) for t in tables if t.size) / free)


def _table(confirmation: Confirmation, seeds: Sequence[int]) -> NDArray[np.float64]:
    """Values of the schedules that ran on all of the seeds that any ran on, ``(schedules, seeds)``."""
    trials = dict.fromkeys(r.confirms for r in confirmation.runs if r.confirms is not None and r.seed in seeds)
    rows = [list(confirmation.values(t, seeds).values()) for t in trials]
    longest = max(map(len, rows), default=0)
    return np.array([row for row in rows if len(row) == longest and longest])


def _remainder(table: NDArray[np.float64]) -> NDArray[np.float64]:
    left: NDArray[np.float64] = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    return left


def _range(result: SearchResult, noise: float) -> list[TrialRecord]:
    """The trials around the recommended one by base_lr, up to the first on either side that does worse."""
    sign = -1.0 if result.maximize else 1.0
    limit = float(np.quantile([sign * (t.value or 0.0) for t in result.ranking], 0.25)) + REACH * noise
    doing = [t for t in result.ranking if sign * (t.value or 0.0) <= limit]

    def does(trial: TrialRecord) -> bool:
        if trial.outcome != "pruned" or not trial.epochs:
            return any(t.number == trial.number for t in doing)
        last, *others = (sign * t.metrics[result.metric][trial.epochs - 1] for t in (trial, *doing))
        return last <= max(limit, *others)

    tried = sorted((t for t in result.trials if t.counted and t.schedule), key=_base_lr)
    middle = next((i for i, t in enumerate(tried) if t.number == result.best.number), None)
    if middle is None or not does(tried[middle]):
        return []
    below, above = takewhile(does, reversed(tried[:middle])), takewhile(does, tried[middle:])
    return [*below, *above]


def _base_lr(trial: TrialRecord) -> float:
    """NaN of a trial without a schedule, of which `_range` takes none."""
    return trial.schedule.base_lr if trial.schedule else math.nan


def _differ(trials: Sequence[TrialRecord]) -> bool:
    """Whether some schedules hold their rate and others decay."""
    ends = [t.lr[-1] / max(t.lr) for t in trials if t.lr and max(t.lr) > 0]
    return min(sum(end >= HELD for end in ends), sum(end <= DECAYED for end in ends)) >= 2
