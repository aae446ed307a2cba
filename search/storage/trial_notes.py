"""An Optuna trial read as a `TrialRecord`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from ...objectives import TrainedOptimizer
from ...spaces import Schedule
from ..results.trial import Outcome, TrialRecord


def to_record(trial: FrozenTrial, metric: str) -> TrialRecord:
    """The record of an Optuna trial.

    A trial without our notes (still running, killed, or made by another program) keeps what Optuna knows: its
    intermediate values stand for the metric's curve.
    """
    attrs = trial.user_attrs
    log = attrs.get("log", {})
    metrics = {name: tuple(_floats(values)) for name, values in log.get("metrics", {}).items()}
    reported = tuple(v for _, v in sorted(trial.intermediate_values.items()))
    if not metrics and reported:
        metrics = {metric: reported}
    done = len(next(iter(metrics.values()), ()))
    schedule = Schedule.from_dict(attrs["schedule"]) if "schedule" in attrs else None
    steps = log.get("steps_per_epoch")
    return TrialRecord(
        number=trial.number,
        outcome=outcome_of(trial),
        schedule=schedule,
        value=trial.value if trial.state != TrialState.PRUNED else (reported[-1] if reported else None),
        metrics=metrics,
        lr=tuple(log.get("lr", ())) or _lr(schedule, steps, done),
        seconds=tuple(log.get("seconds", ())),
        params=trial.params,
        baseline=attrs.get("baseline"),
        reason=attrs.get("reason", ""),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        steps_per_epoch=steps,
        device=log.get("device", ""),
        worker=log.get("worker"),
        host=attrs.get("owner", {}).get("host", ""),
        member=attrs.get("owner", {}).get("member"),
        seed=attrs.get("seed"),
        confirms=attrs.get("confirms"),
        test={n: math.nan if v is None else v for n, v in log.get("test", {}).items()},
        optimizer=TrainedOptimizer.from_dict(log["optimizer"]) if "optimizer" in log else None,
    )


def outcome_of(trial: FrozenTrial) -> Outcome:
    """Our word for a trial's state: the note is written just before the state, and another process may come between."""
    noted: Outcome = trial.user_attrs.get("outcome", "failed")
    if trial.state == TrialState.FAIL:
        return noted if noted in ("failed", "out of budget", "withdrawn") else "interrupted"
    if trial.state == TrialState.COMPLETE:
        return "diverged" if noted == "diverged" else "complete"
    return "pruned" if trial.state == TrialState.PRUNED else "running"


def _lr(schedule: Schedule | None, steps_per_epoch: int | None, epochs: int) -> tuple[float, ...]:
    if schedule is None or not epochs:
        return ()
    steps = steps_per_epoch or 1
    return tuple(schedule.curve(steps, epochs)[steps - 1 :: steps].tolist())


def _floats(values: Sequence[float | None]) -> list[float]:
    return [math.nan if v is None else float(v) for v in values]
