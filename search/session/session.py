"""One session of a search: from opening the study to the last trial that the budget has room for."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study

from ...errors import StudyError
from ...objectives import TensorObjective
from ..budget.ledger import Grant, Ledger
from ..budget.pace import Pace
from ..budget.shared import read_books
from ..engines.choice import choose_engine
from ..engines.engine import Engine
from ..engines.processes import check_in_worker
from ..engines.run import run_trials
from ..finals.baselines import baselines
from ..finals.confirm import Confirmer, needs_confirmation
from ..finals.size import SHARE, held_back, too_small
from ..plan import Plan
from ..progress import Progress, Tally
from ..results.search import SearchResult
from ..results.trial import TrialRecord
from ..sampling.pruners import make_pruner
from ..sampling.samplers import make_sampler
from ..storage.access import Access
from ..storage.leases import clear_unsigned
from ..storage.reading import load_result
from ..storage.studies import SESSION, open_study
from ..trial.run import Started, start
from ..trial.settings import Terms
from .draws import skipped_numbers

EQUAL_FAILURES = {"before": 3, "after": 10}
"""After this many failures in a row for one reason the search stops: before and after a first complete trial."""
TIMED_TRIALS = 48
"""How many trials a budget of wall time is taken for when the engine is chosen."""


class Session:
    """A session that has its storage to itself, under the run folder's lock.

    Args:
        plan: What to do.
        access: The search's storage.
        begun: ``time.time()`` from which a wall-clock budget counts.
        progress: Who to tell.
    """

    def __init__(self, plan: Plan, access: Access, begun: float, progress: Progress) -> None:
        self.plan, self.access, self.begun, self.progress = plan, access, begun, progress
        self.storage = access.storage
        known = self._known()
        self.ledger = Ledger(plan.budget, plan.epochs, self._spent(known), begun)
        self.tally = Tally(self.ledger, plan.metric, plan.maximize)
        for trial in known.trials if known else ():
            self.tally.add(trial)
        self.terms = Terms(
            plan.space, plan.metric, plan.maximize, plan.epochs, plan.seed, plan.device, told=progress.epoch
        )
        self.pace = Pace(plan.epochs, known.trials if known else ())
        self.started: Started | None = None
        self.failures: list[str] = []

    def run(self) -> SearchResult:
        """Spend the budget; returns the whole study."""
        study = self._open()
        self.ledger.held = self._held()
        if self._unfinished():
            self.progress.start(self.plan.study, self.tally)
            self._warn()
            try:
                if self._measures():
                    self.progress.note("Measuring how many trials to train at once ...")
                engine = self._engine(study)
                self.pace.side_by_side = engine.width if engine.name == "processes" else 1
                self.progress.note(str(engine))
                self._spend(study, engine)
                clear_unsigned(study, self.access.grace)
            finally:
                self.progress.stop()
        return self._result()

    def _warn(self) -> None:
        """Say at once that the budget is too small for a confirmation; of wall time that is known later."""
        plan, own = self.plan, int(self.plan.baseline is not None)
        if plan.confirm and not self.ledger.held and plan.budget.kind != "seconds":
            self.progress.note(too_small(own))

    def _result(self) -> SearchResult:
        return load_result(self.storage, self.plan.study, str(self.plan.folder))

    def _spend(self, study: Study, engine: Engine) -> None:
        self._search(study, engine, self.terms)
        if self.plan.confirm:
            self._confirm(study, lambda queue, trials: self._run_queued(queue, engine, self.terms, trials))

    def _search(self, study: Study, engine: Engine, terms: Terms) -> None:
        """Run trials of the search as long as there is budget."""

        def seen(record: TrialRecord) -> None:
            self.tally.add(record)
            self.progress.trial(record, self.tally)

        self._run(study, self.plan, engine, terms, self._allot, seen)

    def _allot(self) -> Grant | None:
        self.ledger.held = self._held()
        return self.ledger.allot()

    def _confirm(self, study: Study, spend: Callable[[Study, int], None]) -> None:
        """Judge the winner on fresh seeds; `spend` runs so many queued trials of a study."""
        self.ledger.held = 0.0
        plan = replace(self.plan, pruner="none")
        seconds, note = lambda: self.pace.seconds, self.progress.note
        confirmer = Confirmer(plan, study, self.storage, self.ledger, spend, seconds, note)
        confirmer.run(self._result())

    def _run_queued(self, queue: Study, engine: Engine, terms: Terms, trials: int) -> None:
        """Run so many queued trials to the end."""
        fresh = queue.study_name != self.plan.study
        terms, left, done = replace(terms, test=fresh), trials, 0

        def allot() -> Grant | None:
            nonlocal left
            grant = self._allot_queued() if left > 0 else None
            left -= grant is not None
            return grant

        def seen(record: TrialRecord) -> None:
            nonlocal left, done
            again = record.outcome == "interrupted"  # its process was killed, and it is queued again
            left, done = left + again, done + (not again)
            if fresh:
                self.progress.run(record, done, trials)

        self._run(queue, replace(self.plan, pruner="none"), engine, terms, allot, seen)

    def _allot_queued(self) -> Grant | None:
        return self.ledger.allot()

    def _run(
        self,
        study: Study,
        plan: Plan,
        engine: Engine,
        terms: Terms,
        allot: Callable[[], Grant | None],
        seen: Callable[[TrialRecord], None],
    ) -> None:
        started, self.started = self.started, None  # its model would stay in memory to the end
        with closing(run_trials(study, plan, terms, engine, allot, self.progress.note, started)) as ended:
            del started
            for grant, record in ended:
                self._count(grant, record)
                if record.outcome != "withdrawn":
                    seen(record)

    def _unfinished(self) -> bool:
        return bool(self._trials_left() or self._unconfirmed())

    def _unconfirmed(self) -> bool:
        """Whether there is something to confirm, and budget for it."""
        found = self._result()
        return bool(self.plan.confirm and needs_confirmation(found) and self._trials_left(held=0.0) >= 1)

    def _held(self) -> float:
        """How much of the budget to keep for confirmation; of wall time, what it will take at the pace so far."""
        kind, amount = self.plan.budget.kind, self.plan.budget.amount
        unit = {"trials": 1.0, "epochs": float(self.plan.epochs), "seconds": self.pace.seconds}[kind]
        if not unit:
            return SHARE * amount if self.plan.confirm else 0.0
        return unit * held_back(amount / unit, self.plan.confirm, int(self.plan.baseline is not None))

    def _known(self) -> SearchResult | None:
        try:
            return load_result(self.storage, self.plan.study)
        except StudyError:
            return None

    def _open(self) -> Study:
        """Open the study; a fresh one only after the objective has proved itself for an epoch."""
        plan = self.plan
        if not self.tally.outcomes or (plan.joins and self._unfinished()):
            self._prove()
        study = open_study(self.storage, plan.study, plan.settings(), *self._guides())
        self.terms = replace(self.terms, skipped=skipped_numbers(study, alone=self._alone()))
        study.sampler, study.pruner = self._guides()
        queued = [t.user_attrs.get("baseline") for t in study.get_trials(deepcopy=False)]
        for title, schedule in baselines(plan.space, plan.baseline).items():
            if title not in queued and None not in queued:  # a kill may come between the first and the last
                notes = {"baseline": title, "schedule": schedule.to_dict()}
                study.enqueue_trial(plan.space.params(schedule), user_attrs=notes)
        if self.access.recovered:
            self.progress.note(
                f"{self.access.recovered} trial(s) were cut off when the last session ended; they run again."
            )
        return study

    def _guides(self) -> tuple[BaseSampler, BasePruner]:
        """What proposes schedules and what stops trials early."""
        sampler = make_sampler(self.plan.sampler, self.plan.seed, self.plan.space, self.terms.skipped)
        return sampler, make_pruner(self.plan.pruner, self.plan.space, sampler)

    def _alone(self) -> bool:
        """Whether no other process works on the study."""
        return True

    def _prove(self) -> None:
        """Run the objective for an epoch: whatever is wrong with it is better found before it costs trials."""
        plan = self.plan
        first = next(iter(baselines(plan.space, plan.baseline).values()))
        if plan.trial_timeout:
            check_in_worker(plan, first, self.terms, plan.trial_timeout)
        else:
            self.started = start(plan.objective, first, self.terms)

    def _trials_left(self, held: float | None = None) -> float:
        """About how many full trials the budget still holds for the search; unknown for wall time, and then many."""
        budget = self.plan.budget
        left = budget.amount - (self.ledger.held if held is None else held) - self.ledger.spent
        if budget.kind == "seconds":
            return TIMED_TRIALS if left > 0 else 0
        return max(0.0, left / (self.plan.epochs if budget.kind == "epochs" else 1))

    def _choose(self) -> Engine:
        plan = self.plan
        return choose_engine(
            plan.objective,
            self.terms,
            engine=plan.engine,
            jobs=plan.jobs,
            trials=self._trials_left(),
            timeout=plan.trial_timeout,
        )

    def _measures(self) -> bool:
        """Whether choosing the engine takes some seconds of training."""
        plan = self.plan
        return plan.engine == "auto" and not plan.jobs and isinstance(plan.objective, TensorObjective)

    def _engine(self, study: Study) -> Engine:
        """Choose how to run, and note the session."""
        plan, engine = self.plan, self._choose()
        session = {
            **plan.context,
            "started": self.begun,
            "budget": str(plan.budget),
            "limit": [plan.budget.kind, plan.budget.amount],
            "deadline": self.ledger.deadline if plan.budget.kind == "seconds" else None,
            "confirm": plan.confirm,
            "baseline": plan.baseline and plan.baseline.to_dict(),
            "trial_timeout": plan.trial_timeout,
            "sampler": plan.sampler,
            "pruner": plan.pruner,
            "device": plan.device,
            "engine": engine.name,
            "width": engine.width,
            "why": engine.why,
        }
        if not plan.joins:
            study.set_user_attr(SESSION + uuid4().hex, session)  # a list would lose what others write meanwhile
        return engine

    def _count(self, grant: Grant, record: TrialRecord) -> None:
        self.ledger.settle(grant, record.epochs, counted=record.counted)
        self.pace.add(record)
        self.failures = [*self.failures, record.reason] if record.outcome == "failed" else []
        most = EQUAL_FAILURES["before" if self.tally.best is None else "after"]
        if self.failures[-most:] == [record.reason] * most:
            raise StudyError(f"{most} trials in a row failed the same way, so the search stops: {record.reason}")

    def _spent(self, known: SearchResult | None) -> float:
        """What earlier sessions spent, as the budget counts; a session ends with the last news of its trials."""
        if known is None:
            return 0.0
        kind = self.plan.budget.kind
        if kind != "seconds":
            study = optuna.load_study(study_name=self.plan.study, storage=self.storage)
            return read_books(study, kind, self.plan.epochs).spent
        starts = [float(s["started"]) for s in known.sessions]
        every = (*known.trials, *known.confirming)
        news = [d.timestamp() for t in every for d in (t.started, t.ended) if d is not None]
        ends = [max((n for n in news if a <= n < b), default=a) for a, b in pairwise([*starts, math.inf])]
        return sum(end - begin for begin, end in zip(starts, ends, strict=True))
