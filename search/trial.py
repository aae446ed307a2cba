"""One trial: run the objective epoch by epoch, report to Optuna, and decide when to stop."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from optuna.study import Study
from optuna.trial import Trial

from ..errors import InputError
from ..objectives import Measurement, Objective
from ..spaces import Schedule, ScheduleSpace
from .records import TrialRecord, to_record
from .store import end, end_interrupted

DIVERGED_FACTOR = 10.0
"""A loss this many times the untrained (or else the first) loss counts as diverged."""


@dataclass(frozen=True)
class Terms:
    """What every trial of a search is run under.

    Attributes:
        space: Where schedules come from.
        metric: Name of the metric to report.
        maximize: Whether larger is better.
        epochs: Length of a full trial.
        seed: Seed of every trial: they differ only in lr(t).
        device: Torch device.
        deadline: ``time.time()`` after which trials end at the next epoch.
    """

    space: ScheduleSpace
    metric: str
    maximize: bool
    epochs: int
    seed: int
    device: str
    deadline: float = math.inf


@dataclass(frozen=True)
class Started:
    """An objective that has done its first epoch under `schedule`, ready to go on."""

    schedule: Schedule
    first: Measurement
    rest: Iterator[Measurement]


def start(objective: Objective, schedule: Schedule, terms: Terms) -> Started:
    """Run one epoch, so that a broken objective is found before a study has any trial.

    Raises:
        InputError: The objective breaks its contract or lacks the metric.
    """
    rest = objective.run(schedule, epochs=terms.epochs, seed=terms.seed, device=terms.device)
    first = next(rest, None)
    if first is None:
        raise InputError(f"the objective {objective.name!r} yielded nothing: yield once after every epoch.")
    _metric(first, terms.metric)
    return Started(schedule, first, rest)


def run_trial(
    study: Study,
    objective: Objective,
    terms: Terms,
    *,
    epochs: int | None = None,
    started: Started | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TrialRecord:
    """Ask for a trial, run it and tell how it ended.

    Args:
        study: The study to ask.
        objective: What to train.
        terms: What all trials share.
        epochs: Train no more than this many; fewer than a full trial ends as "out of budget".
        started: An objective under way; used if the trial asks for the same schedule.
        stop: Checked after every epoch; true ends the trial as interrupted.

    Returns:
        The record. An exception of the objective makes it "failed"; KeyboardInterrupt ends the trial as interrupted
        and is raised again.
    """
    trial = study.ask()
    log = _Log(trial, study, objective, terms)
    schedule = _schedule(trial, terms.space)
    trial.set_user_attr("schedule", schedule.to_dict())
    try:
        outcome, reason, value = _follow(log, schedule, epochs or terms.epochs, started, stop)
    except KeyboardInterrupt:
        log.save()
        end_interrupted(study, trial, "stopped by the user")
        raise
    except Exception as error:  # whatever a user's training code raises
        outcome, reason, value = "failed", f"{type(error).__name__}: {error}".strip(), None
    log.save()
    if outcome == "interrupted":
        end_interrupted(study, trial, reason)
    else:
        end(study, trial, outcome, reason, value)
    return to_record(study._storage.get_trial(trial._trial_id), terms.metric)


class _Log:
    """Collects a trial's measurements; `save` writes them to storage in one go."""

    def __init__(self, trial: Trial, study: Study, objective: Objective, terms: Terms) -> None:
        self.trial, self.study, self.objective, self.terms = trial, study, objective, terms
        self.measurements: list[Measurement] = []

    def save(self) -> None:
        notes: dict[str, object] = {"device": self.terms.device, "worker": os.getpid()}
        if self.objective.steps_per_epoch:
            notes["steps_per_epoch"] = self.objective.steps_per_epoch
        if self.measurements:
            names = self.measurements[0].metrics
            notes["metrics"] = {n: [_json(m.metrics.get(n, math.nan)) for m in self.measurements] for n in names}
            notes["lr"] = [m.lr for m in self.measurements]
            notes["seconds"] = [round(m.seconds, 6) for m in self.measurements]
        for key, value in notes.items():
            self.trial.set_user_attr(key, value)


def _follow(
    log: _Log, schedule: Schedule, epochs: int, started: Started | None, stop: Callable[[], bool]
) -> tuple[str, str, float | None]:
    terms, trial = log.terms, log.trial
    if started is not None and started.schedule == schedule:
        steps: Iterator[Measurement] = itertools.chain([started.first], started.rest)
    else:
        steps = log.objective.run(schedule, epochs=terms.epochs, seed=terms.seed, device=terms.device)
    value = None
    for m in itertools.islice(steps, epochs):
        log.measurements.append(m)
        value = _metric(m, terms.metric)
        if why := diverged(m, log.objective.start_loss or _first_loss(log)):
            return "diverged", why, -math.inf if terms.maximize else math.inf
        trial.report(value, m.epoch)
        if m.epoch == terms.epochs:
            return "complete", "", value
        if stop():
            return "interrupted", "stopped by the user", None
        if time.time() >= terms.deadline:
            return "out of budget", f"the time was up after epoch {m.epoch}", None
        if trial.should_prune():
            return "pruned", f"pruned after epoch {m.epoch}", None
    done = len(log.measurements)
    if done < epochs:
        return "failed", f"the objective ended after {done} of {epochs} epochs: yield after every epoch", None
    return "out of budget", f"no epochs were left after epoch {done}", None


def diverged(m: Measurement, start_loss: float) -> str:
    """Why a measurement counts as divergence; empty if it does not.

    A metric that is NaN or infinite, or a loss above `DIVERGED_FACTOR` times `start_loss`.
    """
    for name, value in m.metrics.items():
        if not math.isfinite(value):
            return f"{name} was {value} after epoch {m.epoch}"
        if "loss" in name and start_loss > 0 and value > DIVERGED_FACTOR * start_loss:
            return f"{name} rose to {value:.3g} after epoch {m.epoch}, from {start_loss:.3g} at the start"
    return ""


def _first_loss(log: _Log) -> float:
    first = log.measurements[0].metrics
    return max((v for k, v in first.items() if "loss" in k and math.isfinite(v)), default=0.0)


def _metric(m: Measurement, name: str) -> float:
    if name not in m.metrics:
        raise InputError(
            f"the objective yields no metric {name!r}, only {', '.join(sorted(m.metrics))}: choose one with --metric."
        )
    return m.metrics[name]


def _schedule(trial: Trial, space: ScheduleSpace) -> Schedule:
    """The schedule of a trial: the one it was queued with, or the space's proposal."""
    queued = trial.user_attrs.get("schedule")
    if queued is None:
        return space.suggest(trial)
    schedule = Schedule.from_dict(queued)
    if space.contains(schedule):
        space.suggest(trial)
    else:  # a baseline of a family that is not searched still teaches about base_lr and warm-up
        space.suggest_shared(trial)
    return schedule


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None
