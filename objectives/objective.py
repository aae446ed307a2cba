"""What a trial trains: the `Objective` contract, and the values that cross it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ObjectiveError
from ..spaces import Schedule
from .following import Follower, check_accumulation
from .optimizer import TrainedOptimizer

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


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
    optimizer: str
    epochs: int
    start_loss: float | None
    steps_per_epoch: int | None

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


class Run:
    """What a user's generator objective receives.

    Attributes:
        schedule: The schedule of this trial, for a job that sets its rates itself: ``run.schedule.curve(n)`` gives them
            step by step.
        epochs: Epochs to train: yield once after each.
        seed: Seed for weights and data order.
        device: The torch device to use, e.g. ``"cuda:0"``.
        test: Whether this run judges a schedule that was chosen: yield ``test_loss`` (and the like) with the last epoch
            if there are test data. The search itself never sees them.
        steps_per_epoch: Optimizer steps in an epoch; None until `scheduler` is called.
        optimizer: What is told of the first optimizer that `scheduler` was called for; None until then.
    """

    def __init__(self, schedule: Schedule, epochs: int, seed: int, device: str, test: bool = False) -> None:
        self._schedule = schedule
        self.epochs, self.seed, self.device, self.test = epochs, seed, device, test
        self.steps_per_epoch: float | None = None
        self.optimizer: TrainedOptimizer | None = None
        self._followers: list[Follower] = []
        self._took_schedule = False
        self._again = False

    @property
    def schedule(self) -> Schedule:
        """The schedule; a job that takes it need not call `scheduler`."""
        self._took_schedule = True
        return self._schedule

    def scheduler(self, optimizer: Optimizer, steps_per_epoch: float) -> LRScheduler:
        """PyTorch's scheduler for this trial: call ``step()`` after every ``optimizer.step()``.

        With ``--interval epoch``, call it once after every epoch instead. Call this once for an optimizer, before
        the first epoch. The rates that the optimizer then steps with are compared with the schedule's.

        Args:
            optimizer: The optimizer that trains the model. base_lr becomes the rate of the parameter group that has
                the highest one; the others keep their ratio to it.
            steps_per_epoch: Optimizer steps in an epoch, >= 1; with gradient accumulation, fewer than batches. A
                fraction where it differs from epoch to epoch, e.g. 25 / 3 for 8, 8 and 9 steps.
        """
        made = TrainedOptimizer.of(optimizer)
        self.optimizer = self.optimizer or made
        scheduler = self._schedule.scheduler(optimizer, steps_per_epoch)
        self.steps_per_epoch = max(steps_per_epoch, self.steps_per_epoch or 0)
        self._again = self._again or any(f.steps for f in self._followers)
        self._followers = [f for f in self._followers if not f.yields_to(optimizer)]
        self._followers.append(Follower(self._schedule, optimizer, scheduler, steps_per_epoch, made.ratios))
        return scheduler

    def check(self, name: str, epoch: int) -> None:
        """Raise `ObjectiveError` unless the job `name` has trained with its schedule until the end of `epoch`."""
        if self._again:
            raise ObjectiveError(
                f"{name} called run.scheduler again in epoch {epoch}, which begins the schedule anew: make model, "
                "optimizer and scheduler once, before the first epoch."
            )
        if not self._followers and not self._took_schedule:
            raise ObjectiveError(
                f"{name} never used its schedule: make its scheduler with run.scheduler(optimizer, steps_per_epoch), "
                "or set the rates of run.schedule.curve(steps_per_epoch) yourself."
            )
        check_accumulation(self._followers, name, epoch)
        for follower in self._followers:
            follower.check(name, epoch)
