"""What is noted of an Optuna trial, written to it and read back as a `TrialRecord`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from ...errors import StudyError
from ...objectives import TrainedOptimizer
from ...spaces import Schedule
from ..notes.trial import TrialNotes
from ..results.trial import Outcome, TrialRecord

AnyTrial = Trial | FrozenTrial
LARGEST = 1e300
"""Of a metric's course, a larger number counts as infinite and one below its inverse as 0; no value or parameter of a
trial is larger. Axes need room beside what they show."""


def note_trial(trial: Trial, notes: TrialNotes) -> None:
    """Store these notes of a trial that this process runs, which sees them at once.

    Raises:
        UpdateFinishedTrialError: Optuna's, if the trial has ended.
    """
    for name, value in notes.to_attrs().items():
        trial.set_user_attr(name, value)


def store_notes(study: Study, trial_id: int, notes: TrialNotes) -> None:
    """Store these notes of any trial; raises as `note_trial`."""
    for name, value in notes.to_attrs().items():
        study._storage.set_trial_user_attr(trial_id, name, value)


def to_record(trial: FrozenTrial, metric: str) -> TrialRecord:
    """The record of an Optuna trial.

    A trial without our notes (still running, killed, or made by another program) keeps what Optuna knows: its
    intermediate values stand for the metric's curve.
    """
    notes = TrialNotes.read(trial.user_attrs)
    log, signature = notes.shown, notes.signature
    metrics = {name: tuple(_floats(values)) for name, values in log.metrics.items()}
    reports = sorted(_reported(trial).items())
    at, reported = [when for when, _ in reports], tuple(_floats(value for _, value in reports))
    schedule = None if notes.schedule is None else Schedule.from_dict(notes.schedule).ran(log.lr)
    epochs = int(min(at[-1], schedule.horizon)) if at and schedule and schedule.unit == "epoch" else 0
    some = epochs > len(at)  # of very many Optuna is told of some
    if not metrics and reported and not some:
        metrics = {metric: reported}
    done = range(1, epochs + 1) if some else at[: len(next(iter(metrics.values()), ()))]
    return TrialRecord(
        number=trial.number,
        outcome=outcome_of(trial),
        schedule=schedule,
        value=trial.value if trial.state != TrialState.PRUNED else (reported[-1] if reported else None),
        metrics=metrics,
        lr=log.lr or _lr(schedule, log.steps_per_epoch, done),
        seconds=tuple(s if 0 <= s <= LARGEST else 0.0 for s in log.seconds),
        params=trial.params,
        baseline=notes.baseline,
        reason=notes.reason,
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        steps_per_epoch=log.steps_per_epoch,
        device=log.device,
        worker=log.worker,
        host=signature.host if signature else "",
        member=signature.member if signature else None,
        seed=notes.seed,
        confirms=notes.confirms,
        probes=bool(notes.probe),
        test=dict(zip(log.test, _floats(log.test.values()), strict=True)),
        optimizer=None if log.optimizer is None else TrainedOptimizer.from_dict(log.optimizer),
    )


def _reported(trial: FrozenTrial) -> dict[int, float]:
    """What it has reported by epoch; raises `StudyError` if that, its value or its parameters are no numbers."""
    values = trial.values
    numbers = (*trial.intermediate_values, *trial.intermediate_values.values(), *(values or ()))
    good = (values is None or len(values) == 1) and all(map(_drawable, numbers))
    if not (good and all(_fits(v, trial.distributions[name]) for name, v in trial.params.items())):
        raise StudyError(f"trial {trial.number} holds values that are no numbers: another program has changed it.")
    return trial.intermediate_values


def _fits(value: object, distribution: BaseDistribution) -> bool:
    """Whether a value is a number that figures have a place for, or a word where words are chosen from."""
    if isinstance(value, str):
        return isinstance(distribution, CategoricalDistribution)
    return _drawable(value) and not math.isinf(cast(float, value))


def _drawable(value: object) -> bool:
    """Whether a value is a number that an axis has a place for, or not finite, as after a divergence."""
    return isinstance(value, (int, float)) and not (LARGEST < abs(value) < math.inf)


def outcome_of(trial: FrozenTrial) -> Outcome:
    """Our word for a trial's state: the note is written just before the state, and another process may come between."""
    noted = TrialNotes.read(trial.user_attrs).outcome or "failed"
    if trial.state == TrialState.FAIL:
        return cast(Outcome, noted) if noted in ("failed", "out of budget", "withdrawn") else "interrupted"
    if trial.state == TrialState.COMPLETE:
        return "diverged" if noted == "diverged" else "complete"
    return "pruned" if trial.state == TrialState.PRUNED else "running"


def _lr(schedule: Schedule | None, steps_per_epoch: int | None, reported: Sequence[int]) -> tuple[float, ...]:
    """The rate at each report's last step; epochs are counted by their number, steps as they were reported."""
    if schedule is None or not reported:
        return ()
    if schedule.unit == "step":
        rates = schedule.curve(epochs=reported[-1])
        return tuple(rates[np.array(reported) - 1].tolist())
    steps = steps_per_epoch or 1
    return tuple(schedule.curve(steps, len(reported))[steps - 1 :: steps].tolist())


def _floats(values: Iterable[float | None]) -> list[float]:
    return [_float(v) for v in values]


def _float(value: float | None) -> float:
    if value is None or value != value:
        return math.nan
    if abs(value) <= LARGEST:
        return float(value) if abs(value) >= 1 / LARGEST else 0.0
    return math.inf if value > 0 else -math.inf
