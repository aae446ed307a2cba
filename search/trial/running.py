"""A trial under way: what it may use, what it has shown, and when it ends."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import Trial

from ...objectives import Measurement, Objective
from ...spaces import Schedule, ScheduleSpace
from ..budget.ledger import Allowance
from ..budget.shared import Withdrawn
from ..notes.trial import TrialLog, TrialNotes
from ..results.trial import TrialRecord
from ..storage.ending import end, end_interrupted
from ..storage.leases import lease, let_go, take
from ..storage.studies import CONFIRMATION, TRANSFER
from ..storage.trial_notes import note_trial, to_record
from .divergence import diverged
from .settings import Terms, metric_of

BACKOFF_S = 0.05, 0.5
"""Bounds of the random time to wait before the next try for the last of a shared budget."""

KINDS = {CONFIRMATION: "confirmation", TRANSFER: "transfer"}
"""What the trials of a study are called, by the end of its name; others are trials."""

MOST_REPORTS = 1000
"""Epochs of a trial that Optuna is told of, at most; the trial's log holds all."""


@dataclass
class RunningTrial:
    """A trial under way: it is shown every measurement, reports it to Optuna, and ends the trial when it is time.

    Attributes:
        study: Its study.
        trial: Optuna's trial.
        objective: What is trained.
        schedule: The schedule to train with.
        terms: What all trials share.
        allowance: What it may use.
        stop: Checked after every epoch; true ends the trial as interrupted.
        worker: Number of the lane or process.
        measurements: What was seen so far.
    """

    study: Study
    trial: Trial
    objective: Objective
    schedule: Schedule
    terms: Terms
    allowance: Allowance
    stop: Callable[[], bool]
    worker: int
    measurements: list[Measurement] = field(default_factory=list)
    _pid: int = field(default_factory=os.getpid)

    @property
    def seed(self) -> int:
        """The seed to train with: the one it was queued with, or the search's."""
        noted = TrialNotes.read(self.trial.user_attrs).seed
        return self.terms.seed if noted is None else noted

    @property
    def name(self) -> str:
        """What it is called, e.g. ``trial-3`` or ``confirmation-5``."""
        kind = next((word for end, word in KINDS.items() if self.study.study_name.endswith(end)), "trial")
        return f"{kind}-{self.trial.number}"

    def see(self, m: Measurement) -> TrialRecord | None:
        """Report an epoch; the record if the trial ended with it."""
        self._only_here()
        self.measurements.append(m)
        if self.terms.told:
            self.terms.told(self.trial.number, m.epoch, self.terms.epochs)
        try:
            return self._judge(m)
        except UpdateFinishedTrialError:  # its lease ran out, as in a laptop's sleep, and another process has it now
            return self._leave()

    def _judge(self, m: Measurement) -> TrialRecord | None:
        terms = self.terms
        value, counting = metric_of(m, terms.metric), terms.space.counting
        when = counting.when(m.epoch)
        if why := diverged(m, self._start_loss(), counting):
            return self.end("diverged", why, -math.inf if terms.maximize else math.inf)
        tells = self._tells(m.epoch)
        if tells:
            self.trial.report(value, counting.at(m.epoch))
        if m.epoch == terms.epochs:
            return self.end("complete", value=value)
        if self.stop() or (terms.quota and terms.quota.stopped(self.study)):
            return self.interrupt("stopped by the user")
        if time.monotonic() >= self.allowance.deadline:
            return self.end("out of budget", f"the time was up after {when}")
        if m.epoch == self.allowance.epochs:
            return self.end("out of budget", f"no {counting.unit}s were left after {when}")
        compared = "baseline" in self.trial.user_attrs  # with what all others are compared
        if tells and not compared and self.trial.should_prune():
            return self.end("pruned", f"pruned after {when}")
        return None

    def _tells(self, epoch: int) -> bool:
        """Whether Optuna is told of an epoch: of many an even selection, since it copies all values for each."""
        if self.terms.space.counting.unit == "step":  # the steps between two reports are the user's choice
            return True
        return epoch * MOST_REPORTS // self.terms.epochs > (epoch - 1) * MOST_REPORTS // self.terms.epochs

    def end(self, outcome: str, reason: str = "", value: float | None = None) -> TrialRecord:
        """End the trial; returns its record."""
        self._only_here()
        with suppress(UpdateFinishedTrialError):
            self._save()
            end(self.study, self.trial, outcome, reason, value)
        return self._leave()

    def interrupt(self, reason: str) -> TrialRecord:
        """End the trial and queue it again; returns its record."""
        self._only_here()
        with suppress(UpdateFinishedTrialError):
            self._save()
            end_interrupted(self.study, self.trial, reason)
        return self._leave()

    def _only_here(self) -> None:
        """A process that the objective forked has come out of its code: it must not touch the study."""
        if os.getpid() != self._pid:
            os._exit(0)

    def _save(self) -> None:
        made, measured = getattr(self.objective, "trained_optimizer", None), self.measurements
        names, last = (measured[0].metrics, measured[-1].metrics) if measured else ((), {})
        log = TrialLog(
            device=self.terms.device,
            worker=self.worker,
            steps_per_epoch=self.objective.steps_per_epoch or None,
            optimizer=made.to_dict() if made else None,
            metrics={n: tuple(_json(m.metrics.get(n, math.nan)) for m in measured) for n in names},
            lr=tuple(m.lr for m in measured),
            seconds=tuple(round(m.seconds, 6) for m in measured),
            test={n: _json(v) for n, v in last.items() if n.startswith("test_")},
        )
        note_trial(self.trial, TrialNotes(log=log.to_attrs()))

    def _leave(self) -> TrialRecord:
        return _left(self.study, self.trial, self.terms.metric)

    def _start_loss(self) -> float:
        """The untrained model's loss where known, else the first epoch's largest."""
        if self.objective.start_loss:
            return self.objective.start_loss
        first = self.measurements[0].metrics
        return max((v for k, v in first.items() if "loss" in k and math.isfinite(v)), default=0.0)


def begin_trial(
    study: Study,
    objective: Objective,
    terms: Terms,
    allowance: Allowance | None = None,
    stop: Callable[[], bool] = lambda: False,
    worker: int | None = None,
) -> RunningTrial | TrialRecord:
    """Take a trial and give it a schedule.

    Args:
        study: The study to ask for a trial.
        objective: What is to be trained.
        terms: What all trials share.
        allowance: What it may use; a full trial by default.
        stop: Checked after every epoch; true ends the trial as interrupted.
        worker: Number of the lane or process; this process by default.

    Returns:
        The trial, whose lease is renewed until it ends; or, if it is not to be run, its record, which says why: there
        was no budget for it, or it has ended elsewhere.
    """
    allowance, trial = allowance or Allowance(terms.epochs), take(study, terms.quota.member if terms.quota else None)
    try:
        if (ready := _admitted(study, trial, terms, allowance)) is None:
            return _left(study, trial, terms.metric)
    except BaseException as error:  # the user stops it, or the storage fails
        with lease(study, trial):
            if isinstance(error, KeyboardInterrupt):
                end_interrupted(study, trial, "stopped by the user")
        raise
    worker = os.getpid() if worker is None else worker
    schedule, allowance = ready
    return RunningTrial(study, trial, objective, schedule, terms, allowance, stop, worker)


def _admitted(study: Study, trial: Trial, terms: Terms, allowance: Allowance) -> tuple[Schedule, Allowance] | None:
    """The schedule of a trial and what it may use; None if it is not to be run and has ended."""
    try:
        if terms.quota:
            allowance = terms.quota.admit(study, trial, allowance)
        schedule = _schedule(trial, terms.space)
        note_trial(trial, TrialNotes(schedule=schedule.to_dict()))
    except Withdrawn as why:
        _give_back(study, trial, str(why))
        time.sleep(random.uniform(*BACKOFF_S))
        return None
    except UpdateFinishedTrialError:  # SQLite may give a queued trial to two at once, and one has ended it
        return None
    return schedule, allowance


def _give_back(study: Study, trial: Trial, reason: str) -> None:
    """End a trial that there is no budget for; one that was queued is queued again."""
    if TrialNotes.read(trial.user_attrs).schedule is not None:
        end_interrupted(study, trial, reason)
    else:
        end(study, trial, "withdrawn", reason)


def _left(study: Study, trial: Trial, metric: str) -> TrialRecord:
    """The record of a trial that has ended; its lease is renewed no more."""
    let_go(study, trial)
    return to_record(study._storage.get_trial(trial._trial_id), metric)


def _schedule(trial: Trial, space: ScheduleSpace) -> Schedule:
    """The schedule of a trial: the one it was queued with, or the space's proposal."""
    queued = TrialNotes.read(trial.user_attrs).schedule
    if queued is None:
        return space.suggest(trial)
    schedule = Schedule.from_dict(queued)
    params = space.params(schedule)
    if "family" in params:
        space.suggest(trial)
    elif params:  # a baseline of a family that is not searched still teaches about base_lr and warm-up
        space.suggest_shared(trial)
    return schedule


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None
