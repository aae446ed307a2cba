"""A trial under way: what it may use, what it has shown, and when it ends."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import Trial

from ...objectives import Measurement, Objective
from ...spaces import Schedule, ScheduleSpace
from ..budget.ledger import Allowance
from ..budget.shared import Withdrawn
from ..results.trial import TrialRecord
from ..storage.ending import end, end_interrupted
from ..storage.leases import let_go, take
from ..storage.trial_notes import to_record
from .divergence import diverged
from .settings import Terms, metric_of

BACKOFF = 0.05, 0.5
"""Seconds to wait, at random, before the next try for the last of a shared budget."""


class Watch:
    """A trial under way: it is shown every measurement, reports it to Optuna, and ends the trial when it is time.

    Args:
        study: The study to ask for a trial.
        objective: What is trained.
        terms: What all trials share.
        allowance: What it may use; a full trial by default.
        stop: Checked after every epoch; true ends the trial as interrupted.
        worker: Number of the lane or process; this process by default.

    Attributes:
        trial: Optuna's trial.
        schedule: The schedule to train with.
        seed: The seed to train with: the one it was queued with, or the search's.
        measurements: What was seen so far.
        withdrawn: The trial's record if there was no budget for it, or it has ended elsewhere: it is not to be run.
    """

    def __init__(
        self,
        study: Study,
        objective: Objective,
        terms: Terms,
        allowance: Allowance | None = None,
        stop: Callable[[], bool] = lambda: False,
        worker: int | None = None,
    ) -> None:
        self.worker = os.getpid() if worker is None else worker
        self.study, self.objective, self.terms = study, objective, terms
        self.allowance, self.stop = allowance or Allowance(terms.epochs), stop
        self.measurements: list[Measurement] = []
        self.pid = os.getpid()
        self.withdrawn: TrialRecord | None = None
        self.trial = take(study, terms.quota.member if terms.quota else None)
        self.seed = int(self.trial.user_attrs.get("seed", terms.seed))
        try:
            if terms.quota:
                self.allowance = terms.quota.admit(study, self.trial, self.allowance)
            self.schedule = _schedule(self.trial, terms.space)
            self.trial.set_user_attr("schedule", self.schedule.to_dict())
        except Withdrawn as why:
            queued = "schedule" in self.trial.user_attrs
            self.withdrawn = self.interrupt(str(why)) if queued else self.end("withdrawn", str(why))
            time.sleep(random.uniform(*BACKOFF))
        except UpdateFinishedTrialError:  # SQLite may give a queued trial to two at once, and one has ended it
            self.withdrawn = self._leave()
        except KeyboardInterrupt:
            self.interrupt("stopped by the user")
            raise

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
        value = metric_of(m, terms.metric)
        if why := diverged(m, self._start_loss()):
            return self.end("diverged", why, -math.inf if terms.maximize else math.inf)
        self.trial.report(value, m.epoch)
        if m.epoch == terms.epochs:
            return self.end("complete", value=value)
        if self.stop() or (terms.quota and terms.quota.stopped(self.study)):
            return self.interrupt("stopped by the user")
        if time.time() >= self.allowance.deadline:
            return self.end("out of budget", f"the time was up after epoch {m.epoch}")
        if m.epoch == self.allowance.epochs:
            return self.end("out of budget", f"no epochs were left after epoch {m.epoch}")
        if self.trial.should_prune():
            return self.end("pruned", f"pruned after epoch {m.epoch}")
        return None

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
        if os.getpid() != self.pid:
            os._exit(0)

    def _save(self) -> None:
        notes: dict[str, object] = {"device": self.terms.device, "worker": self.worker}
        if self.objective.steps_per_epoch:
            notes["steps_per_epoch"] = self.objective.steps_per_epoch
        if made := getattr(self.objective, "trained_optimizer", None):
            notes["optimizer"] = made.to_dict()
        if self.measurements:
            names = self.measurements[0].metrics
            notes["metrics"] = {n: [_json(m.metrics.get(n, math.nan)) for m in self.measurements] for n in names}
            notes["lr"] = [m.lr for m in self.measurements]
            notes["seconds"] = [round(m.seconds, 6) for m in self.measurements]
            last = self.measurements[-1].metrics
            notes["test"] = {n: _json(v) for n, v in last.items() if n.startswith("test_")}
        self.trial.set_user_attr("log", notes)  # one write: each costs a flush to the disk

    def _leave(self) -> TrialRecord:
        """Let go of the trial, which has ended; returns its record."""
        let_go(self.study, self.trial)
        return to_record(self.study._storage.get_trial(self.trial._trial_id), self.terms.metric)

    def _start_loss(self) -> float:
        """The untrained model's loss where known, else the first epoch's largest."""
        if self.objective.start_loss:
            return self.objective.start_loss
        first = self.measurements[0].metrics
        return max((v for k, v in first.items() if "loss" in k and math.isfinite(v)), default=0.0)


def _schedule(trial: Trial, space: ScheduleSpace) -> Schedule:
    """The schedule of a trial: the one it was queued with, or the space's proposal."""
    queued = trial.user_attrs.get("schedule")
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
