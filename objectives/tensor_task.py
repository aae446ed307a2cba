"""Objectives over tensors: what the built-in tasks are, and a class for a person's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..spaces import Schedule
from .objective import Measurement
from .optimizer import DescribedOptimizer, TrainedOptimizer, range_name

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from .recipe import PerBatch, Recipe, Splits


class TensorObjective(ABC):
    """An `Objective` made of tensors and a `Recipe`, so that it can train alone or in lanes.

    Attributes:
        name: See `Objective`.
        optimizer: See `Objective`.
        epochs: See `Objective`.
        start_loss: See `Objective`.
        steps_per_epoch: See `Objective`; known once the data were asked for.
        independent: Whether samples have nothing in common, so that training and validation data may be mixed.
        redraws: Whether a run with `test` gets training and validation data of its own, drawn by its seed.
    """

    name: str
    optimizer: str
    epochs: int
    start_loss: float | None = None
    steps_per_epoch: int | None = None
    independent: bool = True
    redraws: bool = False

    @abstractmethod
    def recipe(self) -> Recipe:
        """Everything of a training run but the schedule and the data."""

    @abstractmethod
    def splits(self, device: str) -> Splits:
        """The data on `device`, unchecked."""

    @cached_property
    def trained_optimizer(self) -> TrainedOptimizer:
        """What is told of the recipe's optimizer."""
        recipe = self.recipe()
        made = recipe.optimizer
        return TrainedOptimizer.of(made if isinstance(made, DescribedOptimizer) else made(_untrained(recipe)))

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`."""

    def data(self, device: str = "cpu") -> Splits:
        """The data on `device`; raises `InputError` if they do not fill one batch."""
        splits = self.splits(device)
        self.steps_per_epoch = self.recipe().steps(splits)
        return splits

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        """See `Objective.run`."""
        from .recipe import redrawn
        from .training import train

        data = self.data(device)
        if test and self.redraws:
            data = redrawn(data, seed)
        yield from train(self.recipe(), data, schedule, epochs=epochs, seed=seed, device=device, test=test)

    def redrawing(self) -> TensorObjective:
        """The same, with a validation set drawn anew for each seed of runs with `test`.

        Raises:
            InputError: Its samples overlap, so that mixed data would validate on what was trained on.
        """
        if not self.independent:
            raise InputError(f"--resplit does not suit {self.name}: its samples overlap, training data would validate.")
        twin = copy(self)
        twin.redraws = True
        return twin


class TensorTask(TensorObjective):
    """A person's own training job over tensors.

    Trials can train as lanes of one batched model, if `torch.func.vmap` can express the model. Example::

        objective = TensorTask(
            model=lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)),
            optimizer=lambda model: torch.optim.SGD(model.parameters(), momentum=0.9),
            loss=nn.functional.cross_entropy,
            train=(x, y),
            val=(x_val, y_val),
            batch_size=64,
            metrics={"val_accuracy": lambda logits, y: logits.argmax(-1) == y},
        )

    Args:
        model: Makes the model, after the seed is set.
        optimizer: Makes the optimizer of a model. The schedule sets its rate; groups keep their ratio to it.
        loss: Maps outputs ``(b, ...)`` and targets ``(b, ...)`` to the mean loss of the batch, a scalar.
        train: Inputs ``(n, ...)`` and targets ``(n, ...)``.
        val: The validation data that choose the winner.
        test: Data that only judge the winner, if any.
        batch_size: Samples in a step; an incomplete last batch is dropped.
        metrics: Further validation metrics by name; each gives a value per sample, ``(b,)``, of which the mean counts.
        augment: Maps a batch ``(b, ...)`` and a generator to another batch of the same shape, on the device.
        bf16: Autocast the model to bfloat16.
        epochs: Default horizon.
        name: Shown to people and used for the study's name.
        start_loss: Loss of the untrained model where known; a loss far above it is a divergence.
    """

    def __init__(
        self,
        model: Callable[[], nn.Module],
        optimizer: Callable[[nn.Module], Optimizer],
        loss: PerBatch,
        train: tuple[Tensor, Tensor],
        val: tuple[Tensor, Tensor],
        *,
        test: tuple[Tensor, Tensor] | None = None,
        batch_size: int = 128,
        metrics: Mapping[str, PerBatch] | None = None,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        bf16: bool = False,
        epochs: int = 10,
        name: str = "tensors",
        start_loss: float | None = None,
    ) -> None:
        from .recipe import Recipe, Split, Splits

        self.name, self.epochs, self.start_loss = name, epochs, start_loss
        self._recipe = Recipe(model, optimizer, loss, batch_size, metrics or {}, augment, bf16)
        nothing = val[0][:0], val[1][:0]
        self._splits = {"cpu": Splits(Split(*train), Split(*val), Split(*(test or nothing))).to("cpu")}
        self._facts = _facts(self._recipe)
        self.optimizer = range_name(self._facts["optimizer"])

    def recipe(self) -> Recipe:
        """See `TensorObjective.recipe`."""
        return self._recipe

    def splits(self, device: str) -> Splits:
        """See `TensorObjective.splits`; each device gets the data once per process."""
        if device not in self._splits:
            self._splits[device] = self._splits["cpu"].to(device)
        return self._splits[device]

    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`."""
        samples = {part: len(getattr(self._splits["cpu"], part).y) for part in ("train", "val", "test")}
        shared = {"batch_size": self._recipe.batch_size, "bf16": self._recipe.bf16}
        return {"objective": self.name, **self._facts, **shared, "samples": samples}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_splits": {"cpu": self._splits["cpu"]}}


def _untrained(recipe: Recipe) -> nn.Module:
    """The recipe's model, made without a trace in the random numbers that follow."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return recipe.model()


def _facts(recipe: Recipe) -> dict[str, Any]:
    """What tells a model and its optimizer from others, ready for JSON."""
    model = _untrained(recipe)
    optimizer = recipe.optimizer(model)
    plain = {k: v for k, v in optimizer.defaults.items() if k != "lr" and isinstance(v, (bool, int, float, str))}
    sizes = [list(p.shape) for p in model.parameters()]
    return {"optimizer": type(optimizer).__name__, "options": plain, "parameters": sizes}
