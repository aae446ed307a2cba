"""Confirmation: the best candidates and tuned baselines, trained to the end on seeds that the search never saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import optuna
from optuna.pruners import NopPruner
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState

from ...spaces import Schedule
from ..budget.ledger import Ledger
from ..notes.contest import Contest
from ..notes.study import StudyNotes
from ..notes.trial import TrialNotes
from ..plan import Plan
from ..results.confirmation import BAD, Confirmation
from ..results.paired_tests import FEWEST, contest_level, next_look
from ..results.search import SearchResult
from ..results.stability import EDGE
from ..results.trial import TrialRecord
from ..sampling.curve_model import CurveModel
from ..storage.reading import load_confirmation, load_result
from ..storage.studies import CONFIRMATION, note_study
from ..storage.trial_notes import outcome_of
from .baselines import OWN, baselines, tuned_baselines
from .candidates import leaders_of, reason_for
from .size import CHOOSING_SEEDS, Shape, least_budget, shape_for


def needs_confirmation(result: SearchResult) -> bool:
    """Whether trials have come since the last contest, or it is not decided."""
    confirmation = result.confirmation
    return confirmation is None or confirmation.contest.after != _counted(result) or not confirmation.decided


def _counted(result: SearchResult) -> int:
    return sum(t.counted for t in result.trials)


class Confirmer:
    """Runs one session's part of a confirmation.

    Args:
        plan: The search's plan.
        study: The search's study.
        storage: Where it lies.
        ledger: The books; nothing of the budget is held back any more.
        spend: Runs this many queued trials of a study to the end.
        seconds: Wall time of a full trial, as far as known.
        note: Tells a person something in a line.
        told_why_not: Whether a person knows that the budget is too small.

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
        *,
        told_why_not: bool = False,
    ) -> None:
        self.told_why_not = told_why_not
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
        """Go on with the contest under way, or begin one; stops when it is decided or the budget is spent."""
        confirmation = result.confirmation
        if confirmation is None or confirmation.contest.after != _counted(result):
            confirmation = self._begin(result)
        if confirmation is not None and not confirmation.contest.looks:
            confirmation = self._run_on(confirmation.contest.undecided, confirmation.contest.choosing)
        while (
            confirmation is not None
            and confirmation.winner is not None
            and confirmation.rivals
            and not confirmation.decided
        ):
            confirmation = self._look(confirmation)
        self._judge_lower(load_result(self.storage, self.plan.study))

    def _runs_left(self) -> int:
        runs = self.ledger.full_trials(self.seconds())
        return int(runs + 1e-9) if math.isfinite(runs) else 0  # infinite as long as nobody knows what a trial takes

    def _begin(self, result: SearchResult) -> Confirmation | None:
        """Choose candidates and baselines and note the contest; tuned baselines are trained within the search first."""
        candidates = [t for t in result.ranking if not t.baseline]
        shape = shape_for(self._runs_left(), int(self.plan.baseline is not None))
        level = contest_level(self._spent())
        if (why := self._unable(candidates, shape, level)) and not self.told_why_not:
            self.note(f"The winner is not confirmed on fresh seeds: {why}.")
        if not candidates or shape is None or why:
            return None
        model = CurveModel(self.plan.space, self.plan.seed)
        leaders = leaders_of(model, self.study, candidates)[: shape.candidates]
        result, own, tuned = self._train_baselines(model, shape.baselines)
        if not own and not tuned:
            self.note("The winner is not confirmed on fresh seeds: no baseline trained to the end.")
            return None
        choosing, judging = self._fresh_seeds(choice=len(leaders) > 1)
        parties = tuple(leaders), tuple(tuned), tuple(own)
        self._store([*self._contests(), Contest(_counted(result), *parties, choosing, judging, level=level)])
        against = " or ".join(str(result.trial(n).baseline) for n in (*own, *tuned))
        why = reason_for(leaders, candidates)
        self.note(f"Confirming on fresh seeds: trial {' or '.join(map(str, leaders))} against {against}.{why}")
        return self._load()

    def _unable(self, candidates: Sequence[TrialRecord], shape: Shape | None, level: float) -> str:
        """Why there cannot be a contest, if so."""
        if not candidates:
            return "no searched trial is complete"
        if shape is None:
            return f"that takes a budget of about {least_budget(int(self.plan.baseline is not None))} full trials"
        return "" if level > 0 else "earlier confirmations have spent this study's level of 5 %; name another --study"

    def _fresh_seeds(self, *, choice: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Seeds to choose with, none if there is no choice, and seeds to judge with; no run has had them."""
        first = 1 + max([self.plan.seed, *(s for c in self._contests() for s in (*c.choosing, *c.judging))])
        judge = first + choice * CHOOSING_SEEDS
        return tuple(range(first, judge)), tuple(range(judge, judge + self.plan.confirm))

    def _train_baselines(self, model: CurveModel, count: int) -> tuple[SearchResult, list[int], list[int]]:
        """Train the user's schedule and the most promising baselines, tuned, within the search.

        Returns:
            The search with them; the number of the user's own; the number of the best of the others. No number if none
            was trained to the end.
        """
        own = [] if self.plan.baseline is None else [(OWN, baselines(self.plan.space, self.plan.baseline)[OWN])]
        every = tuned_baselines(self.plan.space, lambda schedules: model.expected(self.study, schedules))
        tuned = [(title, schedule) for title, schedule in every if schedule not in [s for _, s in own]][:count]
        result = self._train_in_search([*own, *tuned])
        ended = {str(t.schedule): t.number for t in reversed(result.ranking)}
        mine = [ended[str(s)] for _, s in own if str(s) in ended]
        others = {ended[str(s)] for _, s in tuned if str(s) in ended}
        return result, mine, [t.number for t in result.ranking if t.number in others][:1]

    def _train_in_search(self, wanted: Sequence[tuple[str | None, Schedule]]) -> SearchResult:
        """Train these schedules, with their names as baselines, as trials of the search, unless they are there."""
        useful = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.WAITING))
        known = [TrialNotes.read(t.user_attrs).schedule for t in useful]
        for title, schedule in wanted:
            notes = TrialNotes(schedule=schedule.to_dict(), baseline=title)
            if notes.schedule not in known:
                self.study.enqueue_trial(self.plan.space.params(schedule), user_attrs=notes.to_attrs())
        self.study.pruner = NopPruner()
        self.spend(self.study, len(self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))))
        return load_result(self.storage, self.plan.study)

    def _look(self, confirmation: Confirmation) -> Confirmation | None:
        """Train the winner and the rivals that are not beaten yet on more seeds, and look; None if none are left."""
        contest, rivals = confirmation.contest, _open(confirmation)
        assert confirmation.winner is not None
        before = max((look.seeds for look in contest.looks), default=0)
        done = sum(
            len(confirmation.judged(t)) - before for t in (confirmation.winner, *rivals)
        )  # before an interruption
        affordable = before + (self._runs_left() + done) // (1 + len(rivals))
        look = next_look(contest.looks, len(contest.judging), affordable, contest.level)
        if look is None:
            return None
        confirmation = self._run_on((confirmation.winner, *rivals), contest.judging[: look.seeds])
        if (
            confirmation.broken or not self._runs_left()
        ):  # perhaps in the midst of it: this is the last look, at what there is
            look = look._replace(level=contest.level - contest.spent)
        self._store([*self._contests()[:-1], replace(contest, looks=(*contest.looks, look))])
        confirmation = self._load()
        self.note(f"After {look.seeds} fresh seeds: {confirmation.word}.")
        return confirmation

    def _judge_lower(self, result: SearchResult) -> None:
        """Judge a winner that is near the edge at a lower base_lr, too, on its seeds, if there is budget for it."""
        confirmation = result.confirmation
        if confirmation is None or confirmation.winner is None or confirmation.word != "better":
            return
        runs = min(self._runs_left() - 1, len(confirmation.judged(confirmation.winner)))
        schedule = result.trial(confirmation.winner).schedule
        if (
            schedule is None
            or confirmation.contest.lower
            or not confirmation.near_edge(confirmation.winner)
            or runs < FEWEST
        ):
            return
        lower = schedule.rescaled(float(f"{schedule.base_lr / EDGE:.4g}"))
        result = self._train_in_search([(None, lower)])
        numbers = tuple(t.number for t in result.ranking if t.schedule == lower)[:1]
        self._store([*self._contests()[:-1], replace(confirmation.contest, after=_counted(result), lower=numbers)])
        if numbers:
            self.note(f"The winner is near rates that diverged: judging it at base_lr {lower.base_lr:.4g}, too.")
            self._run_on(numbers, confirmation.contest.judging[:runs])

    def _run_on(self, trials: Sequence[int], seeds: Sequence[int]) -> Confirmation:
        """Train these trials' schedules on these seeds, but for what is done; the seeds run side by side."""
        study = self.runs
        ended = (t for t in study.trials if t.state != TrialState.FAIL or outcome_of(t) in BAD)
        done = {(n.confirms, n.seed) for n in (TrialNotes.read(t.user_attrs) for t in ended)}
        result = load_result(self.storage, self.plan.study)
        for seed in seeds:
            for trial in trials:
                schedule = result.trial(trial).schedule
                if (trial, seed) not in done and schedule is not None:
                    notes = TrialNotes(schedule=schedule.to_dict(), seed=seed, confirms=trial)
                    study.enqueue_trial(self.plan.space.params(schedule), user_attrs=notes.to_attrs())
        waiting = len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
        if waiting:
            self.spend(study, waiting)
        return self._load()

    def _contests(self) -> tuple[Contest, ...]:
        return StudyNotes.read(self.runs.user_attrs).contests

    def _spent(self) -> list[float]:
        """The levels that this study's earlier contests have spent."""
        confirmation = self._load() if self._contests() else None
        every = [replace(confirmation, contest=c) for c in self._contests()] if confirmation else []
        return [c.contest.spent for c in every if c.word != "better"]

    def _store(self, contests: Sequence[Contest]) -> None:
        note_study(self.runs, StudyNotes(contests=tuple(contests)))

    def _load(self) -> Confirmation:
        confirmation = load_confirmation(self.runs, self.plan.metric)
        assert confirmation is not None
        return confirmation


def _open(confirmation: Confirmation) -> list[int]:
    return [d.rival for d in confirmation.duels if d.result == "open"]
