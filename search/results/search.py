"""What a search leaves behind: `TrialRecord` and `SearchResult`, immutable and built from storage alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from optuna.trial import FrozenTrial, TrialState

from ...errors import StudyError
from ...spaces import Schedule, ScheduleSpace, space_from_dict

if TYPE_CHECKING:
    from .confirmation import Confirmation

Outcome = Literal["complete", "pruned", "diverged", "failed", "out of budget", "interrupted", "withdrawn", "running"]
COUNTED: tuple[Outcome, ...] = ("complete", "pruned", "diverged", "failed")
"""Outcomes that count against a budget of trials."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial, as it stands in storage.

    Attributes:
        number: Optuna's trial number.
        outcome: How it ended. "diverged": NaN, inf or a loss far above its start; "failed": the objective raised;
            "out of budget": the budget ended during it; "interrupted": the process was stopped; "withdrawn": other
            processes had the rest of the budget, and no result has it.
        schedule: The schedule it trained with; None if it never got one.
        value: The metric after its last epoch; None without one, infinite if diverged.
        metrics: Per-epoch values by name, e.g. ``{"train_loss": (…), "val_loss": (…)}``.
        lr: The rate at each epoch's last step.
        seconds: Wall time of each epoch; in lanes, this trial's share of it.
        params: Optuna's parameters.
        baseline: The baseline's name, if it is one.
        reason: Why it failed, diverged or was stopped, in words.
        started: When it started (aware), if it did.
        ended: When it ended (aware), if it did.
        steps_per_epoch: Optimizer steps in an epoch; None if unknown.
        device: The torch device it ran on.
        worker: Lane, or process, that ran it.
        host: The machine it ran on.
        member: Which of the processes that share the search had it, if several may.
        seed: The seed it was queued with, if it has one of its own.
        confirms: The search's trial that it trains again, if it is one of a confirmation's runs.
        test: Metrics of held-out test data after the last epoch, where measured.
    """

    number: int
    outcome: Outcome
    schedule: Schedule | None
    value: float | None
    metrics: Mapping[str, tuple[float, ...]]
    lr: tuple[float, ...]
    seconds: tuple[float, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    baseline: str | None = None
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    steps_per_epoch: int | None = None
    device: str = ""
    worker: int | None = None
    host: str = ""
    member: str | None = None
    seed: int | None = None
    confirms: int | None = None
    test: Mapping[str, float] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return len(self.lr)

    @property
    def counted(self) -> bool:
        """Whether it counts against a budget of trials."""
        return self.outcome in COUNTED


@dataclass(frozen=True)
class SearchResult:
    """A whole search.

    Attributes:
        name: The study's name.
        settings: What all trials share: objective, epochs, space, metric, direction, seed.
        sessions: One entry per time the search was started: command, versions, device, budget, sampler, …
        trials: Every trial, by number.
        folder: The run folder, if the search has one.
        confirmation: What runs on fresh seeds say of the winner, if there are any.
        transfer: Runs over longer horizons, if there are any.
    """

    name: str
    settings: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]
    trials: tuple[TrialRecord, ...]
    folder: str | None = None
    confirmation: Confirmation | None = None
    transfer: tuple[TrialRecord, ...] = ()

    @property
    def metric(self) -> str:
        """Name of the metric that ranks trials."""
        return str(self.settings["metric"])

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return bool(self.settings["maximize"])

    @property
    def epochs(self) -> int:
        """The horizon of every trial."""
        return int(self.settings["epochs"])

    @cached_property
    def space(self) -> ScheduleSpace:
        """The space that was searched."""
        return space_from_dict(self.settings["space"])

    @cached_property
    def ranking(self) -> tuple[TrialRecord, ...]:
        """Complete trials, best first; earlier ones first among equals."""
        done = [t for t in self.trials if t.outcome == "complete" and t.value is not None and math.isfinite(t.value)]
        sign = -1 if self.maximize else 1
        return tuple(sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number)))

    @property
    def best(self) -> TrialRecord:
        """The trial to use: what the confirmation recommends, else the best complete one.

        Raises `StudyError` if no trial is complete.
        """
        if not self.ranking:
            raise StudyError(f"the study {self.name!r} has no complete trial yet: {self.counts()}.")
        recommended = self.confirmation.recommended if self.confirmation else None
        return self.ranking[0] if recommended is None else self.trial(recommended)

    @property
    def confirming(self) -> tuple[TrialRecord, ...]:
        """The runs on fresh seeds, of all sessions."""
        return self.confirmation.every if self.confirmation else ()

    @property
    def baselines(self) -> tuple[TrialRecord, ...]:
        """The baseline trials, by number."""
        return tuple(t for t in self.trials if t.baseline)

    def trial(self, number: int) -> TrialRecord:
        """The trial of that number; raises `StudyError`."""
        for trial in self.trials:
            if trial.number == number:
                return trial
        raise StudyError(f"the study {self.name!r} has no trial {number}; it has {len(self.trials)}, counted from 0.")

    def counts(self) -> dict[str, int]:
        """How many trials ended which way; only outcomes that occur."""
        found: dict[str, int] = {}
        for trial in self.trials:
            found[trial.outcome] = found.get(trial.outcome, 0) + 1
        return found


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
