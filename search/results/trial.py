"""`TrialRecord`: one trial as it ended; immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ...objectives import TrainedOptimizer
from ...spaces import Schedule

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
        reason: Why it failed, diverged or was stopped, in words; where a complete one has just been trained, how its
            job failed afterwards.
        started: When it started (aware), if it did.
        ended: When it ended (aware), if it did.
        steps_per_epoch: Optimizer steps in an epoch; None if unknown.
        device: The torch device it ran on.
        worker: Lane, or process, that ran it.
        host: The machine it ran on.
        member: Which of the processes that share the search had it, if several may.
        seed: The seed it was queued with, if it has one of its own.
        confirms: The search's trial that it trains again, if it is one of a confirmation's runs.
        probes: Whether it is a run of a probe.
        test: Metrics of held-out test data after the last epoch, where measured.
        optimizer: What it was trained with, if known.
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
    probes: bool = False
    test: Mapping[str, float] = field(default_factory=dict)
    optimizer: TrainedOptimizer | None = None

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return len(self.lr)

    @property
    def counted(self) -> bool:
        """Whether it counts against a budget of trials."""
        return self.outcome in COUNTED
