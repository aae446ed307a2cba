"""Longer trainings: does what won over a short horizon still win when the schedules are stretched?

Schedules transfer poorly, and warm-up well, as a rule (Deep Learning Tuning Playbook, Godbole et al., 2023). Whether
that is so for a given job is measured: a confirmation's finalists, and the winner at half and at twice its base_lr, are
trained over a few longer horizons on the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.special import stdtrit

from ...errors import StudyError
from .paired_tests import ALPHA
from .search import SearchResult
from .trial import TrialRecord

FACTORS = (1.0, 0.5, 2.0)
"""The winner's base_lr is tried times these."""


@dataclass(frozen=True)
class Outlook:
    """The winner's lead over another schedule as trainings get longer.

    Attributes:
        rival: The other's trial.
        gaps: By horizon in epochs, the mean of winner minus rival over equal seeds.
        epochs: The horizon asked about.
        expected: What the gap should be there: a straight line over the logarithm of the horizon.
        low: Lower end of its interval, which misses it on either side with probability `ALPHA`.
        high: Upper end.
        word: "holds", "turns round" or "open".
    """

    rival: int
    gaps: dict[int, float]
    epochs: float
    expected: float
    low: float
    high: float
    word: str


class Transfer:
    """What the runs on longer horizons say.

    Args:
        result: A search with a confirmation and runs on longer horizons.
    """

    def __init__(self, result: SearchResult) -> None:
        self.result, self.found = result, result.confirmation
        if self.found is None or self.found.winner is None:
            raise StudyError("only a confirmed winner can be followed to longer horizons: search with --confirm first.")
        self.winner = self.found.winner
        self.seeds: Sequence[int] = sorted({t.seed for t in result.transfer if t.seed is not None})
        self.horizons = sorted({int(t.schedule.horizon) for t in result.transfer if t.schedule})

    @property
    def judging(self) -> Sequence[int]:
        """The seeds that judged the confirmation, in the order of their use."""
        assert self.found is not None
        return self.found.contest.judging

    @property
    def finalists(self) -> list[int]:
        """The winner, the baselines it met, and the other candidates."""
        assert self.found is not None
        return list(dict.fromkeys([self.winner, *self.found.rivals, *self.found.contest.candidates]))

    @property
    def others(self) -> list[int]:
        """The trials that the winner was followed beside."""
        return [t for t in dict.fromkeys(r.confirms for r in self.result.transfer) if t not in (None, self.winner)]

    def values(self, trial: int, horizon: int, factor: float = 1.0) -> dict[int, float]:
        """Final values by seed of a trial's schedule over a horizon, at so many times its base_lr."""
        assert self.found is not None
        known: Iterable[TrialRecord] = self.result.transfer
        if factor == 1.0 and horizon == self.result.epochs:
            known = (*known, *self.found.runs)
        schedule = self.result.trial(trial).schedule
        assert schedule is not None
        base_lr = factor * schedule.base_lr
        return {
            t.seed: t.value
            for t in known
            if t.confirms == trial and t.outcome == "complete" and t.value is not None
            if t.seed is not None and t.seed in self.seeds
            if t.schedule and t.schedule.horizon == horizon
            if math.isclose(t.schedule.base_lr, base_lr, rel_tol=1e-3)
        }

    def outlook(self, rival: int, epochs: float) -> Outlook:
        """Whether the winner should still be ahead of `rival` after so many epochs."""
        points: list[tuple[float, float]] = []
        gaps = {}
        for horizon in self.horizons:
            mine, other = self.values(self.winner, horizon), self.values(rival, horizon)
            paired = [mine[s] - other[s] for s in self.seeds if s in mine and s in other]
            if paired:
                gaps[horizon] = fmean(paired)
                points += [(math.log2(horizon / self.result.epochs), gap) for gap in paired]
        expected, low, high = extrapolated(points, math.log2(epochs / self.result.epochs))
        ahead = -1.0 if self.result.maximize else 1.0
        ends = sorted((ahead * low, ahead * high))
        word = "holds" if ends[1] < 0 else "turns round" if ends[0] > 0 else "open"
        return Outlook(rival, gaps, epochs, expected, low, high, word)

    def best_factors(self) -> dict[int, float]:
        """By horizon, at how many times its base_lr the winner did best; only where all of `FACTORS` were tried."""
        found = {}
        sign = -1.0 if self.result.maximize else 1.0
        for horizon in self.horizons:
            values = {f: self.values(self.winner, horizon, f).values() for f in FACTORS}
            if all(values.values()):
                found[horizon] = min(FACTORS, key=lambda f: sign * fmean(values[f]))
        return found


def extrapolated(points: Sequence[tuple[float, float]], at: float) -> tuple[float, float, float]:
    """A straight line through points ``(x, y)``: its height at `at`, and the ends of that height's interval.

    The interval is infinite unless there are two different x and three points.
    """
    if len(points) < 3 or len({x for x, _ in points}) < 2:
        return math.nan, -math.inf, math.inf
    x, y = np.array(points).T
    design = np.column_stack([np.ones_like(x), x])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    free = len(points) - 2
    spread = float(((y - design @ coefficients) ** 2).sum()) / free
    target = np.array([1.0, at])
    error = math.sqrt(spread * float(target @ np.linalg.inv(design.T @ design) @ target))
    reach = -float(stdtrit(free, ALPHA)) * error
    expected = float(target @ coefficients)
    return expected, expected - reach, expected + reach
