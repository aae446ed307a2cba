"""`Run`: what a user's job is given, and how it tells of its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import ObjectiveError
from ..spaces import IN_EPOCHS, Counting, Schedule
from ..spaces.beside import Value, for_job, multiplier_name
from ..spaces.groups import as_optimizers, group_names, group_ratios, unnamed
from .optimizer import TrainedOptimizer, unwrapped
from .plateau import reaction_of
from .reports import Reports
from .schedule_check import Follower, Place, check_accumulation

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


class Params(dict[str, Value]):
    """What is searched beside the schedule, by name; knows what was read.

    Attributes:
        read: Names that were asked for.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Value:
        self.read.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> Value:
        raise ObjectiveError(
            f"run.params has no {name!r}: search it, as {name} = {{ low = ..., high = ... }} under [params] in a space "
            f"file, or write run.params.get({name!r}, the usual value)."
        )

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` where it is not searched."""
        self.read.add(name)
        return super().get(name, default)


class Run:
    """What a user's objective receives.

    Attributes:
        schedule: The schedule of this trial, for a job that sets its rates itself: ``run.schedule.curve(n)`` gives them
            step by step.
        epochs: Epochs to train: yield, or call `report`, once after each.
        steps: Optimizer steps to train, in a search that counts steps (``--steps``): yield, or call `report`, after
            every `every` of them.
        every: Optimizer steps between two reports, in such a search.
        params: What else is searched, by name, as ``run.params["weight_decay"]`` of a space's ``[params]``; a search
            without it gives ``run.params.get("weight_decay", 0.01)`` its fallback.
        seed: Seed for weights and data order.
        device: The torch device to use, e.g. ``"cuda:0"``.
        test: Whether this run judges a schedule that was chosen: yield ``test_loss`` (and the like) with the last epoch
            if there are test data. The search itself never sees them.
        reports_due: How often to yield, or to call `report`.
        steps_per_epoch: Optimizer steps in an epoch; None until `scheduler` is called, and without epochs.
        optimizer: What is told of the first optimizer that `scheduler` was called for; None until then.
    """

    def __init__(
        self,
        schedule: Schedule,
        epochs: int,
        seed: int,
        device: str,
        test: bool = False,
        counting: Counting = IN_EPOCHS,
    ) -> None:
        self._schedule, self.reports_due, self._counting = schedule, epochs, counting
        self.seed, self.device, self.test = seed, device, test
        self.steps_per_epoch: float | None = None
        self.optimizer: TrainedOptimizer | None = None
        self._followers: list[Follower] = []
        self._took_schedule = False
        self._groups: set[str] = set()
        self.params = Params(for_job(schedule.beside))
        self._again = False
        self._reports: Reports | None = None
        self._lrs: tuple[float, Any] | None = None
        self._reaction = reaction_of(schedule)
        self._plain = self._reaction.plain if self._reaction else schedule

    @property
    def epochs(self) -> int:
        """See the class; raises `ObjectiveError` in a search that counts steps."""
        if self._counting.unit == "step":
            raise ObjectiveError(
                "this search counts steps, and has no run.epochs: train for run.steps, and yield or report after every "
                "run.every of them."
            )
        return self.reports_due

    @property
    def steps(self) -> int:
        """See the class; raises `ObjectiveError` in a search that counts epochs."""
        return self._in_steps("steps") * self.reports_due

    @property
    def every(self) -> int:
        """See the class; raises `ObjectiveError` in a search that counts epochs."""
        return self._in_steps("every")

    def _in_steps(self, name: str) -> int:
        if self._counting.unit == "epoch":
            raise ObjectiveError(
                f"this search counts epochs, and has no run.{name}: search with --steps N --every M, or train for "
                "run.epochs."
            )
        return self._counting.every

    @property
    def schedule(self) -> Schedule:
        """The schedule; a job that takes it need not call `scheduler`."""
        self._took_schedule = True
        return self._schedule

    def take_param(self, name: str, fallback: Any) -> Any:
        """What is searched under that name, or `fallback`; see `lrsearch.param`."""
        return self.params.get(name, fallback)

    def scheduler(
        self, optimizer: Optimizer | Sequence[Optimizer], steps_per_epoch: float | None = None
    ) -> LRScheduler:
        """PyTorch's scheduler for this trial: call ``step()`` after every ``optimizer.step()``.

        With ``--interval epoch``, call it once after every epoch instead. Call this once for an optimizer, before
        the first epoch. The rates that the optimizer then steps with are compared with the schedule's.

        Args:
            optimizer: The optimizer that trains the model, or a list of several, whose schedulers are stepped as one.
                base_lr becomes the rate of the parameter group that has the highest one; all others keep their
                ratio to it. If this is called for each of several instead, each one's highest rate becomes base_lr.
            steps_per_epoch: Optimizer steps in an epoch, >= 1; with gradient accumulation, fewer than batches. A
                fraction where it differs from epoch to epoch, e.g. 25 / 3 for 8, 8 and 9 steps. In a search that
                counts steps it is not needed, and of no account.
        """
        optimizers = as_optimizers(optimizer)
        if self._counting.unit == "step":
            steps_per_epoch = None
        elif steps_per_epoch is None:
            raise ObjectiveError(
                "run.scheduler needs the number of optimizer steps in an epoch: run.scheduler(optimizer, "
                "steps_per_epoch=len(train_loader))."
            )
        made = TrainedOptimizer.of(*optimizers)
        self.optimizer = self.optimizer or made
        ratios, plain = self._shares(optimizers)
        scheduler = plain.scheduler(optimizers, steps_per_epoch)
        if steps_per_epoch is not None:
            self.steps_per_epoch = max(steps_per_epoch, self.steps_per_epoch or 0)
        self._again = self._again or any(f.steps for f in self._followers)
        self._followers = [f for f in self._followers if not any(f.yields_to(o) for o in optimizers)]
        between = steps_per_epoch or self._counting.every
        for one, of_one in zip(optimizers, ratios, strict=True):
            self._followers.append(Follower(self._plain, one, scheduler, between, of_one))
        return scheduler

    def _shares(self, optimizers: Sequence[Optimizer]) -> tuple[list[list[float]], Schedule]:
        """Every group's share of base_lr, and the schedule without the multipliers of other optimizers' groups."""
        made = [unwrapped(optimizer) for optimizer in optimizers]
        names, multipliers = group_names(*made), self._plain.multipliers
        self._groups.update(names)
        absent = {multiplier_name(group) for group in multipliers if group not in names}
        beside = {name: value for name, value in self._plain.beside.items() if name not in absent}
        return group_ratios(*made, multipliers=multipliers), replace(self._plain, beside=beside)

    def report(self, epoch: int, **metrics: Any) -> bool:
        """Tell how an epoch went, where the objective is a plain function in which somebody else owns the loop.

        Args:
            epoch: The epoch that has ended, counted from 0 as ``range`` does, or from 1. In a search that counts
                steps, the step: after every `every` of them, counted either way too.
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
        """The rate at the last step before a report, 1 for the first; of one that follows the metric, the last one."""
        if self._reaction:
            return self._reaction.rate
        n, counting = self.steps_per_epoch or 1, self._counting
        if self._lrs is None or self._lrs[0] != n:
            self._lrs = n, self._schedule.curve(n, counting.at(self.reports_due))
        return float(self._lrs[1][round(counting.at(epoch) * n) - 1])

    def react(self, metrics: Mapping[str, float]) -> None:
        """Lower the rates by what a report says, where the schedule follows the metric."""
        if self._reaction and (share := self._reaction.see(metrics)) != 1:
            for follower in self._followers:
                follower.lower(share)

    def check(self, name: str, epoch: int) -> None:
        """Raise `ObjectiveError` unless the job `name` has trained with its schedule until its report `epoch`."""
        place = Place(epoch, self._counting)
        if self._again:
            raise ObjectiveError(
                f"{name} called run.scheduler again {place.in_words}, which begins the schedule anew: make model, "
                f"optimizer and scheduler once, before the first {place.counting.unit}."
            )
        if not self._followers and not self._took_schedule:
            raise ObjectiveError(
                f"{name} never used its schedule: make its scheduler with run.scheduler(optimizer, steps_per_epoch), "
                "or set the rates of run.schedule.curve(steps_per_epoch) yourself."
            )
        if not self._followers and self._reaction:
            raise ObjectiveError(
                f"{name} sets its rates itself, and cannot follow the metric as the baseline plateau does: make its "
                "scheduler with run.scheduler(optimizer, steps_per_epoch)."
            )
        self.check_params(name)
        if self._plain.multipliers and not self._followers:
            raise ObjectiveError(
                f"{name} sets its rates itself, and would pass over the multipliers of [groups]: make its scheduler "
                "with run.scheduler(optimizer, steps_per_epoch)."
            )
        if wrong := unnamed(sorted(self._groups), self._plain.multipliers):
            raise ObjectiveError(f"{name}: {wrong}")
        check_accumulation(self._followers, name, place)
        for follower in self._followers:
            follower.check(name, place)

    def check_params(self, name: str) -> None:
        """Raise `ObjectiveError` unless the job `name` has taken all that is searched beside the schedule."""
        if unread := [key for key in self.params if key not in self.params.read]:
            raise ObjectiveError(
                f"{name} never took run.params[{unread[0]!r}], which is searched: train with it, or leave it out of "
                "[params]."
            )
