"""What a trial trains: the `Objective` contract, and what it yields."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..spaces import Schedule


@dataclass(frozen=True)
class Measurement:
    """What one epoch of a trial gave.

    Attributes:
        epoch: Epochs done so far, 1 for the first.
        metrics: Numbers by name, e.g. ``train_loss``, ``val_loss``, ``val_accuracy``; may be NaN or infinite.
        lr: The rate at the epoch's last step.
        seconds: Wall time of the epoch; in lanes, this trial's share of it.
    """

    epoch: int
    metrics: Mapping[str, float]
    lr: float
    seconds: float

    @property
    def finite(self) -> bool:
        """Whether every metric is a finite number."""
        return all(math.isfinite(v) for v in self.metrics.values())


class Objective(Protocol):
    """A training job that a search can run with any schedule. It knows nothing of studies or budgets.

    Attributes:
        name: Shown to people and used for the study's name.
        optimizer: ``"sgd"``, ``"adamw"`` or ``""`` if unknown; chooses the default base_lr range.
        epochs: Default horizon.
        start_loss: Loss of the untrained model where known; a loss far above it is a divergence.
        steps_per_epoch: Optimizer steps in an epoch; None until known.
    """

    name: str
    epochs: int
    start_loss: float | None
    steps_per_epoch: int | None

    @property
    def optimizer(self) -> str:
        """See the class."""

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        """Train, yielding once per epoch; closing the iterator stops the trial.

        Args:
            schedule: The schedule to follow.
            epochs: Epochs to train; at most the schedule's horizon.
            seed: Seed of weights, batch order and augmentation: trials of one seed differ only in lr(t).
            device: A torch device, e.g. ``"cpu"`` or ``"cuda:0"``.
            test: Whether the last epoch also gives metrics of held-out test data, if there are any: ``test_loss``, …
        """

    def settings(self) -> dict[str, Any]:
        """JSON-ready facts that make results comparable: trials of one study must share them."""
