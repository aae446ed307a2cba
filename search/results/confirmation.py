"""`Confirmation`: what the runs on fresh seeds say of the winner; immutable and built from storage alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

from .paired_tests import ALPHA, Duel, Look, duel
from .trial import TrialRecord

Word = Literal["better", "not distinguishable", "worse", "open"]


@dataclass(frozen=True)
class Contest:
    """What is compared and on which seeds; stored in the confirmation's study.

    Attributes:
        after: How many trials of the search counted.
        candidates: Trials that may be the winner.
        baselines: Baseline trials of which the best is to be beaten.
        own: The trial of the user's own baseline, to be beaten in any case, if there is one.
        choosing: Seeds that choose the winner and the best baseline; none if there is no choice.
        judging: Seeds that judge, in the order of their use; all are other seeds than those that choose.
        looks: Looks at the comparison so far.
    """

    after: int
    candidates: tuple[int, ...]
    baselines: tuple[int, ...]
    own: tuple[int, ...]
    choosing: tuple[int, ...]
    judging: tuple[int, ...]
    looks: tuple[Look, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Contest:
        """The contest that `to_dict` wrote."""
        parts = {k: tuple(v) for k, v in data.items() if k not in ("after", "looks")}
        return cls(after=data["after"], looks=tuple(Look(*look) for look in data["looks"]), **parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}


@dataclass(frozen=True)
class Confirmation:
    """The runs of a contest, and what they say.

    Attributes:
        contest: What is compared.
        every: Every run on fresh seeds, those of earlier contests too, by number.
        maximize: Whether larger is better.
    """

    contest: Contest
    every: tuple[TrialRecord, ...]
    maximize: bool

    @cached_property
    def runs(self) -> tuple[TrialRecord, ...]:
        """The contest's runs."""
        seeds = {*self.contest.choosing, *self.contest.judging}
        return tuple(t for t in self.every if t.seed in seeds)

    def values(self, trial: int, seeds: Sequence[int]) -> dict[int, float]:
        """Final values of a trial by seed, as far as they are there; the worst infinity after a divergence."""
        ended = (t for t in self.runs if t.confirms == trial and t.outcome in ("complete", "diverged"))
        found = {t.seed: t.value for t in ended if t.seed in seeds and t.value is not None}
        return {s: found[s] for s in seeds if s in found}

    def judged(self, trial: int) -> dict[int, float]:
        """Final values of a trial by the seeds that judge."""
        return self.values(trial, self.contest.judging)

    def mean(self, trial: int) -> float:
        """The trial's mean over the seeds that judge; NaN without any."""
        values = self.judged(trial).values()
        return fmean(values) if values else math.nan

    def test(self, trial: int) -> dict[str, float]:
        """The trial's mean test metrics over the seeds that judge; empty where none were measured."""
        found = [t.test for t in self.runs if t.confirms == trial and t.seed in self.contest.judging and t.test]
        return {name: fmean(t[name] for t in found) for name in (found[0] if found else ())}

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
        """The trial with the best mean over the seeds that choose; the first one if there is no choice."""
        if not self.contest.choosing or not trials:
            return trials[0] if trials else None
        sign = -1 if self.maximize else 1
        found = {t: self.values(t, self.contest.choosing).values() for t in trials}
        if not all(found.values()):
            return None
        return min(trials, key=lambda t: sign * fmean(found[t]))

    @cached_property
    def duels(self) -> tuple[Duel, ...]:
        """The winner against every rival."""
        if self.winner is None:
            return ()
        mine = self.judged(self.winner)
        judging, looks = self.contest.judging, self.contest.looks
        return tuple(duel(r, mine, self.judged(r), judging, looks, maximize=self.maximize) for r in self.rivals)

    @property
    def word(self) -> Word:
        """The verdict: "open" before the first look, "not distinguishable" unless every rival is beaten or one wins."""
        results = [d.result for d in self.duels]
        if not results or not any(d.seeds for d in self.duels):
            return "open"
        if "worse" in results:
            return "worse"
        return "better" if set(results) == {"better"} else "not distinguishable"

    @property
    def settled(self) -> bool:
        """Whether more seeds could not change the verdict, or no level is left for another look."""
        spent = sum(look.level for look in self.contest.looks)
        return self.word in ("better", "worse") or (bool(self.contest.looks) and spent > ALPHA - 1e-9)

    @property
    def closest(self) -> Duel | None:
        """The duel with the rival that did best against the winner."""
        sign = -1 if self.maximize else 1
        known = [d for d in self.duels if math.isfinite(d.difference)]
        return max(known, key=lambda d: sign * d.difference, default=None)

    @property
    def recommended(self) -> int | None:
        """The trial to use: the winner if it is better than every rival, else the best of those it did not beat.

        None as long as nothing is known.
        """
        if self.word in ("open", "better"):
            return self.winner
        wanted = "worse" if self.word == "worse" else "open"
        sign = -1 if self.maximize else 1
        means = {d.rival: sign * self.mean(d.rival) for d in self.duels if d.result == wanted}
        return min(means, key=lambda r: means[r])

    @property
    def ignores_seed(self) -> bool:
        """Whether every run of the winner ended with the very same value: the objective ignores its seed."""
        values = list(self.judged(self.winner).values()) if self.winner is not None else []
        return len(values) > 1 and len(set(values)) == 1
