"""Confirmation: the best candidates and tuned baselines, trained to the end on seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import optuna
from optuna.pruners import NopPruner
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState

from ..budget.ledger import Ledger
from ..plan import Plan
from ..results.confirmation import Confirmation, Contest
from ..results.paired_tests import ALPHA, next_look
from ..results.search import SearchResult
from ..results.trial import TrialRecord
from ..sampling.curve_model import CurveModel
from ..storage.reading import load_confirmation, load_result
from ..storage.studies import CONFIRMATION
from .baselines import OWN, baselines, tuned_baselines
from .size import CHOOSING_SEEDS, LEAST, shape_for

APART = 0.1
"""Candidates differ by this much at least: mean difference of their curves' features, in standard deviations."""


def needs_confirmation(result: SearchResult) -> bool:
    """Whether trials have come since the last contest, or it is not settled."""
    found = result.confirmation
    return found is None or found.contest.after != _counted(result) or not found.settled


def _counted(result: SearchResult) -> int:
    return sum(t.counted for t in result.trials)


class Confirmer:
    """Runs one session's part of a confirmation.

    Args:
        plan: The search's plan.
        study: The search's study.
        storage: Where it lies.
        ledger: The books; nothing of the budget is held back any more.
        spend: Runs so many queued trials of a study to the end.
        seconds: Wall time of a full trial, as far as known.
        note: Tells a person something in a line.

    Attributes:
        runs: The study of the runs on fresh seeds.
    """

    def __init__(
        self,
        plan: Plan,
        study: Study,
        storage: BaseStorage,
        ledger: Ledger,
        spend: Callable[[Study, int], None],
        seconds: Callable[[], float],
        note: Callable[[str], None],
    ) -> None:
        self.plan, self.study, self.storage, self.ledger = plan, study, storage, ledger
        self.spend, self.seconds, self.note = spend, seconds, note
        self.runs = optuna.create_study(
            storage=storage,
            study_name=plan.study + CONFIRMATION,
            direction="maximize" if plan.maximize else "minimize",
            pruner=NopPruner(),
            load_if_exists=True,
        )

    def run(self, result: SearchResult) -> None:
        """Go on with the contest under way, or begin one; stops when it is settled or the budget is spent."""
        found = result.confirmation
        if found is None or found.contest.after != _counted(result):
            found = self._begin(result)
        if found is not None and not found.contest.looks:
            found = self._run_on((*found.contest.candidates, *found.contest.baselines), found.contest.choosing)
        while found is not None and found.winner is not None and found.rivals and not found.settled:
            found = self._look(found)

    def _runs_left(self) -> int:
        return int(self.ledger.full_trials(self.seconds()) + 1e-9)

    def _begin(self, result: SearchResult) -> Confirmation | None:
        """Choose candidates and baselines and note the contest; tuned baselines are trained within the search first."""
        candidates = [t for t in result.ranking if not t.baseline]
        shape = shape_for(self._runs_left(), int(self.plan.baseline is not None))
        if not candidates or shape is None:
            self.note(f"The winner is not confirmed on fresh seeds: that takes a budget of about {LEAST} full trials.")
            return None
        model = CurveModel(self.plan.space, self.plan.seed)
        leaders = self._leaders(model, candidates)[: shape.candidates]
        result, own, tuned = self._train_baselines(model, shape.baselines)
        if not own and not tuned:
            self.note("The winner is not confirmed on fresh seeds: no baseline trained to the end.")
            return None
        first = 1 + max([self.plan.seed, *(s for c in self._contests() for s in (*c.choosing, *c.judging))])
        choice = max(len(leaders), len(tuned)) > 1
        judging = range(first + choice * CHOOSING_SEEDS, first + choice * CHOOSING_SEEDS + self.plan.confirm)
        choosing = range(first, judging.start)
        parties = tuple(leaders), tuple(tuned), tuple(own)
        contest = Contest(_counted(result), *parties, tuple(choosing), tuple(judging))
        self._store([*self._contests(), contest])
        against = " or ".join(str(result.trial(n).baseline) for n in (*own, *tuned))
        self.note(f"Confirming on fresh seeds: trial {' or '.join(map(str, leaders))} against {against}.")
        return self._load()

    def _leaders(self, model: CurveModel, trials: Sequence[TrialRecord]) -> list[int]:
        """Trials that lie apart, the one first that should do best on other seeds as well."""
        schedules = [t.schedule for t in trials if t.schedule]
        expected = model.expected(self.study, schedules)
        order = range(len(trials)) if expected is None else np.argsort(expected, kind="stable")
        features = model.features.whole(schedules)
        found: list[int] = []
        for i in order:
            if all(np.abs(features[i] - features[j]).mean() > APART for j in found):
                found.append(int(i))
        return [trials[i].number for i in found]

    def _train_baselines(self, model: CurveModel, count: int) -> tuple[SearchResult, list[int], list[int]]:
        """Train the user's schedule and the most promising baselines, tuned, within the search.

        Returns:
            The search with them, and the numbers of those that were trained to the end: the user's own, and the others.
        """
        tuned = tuned_baselines(self.plan.space, lambda schedules: model.expected(self.study, schedules))[:count]
        own = [] if self.plan.baseline is None else [(OWN, baselines(self.plan.space, self.plan.baseline)[OWN])]
        useful = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.WAITING))
        known = [t.user_attrs.get("schedule") for t in useful]
        for title, schedule in (*own, *tuned):
            if (noted := schedule.to_dict()) not in known:
                notes = {"baseline": title, "schedule": noted}
                self.study.enqueue_trial(self.plan.space.params(schedule), user_attrs=notes)
        self.study.pruner = NopPruner()
        self.spend(self.study, len(self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))))
        result = load_result(self.storage, self.plan.study)
        ended = {str(t.schedule): t.number for t in result.trials if t.outcome == "complete"}
        numbers = [[ended[str(s)] for _, s in titled if str(s) in ended] for titled in (own, tuned)]
        return result, numbers[0], numbers[1]

    def _look(self, found: Confirmation) -> Confirmation | None:
        """Train the winner and the rivals that are not beaten yet on more seeds, and look; None if none are left."""
        contest, rivals = found.contest, _open(found)
        assert found.winner is not None
        before = max((look.seeds for look in contest.looks), default=0)
        done = sum(len(found.judged(t)) - before for t in (found.winner, *rivals))  # before an interruption
        affordable = before + (self._runs_left() + done) // (1 + len(rivals))
        look = next_look(contest.looks, len(contest.judging), affordable)
        if look is None:
            return None
        self._run_on((found.winner, *rivals), contest.judging[: look.seeds])
        if not self._runs_left():  # perhaps in the midst of it: this is the last look, at what there is
            look = look._replace(level=ALPHA - sum(done.level for done in contest.looks))
        self._store([*self._contests()[:-1], replace(contest, looks=(*contest.looks, look))])
        found = self._load()
        self.note(f"After {look.seeds} fresh seeds: {found.word}.")
        return found

    def _run_on(self, trials: Sequence[int], seeds: Sequence[int]) -> Confirmation:
        """Train these trials' schedules on these seeds, but for what is done; the seeds run side by side."""
        study = self.runs
        done = {(t.user_attrs["confirms"], t.user_attrs["seed"]) for t in study.trials if t.state != TrialState.FAIL}
        result = load_result(self.storage, self.plan.study)
        for seed in seeds:
            for trial in trials:
                schedule = result.trial(trial).schedule
                if (trial, seed) not in done and schedule is not None:
                    notes = {"confirms": trial, "seed": seed, "schedule": schedule.to_dict()}
                    study.enqueue_trial(self.plan.space.params(schedule), user_attrs=notes)
        waiting = len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
        if waiting:
            self.spend(study, waiting)
        return self._load()

    def _contests(self) -> list[Contest]:
        return [Contest.from_dict(c) for c in self.runs.user_attrs.get("contests", [])]

    def _store(self, contests: Sequence[Contest]) -> None:
        self.runs.set_user_attr("contests", [c.to_dict() for c in contests])

    def _load(self) -> Confirmation:
        found = load_confirmation(self.runs, self.plan.metric)
        assert found is not None
        return found


def _open(found: Confirmation) -> list[int]:
    return [d.rival for d in found.duels if d.result == "open"]
