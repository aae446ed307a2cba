"""`Runner`: where the trials of a session run, and the one for this machine's engines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Protocol

from optuna.study import Study

from ...objectives import TensorObjective
from ...spaces import Schedule
from ..budget.ledger import Allowance
from ..engines.choice import choose_engine, widths_for
from ..engines.crowd import crowd_or_alone
from ..engines.engine import Engine
from ..engines.free_processors import Processors
from ..engines.processes import check_in_worker
from ..engines.run import run_trials
from ..finals.baselines import baselines
from ..plan import Plan
from ..results.trial import TrialRecord
from ..trial.run import Started, start
from ..trial.settings import Terms

Reserve = Callable[[], Allowance | None]
"""Reserves what the next trial may use; None for no more trials."""
OnEnd = Callable[[Allowance, TrialRecord], None]
"""Told how each trial ended, and what it had reserved."""


class Runner(Protocol):
    """Where the trials of a session run."""

    leads_only: bool
    """Whether other processes run all trials."""

    def prove(self, plan: Plan, schedule: Schedule, terms: Terms) -> None:
        """Run the objective for an epoch: a fault is better found before it costs trials."""

    def choose(self, plan: Plan, terms: Terms, trials: float, seconds: float) -> Engine:
        """Choose how to run about this many full trials, each of which takes about `seconds`; 0 if unknown."""

    def at_work(self, plan: Plan, study: Study) -> AbstractContextManager[None]:
        """Holds what runs the trials, from the first to the last."""

    def run(self, study: Study, plan: Plan, terms: Terms, reserve: Reserve, on_end: OnEnd) -> None:
        """Run trials of a study as long as `reserve` gives an allowance and there is one to run."""


class OwnRunner:
    """Runs trials on this machine, with the engine that suits the job.

    Args:
        note: Tells a person something in a line.
    """

    leads_only = False

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._engine: Engine | None = None
        self._started: Started | None = None
        self._processors: Processors | None = None

    def _shared(self, plan: Plan) -> Processors:
        if self._processors is None:
            self._processors = Processors(plan.objective, plan.device, self._note)
        return self._processors

    def prove(self, plan: Plan, schedule: Schedule, terms: Terms) -> None:
        """See `Runner`; in a worker if there is a time limit, since it may hang. The first trial goes on from there."""
        if plan.trial_timeout:
            check_in_worker(plan, schedule, terms, plan.trial_timeout)
        else:
            with self._shared(plan).shared(tell=False):  # its fault is the only line then
                self._started = start(plan.objective, schedule, terms)

    def choose(self, plan: Plan, terms: Terms, trials: float, seconds: float) -> Engine:
        """See `Runner`."""
        auto = plan.engine == "auto" and not plan.jobs
        if auto and isinstance(plan.objective, TensorObjective) and widths_for(trials):
            self._note("Measuring how many trials to train at once ...")
        with self._shared(plan).shared():
            self._engine = choose_engine(
                plan.objective, terms, engine=plan.engine, jobs=plan.jobs, trials=trials, timeout=plan.trial_timeout
            )
            if auto and self._engine.name == "single":
                seconds = seconds or (self._started.first.seconds * terms.epochs if self._started else 0.0)
                schedule = next(iter(baselines(plan.space, plan.baseline).values()))
                self._engine = crowd_or_alone(plan.objective, schedule, terms, trials, seconds, self._engine)
        return self._engine

    def at_work(self, plan: Plan, study: Study) -> AbstractContextManager[None]:
        """PyTorch's threads; engines start what else they need."""
        assert self._engine is not None
        return self._shared(plan).shared(self._engine.threads)

    def run(self, study: Study, plan: Plan, terms: Terms, reserve: Reserve, on_end: OnEnd) -> None:
        """See `Runner`."""
        assert self._engine is not None
        started, self._started = self._started, None  # its model would stay in memory to the end
        terms = self._shared(plan).watched(terms)
        with closing(run_trials(study, plan, terms, self._engine, reserve, self._note, started)) as ended:
            del started
            for allowance, record in ended:
                on_end(allowance, record)
