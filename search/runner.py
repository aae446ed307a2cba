"""The search itself: opens the study, spends the budget, alone or with joblib's worker processes."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import optuna
from optuna.study import Study

from ..errors import InputError, StudyError
from ..objectives import resolve_device
from .baselines import baselines
from .budget import Budget, Grant, Ledger, Pace
from .confirm import SHARE, Confirmer, held_back, needs_confirmation
from .engines import Engine, choose_engine
from .execute import run_trials
from .guard import only_one
from .journal import mend
from .leases import GRACE, clear_unsigned, reap
from .plan import Plan
from .progress import Progress, Silent, Tally
from .pruners import make_pruner
from .records import SearchResult, TrialRecord
from .samplers import make_sampler
from .store import failures, load_result, make_folder, open_storage, open_study
from .trial import Started, Terms, start
from .workers import check_in_worker

EQUAL_FAILURES = {"before": 3, "after": 10}
"""After this many failures in a row for one reason the search stops: before and after a first complete trial."""
TIMED_TRIALS = 48
"""How many trials a budget of wall time is taken for when the engine is chosen."""


def search(plan: Plan, progress: Progress | None = None, begun: float | None = None) -> SearchResult:
    """Run a search, or resume the one of that name, until its budget is spent.

    Args:
        plan: What to do.
        progress: Who to tell.
        begun: ``time.time()`` from which a wall-clock budget counts; now by default.

    Returns:
        The whole study. Ctrl-C raises KeyboardInterrupt after the running trials were ended cleanly; the same plan
        resumes.

    Raises:
        InputError: Wrong use, found before the first trial.
        StudyError: The study belongs to other settings, is in use, or its storage cannot be reached.
    """
    begun = begun or time.time()
    if plan.jobs < 0:
        raise InputError(f"jobs must be at least 1 (0 chooses), got {plan.jobs}.")
    if not 0 <= plan.seed < 2**32:  # what NumPy takes
        raise InputError(f"seed must be from 0 to {2**32 - 1}, got {plan.seed}.")
    plan = replace(plan, device=resolve_device(plan.device))
    make_folder(plan.folder)
    with only_one(plan.folder), failures(plan.where):
        return _Search(plan, begun, progress or Silent()).run()


class _Search:
    """One session of a search, under the run folder's lock."""

    def __init__(self, plan: Plan, begun: float, progress: Progress) -> None:
        self.plan, self.begun, self.progress = plan, begun, progress
        if cut := mend(plan.where):
            progress.note(cut)
        self.storage = open_storage(plan.where)
        self.grace = GRACE if plan.storage else 0.0  # nobody else uses the folder's journal
        self.stale = self._reap()
        known = self._known()
        self.ledger = Ledger(plan.budget, plan.epochs, _spent(known, plan.budget), begun)
        self.tally = Tally(self.ledger, plan.maximize)
        for trial in known.trials if known else ():
            self.tally.add(trial)
        self.terms = Terms(plan.space, plan.metric, plan.maximize, plan.epochs, plan.seed, plan.device)
        self.pace = Pace(plan.epochs, known.trials if known else ())
        self.started: Started | None = None
        self.failures: list[str] = []

    def run(self) -> SearchResult:
        study = self._open()
        self.ledger.held = self._held()
        if self._trials_left() or self._unconfirmed():
            engine = self._engine(study)
            self.pace.side_by_side = engine.width if engine.name == "processes" else 1
            self.progress.start(self.plan.study, self.tally)
            self.progress.note(f"Engine {engine.name}: {engine.why}")
            try:
                self._search(study, engine)
                if self.plan.confirm:
                    self._confirm(study, engine)
                clear_unsigned(study, self.grace)
            finally:
                self.progress.stop()
        return self._result()

    def _result(self) -> SearchResult:
        return load_result(self.storage, self.plan.study, str(self.plan.folder))

    def _search(self, study: Study, engine: Engine) -> None:
        def allot() -> Grant | None:
            self.ledger.held = self._held()
            return self.ledger.allot()

        started, self.started = self.started, None  # its model would stay in memory to the end
        with closing(run_trials(study, self.plan, self.terms, engine, allot, self.progress.note, started)) as ended:
            del started
            for grant, record in ended:
                self._count(grant, record)
                self.tally.add(record)
                self.progress.trial(record, self.tally)

    def _confirm(self, study: Study, engine: Engine) -> None:
        self.ledger.held = 0.0
        plan = replace(self.plan, pruner="none")

        def spend(queue: Study, trials: int) -> None:
            left, terms = trials, replace(self.terms, test=queue is not study)

            def allot() -> Grant | None:
                nonlocal left
                grant = self.ledger.allot() if left > 0 else None
                left -= grant is not None
                return grant

            with closing(run_trials(queue, plan, terms, engine, allot, self.progress.note)) as ended:
                for grant, record in ended:
                    self._count(grant, record)
                    left += record.outcome == "interrupted"  # its process was killed, and it is queued again

        confirmer = Confirmer(
            plan, study, self.storage, self.ledger, spend, lambda: self.pace.seconds, self.progress.note
        )
        reap(confirmer.runs, self.grace)
        confirmer.run(self._result())

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

    def _reap(self) -> int:
        """End the trials of dead processes before the books are opened: one that was killed too often counts."""
        try:
            study = optuna.load_study(study_name=self.plan.study, storage=self.storage)
        except KeyError:
            return 0
        return len(reap(study, self.grace))

    def _known(self) -> SearchResult | None:
        try:
            return load_result(self.storage, self.plan.study)
        except StudyError:
            return None

    def _open(self) -> Study:
        """Open the study; a fresh one only after the objective has proved itself for an epoch."""
        plan = self.plan
        if not self.tally.outcomes:
            first = next(iter(baselines(plan.space, plan.baseline).values()))
            if plan.trial_timeout:
                check_in_worker(plan, first, self.terms, plan.trial_timeout)
            else:
                self.started = start(plan.objective, first, self.terms)
        skipped = sum(self.tally.outcomes.get(o, 0) for o in ("interrupted", "running", "out of budget"))
        sampler = make_sampler(plan.sampler, plan.seed, plan.space, skipped)
        pruner = make_pruner(plan.pruner, plan.space, sampler)
        study = open_study(self.storage, plan.study, plan.settings(), sampler, pruner)
        queued = [t.user_attrs.get("baseline") for t in study.get_trials(deepcopy=False)]
        for title, schedule in baselines(plan.space, plan.baseline).items():
            if title not in queued and None not in queued:  # a kill may come between the first and the last
                notes = {"baseline": title, "schedule": schedule.to_dict()}
                study.enqueue_trial(plan.space.params(schedule), user_attrs=notes)
        if self.stale:
            self.progress.note(f"{self.stale} trial(s) were cut off when the last session ended; they run again.")
        return study

    def _trials_left(self, held: float | None = None) -> float:
        """About how many full trials the budget still holds for the search; unknown for wall time, and then many."""
        budget = self.plan.budget
        left = budget.amount - (self.ledger.held if held is None else held) - self.ledger.spent
        if budget.kind == "seconds":
            return TIMED_TRIALS if left > 0 else 0
        return max(0.0, left / (self.plan.epochs if budget.kind == "epochs" else 1))

    def _engine(self, study: Study) -> Engine:
        """Choose how to run, and note the session."""
        plan = self.plan
        engine = choose_engine(
            plan.objective,
            self.terms,
            engine=plan.engine,
            jobs=plan.jobs,
            trials=self._trials_left(),
            timeout=plan.trial_timeout,
        )
        session = {
            **plan.context,
            "started": self.begun,
            "budget": str(plan.budget),
            "sampler": plan.sampler,
            "pruner": plan.pruner,
            "device": plan.device,
            "engine": engine.name,
            "width": engine.width,
            "why": engine.why,
        }
        study.set_user_attr("sessions", [*study.user_attrs.get("sessions", []), session])
        return engine

    def _count(self, grant: Grant, record: TrialRecord) -> None:
        self.ledger.settle(grant, record.epochs, counted=record.counted)
        self.pace.add(record)
        self.failures = [*self.failures, record.reason] if record.outcome == "failed" else []
        most = EQUAL_FAILURES["before" if self.tally.best is None else "after"]
        if self.failures[-most:] == [record.reason] * most:
            raise StudyError(f"{most} trials in a row failed the same way, so the search stops: {record.reason}")


def _spent(known: SearchResult | None, budget: Budget) -> float:
    """What earlier sessions spent, as the budget counts; a session ends with the last news of its trials."""
    if known is None:
        return 0.0
    every = (*known.trials, *known.confirming)
    if budget.kind == "trials":
        return sum(t.counted for t in every)
    if budget.kind == "epochs":
        return sum(t.epochs for t in every)
    starts = [float(s["started"]) for s in known.sessions]
    news = [d.timestamp() for t in every for d in (t.started, t.ended) if d is not None]
    ends = [max((n for n in news if a <= n < b), default=a) for a, b in pairwise([*starts, math.inf])]
    return sum(end - begin for begin, end in zip(starts, ends, strict=True))
