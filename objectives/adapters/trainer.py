"""transformers' Trainer, and what is built on it: a trial's scheduler is put in, and evaluations are reported."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any, TypeVar

from ...errors import MissingPartError, ObjectiveError
from ...spaces import Schedule
from ..current_run import current_run
from ..run import Run
from ..script_calls import run_here, schedule_by_hand

T = TypeVar("T")
_CLOCKS = ("_runtime", "_per_second", "_time")
"""How the names of the evaluation's own speed end."""


def attach(trainer: T, run: Run | None = None, schedule: Any = None) -> T:
    """Let transformers' Trainer, or trl's SFTTrainer or DPOTrainer, train a trial: ``attach(trainer, run).train()``.

    The trial's scheduler takes the place of ``lr_scheduler_type`` or of the one in ``optimizers``. With
    ``num_train_epochs``, which must be ``run.epochs`` at least, an epoch is the Trainer's; with ``max_steps`` the
    training has ``run.epochs`` equal parts, and in a search that counts steps, parts of ``run.every`` steps. After each
    of them the Trainer evaluates, whatever ``eval_strategy`` is, and what it finds is reported: ``eval_loss`` as
    ``val_loss``, ``eval_x`` as ``val_x``, and the last logged ``loss`` as ``train_loss``. A trial that is to end ends
    without another evaluation.

    Args:
        trainer: The Trainer, before ``train()``, with an ``eval_dataset``.
        run: What the objective was given; found in a command that a search starts. A training by hand has none and
            reports nothing.
        schedule: What a training by hand follows, e.g. ``"best.json"``, see `lrsearch.scheduler`; without one, the
            Trainer's own stays.

    Returns:
        The same Trainer.

    Raises:
        MissingPartError: transformers is not installed.
        ObjectiveError: Here or in ``train()``: the training cannot follow the schedule.
    """
    try:
        from transformers import Trainer, TrainerCallback
    except ImportError:
        raise MissingPartError("attach needs transformers: pip install transformers accelerate") from None
    if not isinstance(trainer, Trainer):
        raise ObjectiveError(f"attach takes a transformers.Trainer, got {type(trainer).__name__}.")
    if (run := run or run_here()) is None:
        if (by_hand := schedule_by_hand(schedule, None)) is not None:
            _check(trainer, by_hand)
            trainer.create_scheduler = _ByHand(trainer, by_hand).create_scheduler  # type: ignore[method-assign]
        return trainer
    _check(trainer, run.schedule)
    kind = type("LrsearchCallback", (_Evaluations, TrainerCallback), {})
    evaluations = kind(trainer, run)
    trainer.create_scheduler = evaluations.create_scheduler  # type: ignore[method-assign]
    trainer.add_callback(evaluations)
    return trainer


class _ByHand:
    """Makes the scheduler of a training that no search started, as long as that is."""

    def __init__(self, trainer: Any, schedule: Schedule) -> None:
        self.trainer, self.schedule = trainer, schedule

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """What the Trainer calls instead of its own method."""
        in_steps = self.schedule.unit == "step"
        length = num_training_steps if in_steps else _epochs(self.trainer.args)
        schedule = self.schedule.stretched(length) if length not in (None, self.schedule.horizon) else self.schedule
        steps = None if in_steps else num_training_steps / schedule.horizon
        return _put_in(self.trainer, schedule.scheduler(optimizer or self.trainer.optimizer, steps))


class _Evaluations:
    """Makes the scheduler, has the Trainer evaluate at the end of each of the search's epochs, and reports."""

    def __init__(self, trainer: Any, run: Run) -> None:
        self.trainer, self.run = trainer, run
        self._steps = math.nan
        self._epochs = self._seen = 0
        self._over = False
        self._found: dict[str, Any] = {}

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """What the Trainer calls instead of its own method, once its optimizer is ready."""
        trainer = self.trainer
        if trainer.state.global_step:
            raise ObjectiveError(
                f"the Trainer goes on from step {trainer.state.global_step} of a checkpoint, and a trial trains from "
                "the start: load the checkpoint's weights into the model instead of resume_from_checkpoint."
            )
        self._steps = _steps_per_epoch(trainer.args, num_training_steps, self.run)
        return _put_in(trainer, self.run.scheduler(optimizer or trainer.optimizer, self._steps))

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Evaluate where an epoch of the search ends within one of the Trainer's."""
        if self._is_due(state) and not float(state.epoch).is_integer():
            control.should_evaluate = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Evaluate at the end of an epoch; not once more if that is where the trial ended."""
        if self._over or self._is_due(state):
            control.should_evaluate = not self._over

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **rest: Any) -> None:
        """Keep the training's loss."""
        if "loss" in logs:
            self._found["train_loss"] = logs["loss"]

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any], **rest: Any) -> None:
        """Report, once every dataset of ``eval_dataset`` has been evaluated."""
        values = {f"val_{name[5:]}": value for name, value in metrics.items() if _is_metric(name, value)}
        if not values or not self._is_due(state):
            return
        self._found.update(values)
        self._seen += 1
        datasets = self.trainer.eval_dataset
        if self._seen < (len(datasets) if isinstance(datasets, dict) else 1):
            return
        metrics, self._found, self._seen = self._found, {}, 0
        self._epochs += 1
        self._over = not self.run.report_next(metrics)
        control.should_training_stop = control.should_training_stop or self._over

    def _is_due(self, state: Any) -> bool:
        """Whether the training stands where the search's next epoch ends."""
        return not self._over and state.global_step == round((self._epochs + 1) * self._steps)


def _put_in(trainer: Any, scheduler: Any) -> Any:
    """Make it the Trainer's scheduler, until the next ``train()``."""
    trainer.lr_scheduler, trainer._created_lr_scheduler = scheduler, True
    return scheduler


def _check(trainer: Any, schedule: Schedule) -> None:
    if schedule.interval == "epoch":
        raise ObjectiveError("transformers' Trainer changes the rate after every step: leave out --interval epoch.")
    if trainer.is_deepspeed_enabled:
        raise ObjectiveError("DeepSpeed steps a scheduler of its own: train without it.")
    if current_run() and trainer.args.world_size > 1:
        raise ObjectiveError(
            f"the Trainer is one of {trainer.args.world_size} processes, of which the search sees one: start them by "
            "the search, as lrsearch run -- torchrun train.py."
        )


def _epochs(args: Any) -> float | None:
    """The length of the training in epochs; None if it is one in steps."""
    return None if args.max_steps > 0 else float(args.num_train_epochs)


def _steps_per_epoch(args: Any, total: int, run: Run) -> float:
    """Optimizer steps between two reports, a fraction if the parts of ``max_steps`` differ."""
    if run.schedule.unit == "step":
        if total < run.steps:
            raise ObjectiveError(
                f"the Trainer's {total} steps are fewer than the {run.steps} of the search: pass max_steps=run.steps."
            )
        return run.every
    if args.max_steps > 0:
        if total < run.epochs:
            raise ObjectiveError(f"max_steps={total} are fewer than the {run.epochs} epochs of the search.")
        return total / run.epochs
    if args.num_train_epochs < run.epochs:
        raise ObjectiveError(
            f"TrainingArguments(num_train_epochs={args.num_train_epochs:g}) ends before the {run.epochs} epochs of the "
            "search: pass num_train_epochs=run.epochs."
        )
    return math.floor(total / float(args.num_train_epochs) + 1e-9)


def _is_metric(name: str, value: Any) -> bool:
    number = isinstance(value, numbers.Real) or getattr(value, "ndim", None) == 0
    return name.startswith("eval_") and not name.endswith(_CLOCKS) and number
