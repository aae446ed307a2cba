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

from ...errors import StudyError
from .paired_tests import ALPHA, interval
from .search import SearchResult
from .trial import TrialRecord

FACTORS = (1.0, 0.5, 2.0)
"""The winner's base_lr is tried times these."""


@dataclass(frozen=True)
class Outlook:
    """The winner's lead over another schedule as trainings get longer.

    Attributes:
        rival: The other's trial.
        gaps: By horizon, the mean of winner minus rival over equal seeds.
        epochs: The horizon asked about.
        expected: What the gap should be there: a straight line over the logarithm of the horizon.
        low: Lower end of its interval, which misses it on either side with probability `ALPHA`.
        high: Upper end.
        word: "holds"; "turns round": the other one is measurably ahead at the longest horizon, and stays ahead;
            "closes": the line foretells that, but no horizon showed it; "diverges": the winner did at a longer horizon,
            and more often than the other; "open".
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

    Raises:
        StudyError: No winner was confirmed, or a finalist has no schedule any more.
    """

    def __init__(self, result: SearchResult) -> None:
        self.result, self.confirmation = result, result.confirmation
        if self.confirmation is None or self.confirmation.winner is None:
            raise StudyError("only a confirmed winner can be followed to longer horizons: search with --confirm first.")
        self.winner = self.confirmation.winner
        if lost := [t for t in self.finalists if result.trial(t).schedule is None]:
            raise StudyError(f"trial {lost[0]} of {result.name!r} has no schedule: another program has changed it.")
        self.seeds: Sequence[int] = sorted({t.seed for t in result.transfer if t.seed is not None})
        self.horizons = sorted({int(t.schedule.horizon) for t in result.transfer if t.schedule})

    @property
    def judging(self) -> Sequence[int]:
        """The seeds that judged the confirmation, in the order of their use."""
        assert self.confirmation is not None
        return self.confirmation.contest.judging

    @property
    def finalists(self) -> list[int]:
        """The winner, the baselines it met, and the other candidates."""
        assert self.confirmation is not None
        return list(dict.fromkeys([self.winner, *self.confirmation.rivals, *self.confirmation.contest.candidates]))

    @property
    def others(self) -> list[int]:
        """The trials that the winner was followed beside."""
        return [t for t in dict.fromkeys(r.confirms for r in self.result.transfer) if t not in (None, self.winner)]

    def values(self, trial: int, horizon: int, factor: float = 1.0) -> dict[int, float]:
        """Final values by seed of a trial's schedule over a horizon, at this many times its base_lr.

        Infinite where it diverged.
        """
        assert self.confirmation is not None
        known: Iterable[TrialRecord] = self.result.transfer
        if factor == 1.0 and horizon == self.result.horizon:
            known = (*known, *self.confirmation.runs)
        schedule = self.result.trial(trial).schedule
        assert schedule is not None
        base_lr = factor * schedule.base_lr
        return {
            t.seed: t.value
            for t in known
            if t.confirms == trial and t.outcome in ("complete", "diverged") and t.value is not None
            if t.seed is not None and t.seed in self.seeds
            if t.schedule and t.schedule.horizon == horizon
            if math.isclose(t.schedule.base_lr, base_lr, rel_tol=1e-3)
        }

    def outlook(self, rival: int, epochs: float) -> Outlook:
        """Whether the winner should still be ahead of `rival` after this many epochs."""
        gaps: dict[int, list[float]] = {}
        lines: dict[int, list[tuple[float, float]]] = {}
        diverged = [0, 0]
        for horizon in self.horizons:
            mine, other = self.values(self.winner, horizon), self.values(rival, horizon)
            diverged = [n + sum(map(math.isinf, v.values())) for n, v in zip(diverged, (mine, other), strict=True)]
            for seed in (s for s in self.seeds if s in mine and s in other):
                if math.isfinite(gap := mine[seed] - other[seed]):
                    gaps.setdefault(horizon, []).append(gap)
                    lines.setdefault(seed, []).append((math.log2(horizon / self.result.horizon), gap))
        expected, low, high = extrapolated(list(lines.values()), math.log2(epochs / self.result.horizon))
        longest = gaps.get(max(self.horizons, default=0), [])
        word = "diverges" if diverged[0] > diverged[1] else self._word((low, high), longest)
        return Outlook(rival, {h: fmean(g) for h, g in gaps.items()}, epochs, expected, low, high, word)

    def _word(self, foretold: tuple[float, float], longest: Sequence[float]) -> str:
        """What an interval at the horizon asked about says, beside the gaps that were measured at the longest."""
        sign = -1.0 if self.result.maximize else 1.0
        low, high = sorted(sign * end for end in foretold)
        if high < 0:
            return "holds"
        if low <= 0:
            return "open"
        measured = interval(longest, ALPHA) if len(longest) > 1 else (-math.inf, math.inf)
        return "turns round" if min(sign * end for end in measured) > 0 else "closes"

    def best_factors(self) -> dict[int, float]:
        """By horizon, at how many times its base_lr the winner did best; only where all of `FACTORS` were tried."""
        factors = {}
        sign = -1.0 if self.result.maximize else 1.0
        for horizon in self.horizons:
            values = {f: self.values(self.winner, horizon, f).values() for f in FACTORS}
            if all(values.values()):
                factors[horizon] = min(FACTORS, key=lambda f: sign * fmean(values[f]))
        return factors


def extrapolated(series: Sequence[Sequence[tuple[float, float]]], at: float) -> tuple[float, float, float]:
    """A straight line through each seed's points ``(x, y)``: the lines' mean height at `at`, and its interval's ends.

    One seed's gaps at several horizons have causes in common, so the seeds count, not the points: the interval is that
    of Student's t over one height for each seed. It is infinite unless two seeds have points at two x or more. That the
    gap is straight over x is assumed.
    """
    lines = [np.array(points) for points in series if len({x for x, _ in points}) > 1]
    heights = [float(np.polyval(np.polyfit(x, y, 1), at)) for x, y in (line.T for line in lines)]
    if len(heights) < 2:
        return math.nan, -math.inf, math.inf
    return fmean(heights), *interval(heights, ALPHA)
