"""Built-in tasks: a descriptor that costs nothing to list, and the objective it builds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import InputError, unknown
from ..options import OPTIMIZERS, TaskOptions
from .optimizer import described_optimizer
from .tensor_task import TensorObjective

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .recipe import Recipe, Splits


@dataclass(frozen=True)
class Task:
    """A built-in training job.

    Attributes:
        name: The word on the command line.
        summary: One line: data, models.
        epochs: Default horizon.
        classes: Number of classes.
        models: Model factories by name, the default first.
        load: Loads the data to the CPU as tensors.
        batch_size: Default samples in a step.
        weight_decay: Default of the optimizer.
        optimizer: Default of `OPTIMIZERS`.
        augment: Batch augmentation on the device, if any.
        independent: See `TensorObjective`.
        revision: Raised by every change of data or training, so that older trials are not mixed with newer ones.
    """

    name: str
    summary: str
    epochs: int
    classes: int
    models: dict[str, Callable[[], nn.Module]]
    load: Callable[[TaskOptions], Splits]
    batch_size: int
    weight_decay: float
    optimizer: str = "sgd"
    augment: Callable[[Tensor, Any], Tensor] | None = None
    independent: bool = True
    revision: int = 1


class TaskObjective(TensorObjective):
    """A `Task` with its options, as an `Objective`; data is loaded once per process and device."""

    def __init__(self, task: Task, options: TaskOptions | None = None) -> None:
        options = options or TaskOptions()
        if options.optimizer and options.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", options.optimizer, OPTIMIZERS)
        if options.model and options.model not in task.models:
            raise unknown(f"{task.name} model", options.model, task.models)
        if options.batch_size < 0 or options.subset < 0:
            raise InputError(f"batch size and subset must be at least 1, got {options.batch_size}, {options.subset}.")
        self.task = task
        self.options = options
        self.model = options.model or next(iter(task.models))
        self.batch_size = options.batch_size or task.batch_size
        self.name = task.name if len(task.models) == 1 else f"{task.name}-{self.model}"
        self.optimizer = options.optimizer or task.optimizer
        self.epochs = task.epochs
        self.start_loss = math.log(task.classes)
        self.independent = task.independent

    def recipe(self) -> Recipe:
        """See `TensorObjective.recipe`."""
        from torch.nn import functional

        from .recipe import Recipe, correct

        return Recipe(
            self.task.models[self.model],
            described_optimizer(self.optimizer, self.task.weight_decay),
            functional.cross_entropy,
            self.batch_size,
            {"val_accuracy": correct},
            self.task.augment,
            self.options.bf16,
        )

    def splits(self, device: str) -> Splits:
        """See `TensorObjective.splits`; raises `DataError` if they are not there."""
        return _load(self.task.load, self.options, device)

    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`."""
        chosen = {"model": self.model, "optimizer": self.optimizer, "batch_size": self.batch_size}
        options = asdict(self.options) | chosen
        del options["data_dir"], options["download"]
        revision = {"task_revision": self.task.revision} if self.task.revision > 1 else {}  # the first was never stored
        return {"objective": self.task.name, **options, **revision}


@lru_cache(maxsize=4)
def _load(load: Callable[[TaskOptions], Splits], options: TaskOptions, device: str) -> Splits:
    return load(options).to(device)
