"""`Confirmation`: what the runs on fresh seeds say of the winner; immutable and built from storage alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Literal

from ...spaces import Schedule
from ..notes.contest import Contest, Look
from .paired_tests import Duel, duel, unseen_risk
from .stability import EDGE, margin, spikes
from .trial import Outcome, TrialRecord

Word = Literal["better", "not distinguishable", "worse", "open"]
BAD: tuple[Outcome, ...] = ("diverged", "failed")
"""Outcomes that count as worse than any value."""


@dataclass(frozen=True)
class Confirmation:
    """The runs of a contest, and what they say.

    Attributes:
        contest: What is compared.
        every: Every run on fresh seeds, those of earlier contests too, by number.
        maximize: Whether larger is better.
        diverged: Schedules that diverged in the search.
    """

    contest: Contest
    every: tuple[TrialRecord, ...]
    maximize: bool
    diverged: tuple[Schedule, ...] = ()

    @cached_property
    def runs(self) -> tuple[TrialRecord, ...]:
        """The contest's runs."""
        seeds = {*self.contest.choosing, *self.contest.judging}
        return tuple(t for t in self.every if t.seed in seeds)

    def values(self, trial: int, seeds: Sequence[int]) -> dict[int, float]:
        """Final values of a trial by seed, as far as they are there; the worst infinity if it diverged or failed."""
        worst = -math.inf if self.maximize else math.inf
        by_seed = {t.seed: worst if t.value is None else t.value for t in self.ended(trial) if t.seed in seeds}
        return {s: by_seed[s] for s in seeds if s in by_seed}

    def ended(self, trial: int) -> tuple[TrialRecord, ...]:
        """The trial's runs that count: trained to the end, diverged or failed."""
        return tuple(t for t in self.runs if t.confirms == trial and t.outcome in ("complete", *BAD))

    def bad_runs(self, trial: int) -> tuple[TrialRecord, ...]:
        """The trial's runs that diverged or failed, on any fresh seed of the contest."""
        return tuple(t for t in self.ended(trial) if t.outcome in BAD)

    def judged(self, trial: int) -> dict[int, float]:
        """Final values of a trial by the seeds that judge."""
        return self.values(trial, self.contest.judging)

    def mean(self, trial: int) -> float:
        """The trial's mean over the seeds that judge; NaN without any."""
        values = self.judged(trial).values()
        return fmean(values) if values else math.nan

    def test(self, trial: int) -> dict[str, float]:
        """The trial's mean test metrics over the seeds that judge; empty where none were measured."""
        tests = [t.test for t in self.runs if t.confirms == trial and t.seed in self.contest.judging and t.test]
        return {name: fmean(t[name] for t in tests) for name in (tests[0] if tests else ())}

    @cached_property
    def winner(self) -> int | None:
        """The candidate that did best on the seeds that choose; None as long as they have not been run."""
        return self._chosen(self.contest.candidates)

    @cached_property
    def rivals(self) -> tuple[int, ...]:
        """The baselines to beat: the one that did best on the seeds that choose, and the user's own."""
        best = self._chosen(self.contest.baselines)
        return (*self.contest.own, *(() if best is None else (best,)))

    def _chosen(self, trials: Sequence[int]) -> int | None:
        """The trial that did best on the seeds that choose; the first one if there is no choice."""
        if not self.contest.choosing or len(trials) < 2:
            return trials[0] if trials else None
        by_trial = {t: list(self.values(t, self.contest.choosing).values()) for t in trials}
        return min(trials, key=lambda t: self._order(by_trial[t])) if all(by_trial.values()) else None

    def _order(self, values: Sequence[float]) -> tuple[int, float]:
        """What ranks schedules, the best first: how many runs diverged or failed, and the mean of the others."""
        finite = [v for v in values if math.isfinite(v)]
        mean = fmean(finite) if finite else math.inf
        return len(values) - len(finite), -mean if self.maximize and finite else mean

    @cached_property
    def duels(self) -> tuple[Duel, ...]:
        """The winner against every rival."""
        return () if self.winner is None else self._duels(self.winner, self.rivals, self.contest.looks)

    def _duels(self, trial: int, rivals: Sequence[int], looks: Sequence[Look]) -> tuple[Duel, ...]:
        mine, seeds = self.judged(trial), self.contest.judging
        return tuple(duel(r, mine, self.judged(r), seeds, looks, maximize=self.maximize) for r in rivals)

    @property
    def word(self) -> Word:
        """The verdict: "open" before the first look, "not distinguishable" unless every rival is beaten or one wins."""
        results = [d.result for d in self.duels]
        if not results or not any(d.seeds for d in self.duels):
            return "open"
        if "worse" in results:
            return "worse"
        return "better" if set(results) == {"better"} and not self.broken else "not distinguishable"

    @property
    def broken(self) -> bool:
        """Whether the winner diverged or failed on any fresh seed: more seeds could not make it better any more."""
        return self.winner is not None and bool(self.bad_runs(self.winner))

    @property
    def decided(self) -> bool:
        """Whether more seeds could not change the verdict, or no level is left for another look."""
        contest = self.contest
        return self.word in ("better", "worse") or (bool(contest.looks) and contest.spent > contest.level - 1e-9)

    @property
    def closest(self) -> Duel | None:
        """The duel with the rival that did best against the winner."""
        sign = -1 if self.maximize else 1
        known = [d for d in self.duels if math.isfinite(d.difference)]
        return max(known, key=lambda d: sign * d.difference, default=None)

    @property
    def recommended(self) -> int | None:
        """The trial to use; None as long as nothing is known.

        The winner if it is better than every rival, or the same at a lower base_lr if that is, too. Else the best of
        the rivals it did not beat, except if they cannot be told apart and the rival is less safe: it diverged or
        failed more often, or is near the edge. Before there is a verdict, the winner, unless a rival broke less often.
        """
        if self.winner is None or self.word == "better":
            return self.winner if self.safer is None else self.safer
        if self.word == "open":
            return min((self.winner, *self.rivals), key=lambda t: len(self.bad_runs(t)))
        wanted = "worse" if self.word == "worse" else "open"
        rivals = [d.rival for d in self.duels if d.result == wanted or self.broken]
        best = min(rivals, key=lambda r: self._order(list(self.judged(r).values())))
        parties = [best] if self.word == "worse" else [best, self.winner]
        return min(parties, key=lambda t: (len(self.bad_runs(t)), self.near_edge(t)))

    @cached_property
    def safer(self) -> int | None:
        """The winner at a lower base_lr, if it was judged, is better than every rival, and not behind the winner.

        It is tested only if the winner is better, at the same level: so both tests together are wrong no more often.
        """
        if not self.contest.lower or self.winner is None:
            return None
        lower = self.contest.lower[0]
        looks = [Look(len(self.contest.judging), self.contest.level)]
        better = all(d.result == "better" for d in self._duels(lower, self.rivals, looks))
        behind = self._duels(self.winner, [lower], looks)[0].result == "better"
        return lower if better and not behind else None

    @cached_property
    def spiked(self) -> dict[int, tuple[int, ...]]:
        """By trial, the fresh seeds on which it diverged or ended far worse than on its others; only where any did."""
        trials = dict.fromkeys(r.confirms for r in self.runs if r.confirms is not None)
        runs = {t: [r for r in self.ended(t) if r.outcome != "failed"] for t in trials}
        spiked_places = spikes([[r.value or 0.0 for r in rs] for rs in runs.values()], maximize=self.maximize)
        seeds = {
            t: tuple(rs[i].seed or 0 for i in places)
            for (t, rs), places in zip(runs.items(), spiked_places, strict=True)
        }
        return {t: s for t, s in seeds.items() if s}

    def margin(self, trial: int) -> float:
        """The factor between the trial's base_lr and the nearest one of a schedule that diverged or spiked."""
        schedule = self._schedule(trial)
        broken = (self._schedule(t) for t in self.spiked)
        return math.inf if schedule is None else margin(schedule, [*self.diverged, *(s for s in broken if s)])

    def near_edge(self, trial: int) -> bool:
        """Whether a schedule within a factor of `EDGE` of the trial's base_lr diverged or spiked, on any seed."""
        return self.margin(trial) <= EDGE

    def _schedule(self, trial: int) -> Schedule | None:
        return next((r.schedule for r in self.runs if r.confirms == trial), None)

    def unseen_risk(self, trial: int) -> float:
        """The largest risk of a spike that the trial's runs do not exclude, at 95 %, if none of them spiked."""
        return unseen_risk(len(self.judged(trial)))

    @property
    def ignores_seed(self) -> bool:
        """Whether every run of the winner ended with the very same value: the objective ignores its seed."""
        values = list(self.judged(self.winner).values()) if self.winner is not None else []
        return len(values) > 1 and len(set(values)) == 1 and math.isfinite(values[0])
