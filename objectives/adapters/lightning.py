"""PyTorch Lightning: a callback that puts a trial's scheduler into the Trainer, and reports its epochs."""

from __future__ import annotations

import math
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ...errors import MissingPartError, ObjectiveError
from ...spaces import Schedule
from ..current_run import current_run
from ..run import Run
from ..script_calls import run_here, schedule_by_hand

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")
_NEVER = sys.maxsize
"""Batches between two validations, for a Trainer that validates where it is told to."""


class LightningCallback:
    """Lightning's callback for a trial: ``Trainer(max_epochs=run.epochs, callbacks=[LightningCallback(run)])``.

    The trial's scheduler takes the place of the module's own before the first step. What was logged is reported after
    every training epoch, under the names of ``trainer.callback_metrics``; of several validations in an epoch the last
    one counts. A training that goes on from a checkpoint begins the schedule there: its ``max_epochs`` are the
    checkpoint's epochs and ``run.epochs`` more.

    In a search that counts steps, pass ``Trainer(max_steps=run.steps, callbacks=[...])``: the Trainer validates after
    every ``run.every`` optimizer steps, whatever its ``val_check_interval`` is, and what it has found is reported.

    With manual optimization, make the scheduler in ``configure_optimizers`` by ``run.scheduler`` and step it after
    every ``optimizer.step()``; the callback then only reports.

    Args:
        run: What the objective was given; found in a command that a search starts. A training by hand has none and
            reports nothing.
        schedule: What a training by hand follows, e.g. ``"best.json"``, see `lrsearch.scheduler`; without one, the
            module's own scheduler stays.

    Raises:
        MissingPartError: Neither ``lightning`` nor ``pytorch_lightning`` is installed.
        ObjectiveError: During ``fit``: the training cannot follow the schedule, or did not validate in an epoch.
    """

    def __new__(cls, run: Run | None = None, schedule: Any = None) -> LightningCallback:
        """A callback of every Lightning that is in use: a Trainer takes only those of its own package."""
        bases = [import_module(package).Callback for package in _packages()]
        made: LightningCallback = object.__new__(type(cls.__name__, (cls, *bases), {}))
        return made

    def __init__(self, run: Run | None = None, schedule: Any = None) -> None:
        self.run, self.schedule = run or run_here(), schedule
        self._epochs = 0
        self._steps = math.nan
        self._begin = 0
        self._validated = False
        self._every = 0  # of a search that counts steps
        self._told: dict[str, Any] = {}

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Put the scheduler in: by now the optimizer and the module's own schedulers have their checkpoint's state."""
        if self.run:
            _check_strategy(trainer)
            if self.run.schedule.unit == "step":
                self._every, trainer.val_check_batch = self.run.every, _NEVER
        self._begin = _steps_taken(trainer, module)
        if self.run and self.run.optimizer:  # the module has called run.scheduler
            return
        if not module.automatic_optimization:
            raise ObjectiveError(
                "with manual optimization Lightning steps no scheduler: make it in configure_optimizers by "
                "run.scheduler(optimizer, steps_per_epoch), or lrsearch.scheduler, and step it after every "
                "optimizer.step()."
            )
        schedule = self.run.schedule if self.run else self._schedule_by_hand(trainer)
        if schedule is None:
            return
        if schedule.unit == "epoch":
            self._steps = _steps_per_epoch(trainer)
        if self.run and self._every:
            _check_steps(trainer, self._begin, self.run.steps)
        elif self.run:
            _check_length(trainer, self._steps, self.run.epochs)
        steps = None if schedule.unit == "step" else self._steps
        scheduler = (self.run or schedule).scheduler(trainer.optimizers[0], steps)
        config = import_module(f"{_packages()[0]}.utilities.types").LRSchedulerConfig
        trainer.strategy.lr_scheduler_configs = [config(scheduler, interval=schedule.interval)]

    def _schedule_by_hand(self, trainer: Any) -> Schedule | None:
        """The schedule of a training that no search started, as long as the Trainer's."""
        schedule = schedule_by_hand(self.schedule, None)
        if schedule is None:
            return None
        length = _epochs(trainer) if schedule.unit == "epoch" else _most_steps(trainer) - trainer.global_step
        return schedule if length in (None, math.inf, schedule.horizon) else schedule.stretched(length)

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
        """In a search that counts steps, have the Trainer validate where a report is due, or report without."""
        if not self._every:
            return
        self._check_validated(trainer)
        trainer.val_check_batch = _NEVER
        if _steps_taken(trainer, module) - self._begin == (self._epochs + 1) * self._every:
            self._epochs += 1
            if trainer.enable_validation:
                self._validated, trainer.val_check_batch = False, 1
            else:
                self._report(trainer)

    def _check_validated(self, trainer: Any) -> None:
        """Raise `ObjectiveError` if Lightning has let the last validation out that was due in a search of steps."""
        if self._epochs and trainer.enable_validation and not self._validated:
            raise ObjectiveError(
                f"Lightning did not validate at step {self._epochs * self._every}, and the search compares trials "
                f"after every {self._every} steps: use check_val_every_n_epoch=1 or None, and no val_check_interval of "
                "time."
            )

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """Note that the metrics are this epoch's; in a search that counts steps, report."""
        self._validated = not trainer.sanity_checking
        if self._every and self._validated:
            self._report(trainer)

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """Report the epoch, and end the training if the search has seen enough."""
        if self._every:
            self._check_validated(trainer)
        if not self.run or self._every or (self._begin and not self._epochs and not self._began_here(trainer)):
            return
        self._epochs += 1
        if trainer.enable_validation and not self._validated:
            raise ObjectiveError(
                f"Lightning did not validate in epoch {self._epochs}, and the search compares trials after every one: "
                "use check_val_every_n_epoch=1, and no val_check_interval of more batches than an epoch has."
            )
        self._validated = False
        self._report(trainer)

    def _report(self, trainer: Any) -> None:
        assert self.run is not None
        logged = {name: value for name, value in trainer.callback_metrics.items() if name != "epoch"}
        if not logged:
            when = f"step {self._epochs * self._every}" if self._every else f"the end of epoch {self._epochs}"
            raise ObjectiveError(
                f"the module has logged no metric by {when}: call self.log('val_loss', loss) "
                "in validation_step, say; what its on_train_epoch_end logs comes too late."
            )
        # Lightning keeps what was logged until it is logged again: within an epoch, the loss of the epoch before.
        new = {name: value for name, value in logged.items() if self._told.get(name) is not value}
        self._told = logged
        go_on = self.run.report_next(new if self._every else logged)
        trainer.should_stop = trainer.should_stop or not go_on

    def _began_here(self, trainer: Any) -> bool:
        """Whether the first epoch that ends after a checkpoint was loaded began after that, too."""
        taken = trainer.global_step - self._begin
        if 0 < taken < self._steps:
            raise ObjectiveError(
                f"the checkpoint is from the middle of an epoch, {self._steps - taken:g} steps after its beginning: "
                "resume from one that was saved at the end of an epoch."
            )
        return bool(taken)


def _packages() -> list[str]:
    """The Lightnings that are in use, or else an installed one."""
    packages = [package for package in _PACKAGES if package in sys.modules]
    packages = packages or [package for package in _PACKAGES if find_spec(package.partition(".")[0])][:1]
    if not packages:
        raise MissingPartError("LightningCallback needs Lightning: pip install lightning")
    return packages


def _epochs(trainer: Any) -> int | None:
    """The length of the training in epochs; None if it has none."""
    return trainer.max_epochs - trainer.current_epoch if trainer.max_epochs > 0 else None


def _check_strategy(trainer: Any) -> None:
    kind = type(trainer.strategy).__name__
    if "DeepSpeed" in kind:
        raise ObjectiveError("DeepSpeed steps a scheduler of its own: train with another strategy, e.g. 'auto'.")
    if current_run() and trainer.world_size > 1:
        raise ObjectiveError(
            f"{kind} trains in {trainer.world_size} processes, of which the search sees one: pass Trainer(devices=1), "
            "or start them by the search, as lrsearch run -- python train.py."
        )


def _steps_per_epoch(trainer: Any) -> int:
    """Optimizer steps in an epoch: Lightning makes one at an epoch's end whatever has been accumulated."""
    if _changing(trainer):
        raise ObjectiveError(
            "GradientAccumulationScheduler changes the number of steps in an epoch, which no schedule can follow: use "
            "Trainer(accumulate_grad_batches=...)."
        )
    if trainer.num_training_batches == math.inf:
        raise ObjectiveError(
            "the number of batches in an epoch is unknown: pass Trainer(limit_train_batches=...), as a whole number."
        )
    return math.ceil(int(trainer.num_training_batches) / int(trainer.accumulate_grad_batches))


def _steps_taken(trainer: Any, module: Any) -> int:
    """Optimizer steps so far; with manual optimization Lightning counts those of all optimizers together."""
    several = 1 if module.automatic_optimization else max(1, len(trainer.optimizers))
    return int(trainer.global_step) // several


def _check_steps(trainer: Any, begun: int, steps: int) -> None:
    """Raise `ObjectiveError` if the Trainer will end before a search of so many steps does."""
    if (most := _most_steps(trainer)) < begun + steps:
        after = f"{begun} + " if begun else ""
        raise ObjectiveError(
            f"the Trainer's {most:g} steps are fewer than the {begun + steps} that the search needs: pass "
            f"max_steps={after}run.steps and max_epochs=-1."
        )


def _most_steps(trainer: Any) -> float:
    """Optimizer steps at which the Trainer ends; infinite if it does not, or not after steps that can be counted."""
    most = trainer.max_steps if trainer.max_steps > -1 else math.inf
    batches, accumulated = trainer.num_training_batches, trainer.accumulate_grad_batches
    if trainer.max_epochs > 0 and batches != math.inf and not _changing(trainer):
        most = min(most, trainer.max_epochs * math.ceil(batches / accumulated))
    return float(most)


def _changing(trainer: Any) -> bool:
    """Whether the number of batches for a step differs from epoch to epoch."""
    return any(type(callback).__name__ == "GradientAccumulationScheduler" for callback in trainer.callbacks)


def _check_length(trainer: Any, steps: float, epochs: int) -> None:
    """Raise `ObjectiveError` if the Trainer will end before the schedule does; if after, the search ends it."""
    begun = trainer.current_epoch
    after = f"{begun} + " if begun else ""
    if -1 < trainer.max_epochs < begun + epochs:
        raise ObjectiveError(
            f"Trainer(max_epochs={trainer.max_epochs}) ends before the {epochs} epochs of the search: pass "
            f"max_epochs={after}run.epochs, or search with --epochs {max(1, trainer.max_epochs - begun)}."
        )
    if -1 < trainer.max_steps < trainer.global_step + epochs * steps:
        raise ObjectiveError(
            f"Trainer(max_steps={trainer.max_steps}) ends before the {epochs} epochs of {steps:g} steps of the search: "
            "pass max_epochs=run.epochs instead."
        )
