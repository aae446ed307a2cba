"""A session that shares its study with other processes, on this machine or others: any of them may come and go."""

from __future__ import annotations

import time
from dataclasses import replace

import optuna
from optuna.pruners import NopPruner
from optuna.study import Study
from optuna.trial import TrialState

from ..budget.ledger import Grant
from ..budget.shared import CLOSED, STOP, Quota, read_books
from ..engines.engine import Engine
from ..results.search import SearchResult
from ..results.trial import TrialRecord
from ..storage.studies import CONFIRMATION
from ..storage.trial_notes import to_record
from ..trial.settings import Terms
from .members import POLL, Team, members_at_work
from .session import Session

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class SharedSession(Session):
    """A session whose budget is what the storage says is left of it; one member leads the confirmation, all run it."""

    def _spend(self, study: Study, engine: Engine) -> None:
        self.study = study
        self.seen = {t.number for t in study.get_trials(deepcopy=False, states=ENDED)}
        with Team(self.storage, self.plan.study) as self.team:
            if not self.plan.joins:
                study.set_user_attr(STOP, False)
                if self.team.leads() and self._trials_left():
                    study.set_user_attr(CLOSED, False)
            self._search_together(study, engine)
            while self.plan.confirm and not self.team.finished:
                if self.team.leads():
                    self.team.close(study)
                    self._confirm(study, lambda queue, trials: self._run_shared(queue, engine, trials))
                    self.team.finish()
                elif not self._help(study, engine):
                    time.sleep(POLL)

    def _alone(self) -> bool:
        return not members_at_work(self.storage, self.plan.study)

    def _search_together(self, study: Study, engine: Engine) -> None:
        terms = replace(self.terms, quota=self._quota(self.ledger.held))
        while not study.user_attrs.get(CLOSED):
            self._search(study, engine, terms)
            while True:
                busy = self.team.busy_elsewhere(study)  # before the look: trials that it finds dead make room
                if self._has_room():
                    break
                if not busy:
                    return
                time.sleep(POLL)

    def _has_room(self) -> bool:
        self._sync()
        return self.ledger.room >= 1

    def _allot(self) -> Grant | None:
        if self.study.user_attrs.get(CLOSED):
            return None
        self._sync()
        return super()._allot()

    def _allot_queued(self) -> Grant | None:
        self._sync()
        return super()._allot_queued()

    def _run_shared(self, queue: Study, engine: Engine, trials: int) -> None:
        """Run queued trials, as the leader, until all have ended, whoever ran them."""
        busy = False
        while trials or busy:
            if trials and self._has_room():
                self._run_queued(queue, engine, self._queue_terms(), trials)
            elif busy:
                time.sleep(POLL)
            else:
                return
            busy = self.team.busy_elsewhere(queue)
            trials = _waiting(queue)

    def _help(self, study: Study, engine: Engine) -> bool:
        """Run what the leader has queued; whether there was anything."""
        self.ledger.held = 0.0
        for name in (self.plan.study, self.plan.study + CONFIRMATION):
            try:
                queue = optuna.load_study(study_name=name, storage=self.storage, pruner=NopPruner())
            except KeyError:
                continue
            if (trials := _waiting(queue)) and self._has_room():
                self._run_queued(queue, engine, self._queue_terms(), trials)
                return True
        return False

    def _quota(self, held: float, *, queued: bool = False) -> Quota:
        budget = self.plan.budget
        return Quota(budget.kind, budget.amount - held, self.plan.epochs, self.team.member, queued)

    def _queue_terms(self) -> Terms:
        return replace(self.terms, quota=self._quota(0.0, queued=True))

    def _count(self, grant: Grant, record: TrialRecord) -> None:
        super()._count(grant, record)
        if record.confirms is None:
            self.seen.add(record.number)
        self._sync()

    def _sync(self) -> None:
        """Bring the books, and what is told of them, up to what all processes have done; ends what is to stop."""
        if Quota.stopped(self.study):
            raise KeyboardInterrupt
        kind, epochs = self.plan.budget.kind, self.plan.epochs
        if kind != "seconds":
            books = read_books(self.study, kind, epochs)
            self.ledger.sync(books.spent, sum(cost for member, cost in books.running if member != self.team.member))
        for trial in self.study.get_trials(deepcopy=False, states=ENDED):
            if trial.number not in self.seen:
                self.seen.add(trial.number)
                record = to_record(trial, self.plan.metric)
                if record.outcome != "withdrawn":
                    self._hear(record)

    def _hear(self, record: TrialRecord) -> None:
        """Take in how a trial of another process ended."""
        self.tally.add(record)

    def _spent(self, known: SearchResult | None) -> float:
        begun = known.sessions if known and self.plan.joins else ()  # none yet, where who began it died at once
        if not begun or (deadline := begun[-1]["deadline"]) is None:
            return super()._spent(known)
        return float(self.begun + self.plan.budget.amount - deadline)


def _waiting(study: Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
