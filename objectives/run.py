"""`Run`: what a user's job is given, and how it tells of its epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ObjectiveError
from ..spaces import Schedule
from .following import Follower, check_accumulation
from .optimizer import TrainedOptimizer
from .reports import Reports

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


class Run:
    """What a user's objective receives.

    Attributes:
        schedule: The schedule of this trial, for a job that sets its rates itself: ``run.schedule.curve(n)`` gives them
            step by step.
        epochs: Epochs to train: yield, or call `report`, once after each.
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
        self._reports: Reports | None = None
        self._lrs: tuple[float, Any] | None = None

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
                the highest one; the others keep their ratio to it. With several optimizers call this for each: each
                one's highest rate becomes base_lr.
            steps_per_epoch: Optimizer steps in an epoch, >= 1; with gradient accumulation, fewer than batches. A
                fraction where it differs from epoch to epoch, e.g. 25 / 3 for 8, 8 and 9 steps.
        """
        if not hasattr(optimizer, "param_groups"):
            raise ObjectiveError(
                f"run.scheduler takes one optimizer, got {type(optimizer).__name__}: with several, call it once for "
                "each."
            )
        made = TrainedOptimizer.of(optimizer)
        self.optimizer = self.optimizer or made
        scheduler = self._schedule.scheduler(optimizer, steps_per_epoch)
        self.steps_per_epoch = max(steps_per_epoch, self.steps_per_epoch or 0)
        self._again = self._again or any(f.steps for f in self._followers)
        self._followers = [f for f in self._followers if not f.yields_to(optimizer)]
        self._followers.append(Follower(self._schedule, optimizer, scheduler, steps_per_epoch, made.ratios))
        return scheduler

    def report(self, epoch: int, **metrics: Any) -> bool:
        """Tell how an epoch went, where the objective is a plain function in which somebody else owns the loop.

        Args:
            epoch: The epoch that has ended, counted from 0 as ``range`` does, or from 1.
            **metrics: What a generator would yield, e.g. ``val_loss=0.3``.

        Returns:
            Whether to go on. If not, end the training; a training that goes on is ended with its next report.

        Raises:
            ObjectiveError: A report breaks the contract: no number, an epoch left out, another schedule followed.
            TrialEnded: The answer to the last report was no.
        """
        return self._taker.take(epoch, metrics)

    def report_next(self, metrics: Mapping[str, Any]) -> bool:
        """The same for the epoch that is due; see `lrsearch.report`."""
        return self._taker.take(self._taker.due, metrics)

    @property
    def _taker(self) -> Reports:
        if self._reports is None:
            raise ObjectiveError(
                "run.report is for a plain function; a generator yields its metrics after every epoch."
            )
        return self._reports

    def report_to(self, reports: Reports) -> None:
        """Send what `report` is told there."""
        self._reports = reports

    def lr_after(self, epoch: int) -> float:
        """The rate at the last step of an epoch, 1 for the first."""
        n = self.steps_per_epoch or 1
        if self._lrs is None or self._lrs[0] != n:
            self._lrs = n, self._schedule.curve(n, self.epochs)
        return float(self._lrs[1][round(epoch * n) - 1])

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
