"""The training loop over tensors: data on the device, no per-sample Python work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import InputError
from ..spaces import Schedule
from .objective import Measurement
from .optimizer import DescribedOptimizer
from .reacting import lower, reaction_of

EVAL_BATCH = 2048

PerBatch = Callable[[Tensor, Tensor], Tensor]
"""Maps outputs and targets of a batch to a tensor."""


@dataclass(frozen=True)
class Split:
    """Inputs ``(n, ...)`` and labels ``(n,)``."""

    x: Tensor
    y: Tensor

    def to(self, device: str) -> Split:
        """The same split on `device`."""
        return Split(self.x.to(device), self.y.to(device))


@dataclass(frozen=True)
class Splits:
    """Training data, validation data that chooses the winner, and test data that only judges it."""

    train: Split
    val: Split
    test: Split

    def to(self, device: str) -> Splits:
        """The same splits on `device`."""
        return Splits(self.train.to(device), self.val.to(device), self.test.to(device))


def redrawn(data: Splits, seed: int) -> Splits:
    """Training and validation data mixed and parted anew by the seed, in parts of the same sizes; test data stay."""
    x, y = (torch.cat([data.train.x, data.val.x]), torch.cat([data.train.y, data.val.y]))
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)).to(y.device)
    train, val = order[: len(data.train.y)], order[len(data.train.y) :]
    return Splits(Split(x[train], y[train]), Split(x[val], y[val]), data.test)


@dataclass(frozen=True)
class Recipe:
    """Everything of a training run but the schedule and the data.

    Attributes:
        model: Makes the model, after the seed is set.
        optimizer: Makes the optimizer of a model. The schedule sets its rate; groups keep their ratio to it.
        loss: Maps outputs ``(b, ...)`` and targets ``(b, ...)`` to the mean loss of the batch, a scalar.
        batch_size: Samples in a step; an incomplete last batch is dropped.
        metrics: Further validation metrics by name; each gives a value per sample, ``(b,)``, of which the mean counts.
        augment: Maps a batch ``(b, ...)`` to another of the same shape, on the device; None for no augmentation.
        bf16: Autocast the model to bfloat16; the loss is always computed in float32.
    """

    model: Callable[[], nn.Module]
    optimizer: Callable[[nn.Module], Optimizer]
    loss: PerBatch
    batch_size: int
    metrics: Mapping[str, PerBatch] = field(default_factory=dict)
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    bf16: bool = False

    def predict(self, model: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """The outputs of `model` for a batch, under autocast if wanted, in float32 then."""
        if not self.bf16:
            return model(x)
        with torch.autocast(x.device.type, torch.bfloat16):
            outputs = model(x)
        return outputs.float()

    def names(self, split: str = "val") -> list[str]:
        """What `scores` gives, by name: ``val_loss``, ``val_accuracy``, … or the same of another split."""
        return [
            f"{split}_{name.removeprefix('val_')}" if split != "val" else name for name in ("val_loss", *self.metrics)
        ]

    def scores(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Loss and metrics of a batch, each summed over its samples: ``(1 + number of metrics,)``."""
        values = [metric(outputs, y).float() for metric in self.metrics.values()]
        sums = [v.sum() * (len(y) / v.numel()) for v in values]
        return torch.stack([self.loss(outputs, y) * len(y), *sums])

    def steps(self, data: Splits) -> int:
        """Optimizer steps in an epoch; raises `InputError` if there is not a single batch."""
        if steps := len(data.train.y) // self.batch_size:
            return steps
        raise InputError(
            f"a batch of {self.batch_size} exceeds the {len(data.train.y)} training samples: lower --batch-size."
        )


def correct(logits: Tensor, y: Tensor) -> Tensor:
    """Whether the largest of the logits ``(b, classes)`` is that of the label, ``(b,)``; the mean is the accuracy."""
    return logits.argmax(-1) == y


class Stepper(Protocol):
    """Trains a model by its losses, at the rates of a schedule."""

    def step(self, loss: Tensor) -> None:
        """One step of the optimizer, by the gradient of `loss`."""

    def end_epoch(self) -> None:
        """Told after the last step of each epoch."""

    def lower(self, share: float) -> None:
        """Train on with this share of the rate."""


class TorchStepper:
    """The recipe's own optimizer with PyTorch's scheduler."""

    def __init__(self, recipe: Recipe, model: nn.Module, schedule: Schedule, steps: int) -> None:
        self._optimizer = recipe.optimizer(model)
        self._scheduler = schedule.scheduler(self._optimizer, steps)
        self._per_step = schedule.interval == "step"

    def step(self, loss: Tensor) -> None:
        """See `Stepper`."""
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        if self._per_step:
            self._scheduler.step()

    def end_epoch(self) -> None:
        """See `Stepper`."""
        if not self._per_step:
            self._scheduler.step()

    def lower(self, share: float) -> None:
        """See `Stepper`."""
        lower(self._optimizer, share)


def train(
    recipe: Recipe, data: Splits, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
) -> Iterator[Measurement]:
    """Train for `epochs`, yielding after each: ``train_loss`` (mean over the epoch), ``val_loss``, further metrics.

    With `test`, the last epoch gives ``test_loss`` and the like as well, if there are test data.
    """
    torch.manual_seed(seed)
    model = recipe.model().to(device)
    steps = recipe.steps(data)
    order = torch.Generator().manual_seed(seed)
    noise = torch.Generator(device=device).manual_seed(seed)
    reaction = reaction_of(schedule)
    schedule = reaction.plain if reaction else schedule
    lrs = schedule.curve(steps, epochs)
    stepper: Stepper
    if isinstance(recipe.optimizer, DescribedOptimizer) and device == "cpu":
        from .lanes.stepper import LaneStepper

        stepper = LaneStepper(recipe, model, lrs, steps)
    else:
        stepper = TorchStepper(recipe, model, schedule, steps)
    for epoch in range(epochs):
        start = time.perf_counter()
        model.train()
        total = torch.zeros((), device=device)
        for batch in shuffled(len(data.train.y), recipe.batch_size, order).to(device):
            x, y = data.train.x[batch], data.train.y[batch]
            if recipe.augment is not None:
                x = recipe.augment(x, noise)
            loss = recipe.loss(recipe.predict(model, x), y)
            stepper.step(loss)
            total += loss.detach()
        stepper.end_epoch()
        metrics = {"train_loss": total.item() / steps, **evaluate(recipe, model, data.val)}
        if test and epoch == epochs - 1 and len(data.test.y):
            metrics |= zip(recipe.names("test"), evaluate(recipe, model, data.test).values(), strict=True)
        yield Measurement(epoch + 1, metrics, float(lrs[(epoch + 1) * steps - 1]), time.perf_counter() - start)
        if reaction and (share := reaction.see(metrics)) != 1:
            lrs[(epoch + 1) * steps :] *= share
            stepper.lower(share)


def shuffled(samples: int, batch_size: int, order: torch.Generator) -> Tensor:
    """An epoch's batches in random order, sample indices ``(steps, batch_size)``."""
    steps = samples // batch_size
    return torch.randperm(samples, generator=order)[: steps * batch_size].view(steps, batch_size)


@torch.no_grad()
def evaluate(recipe: Recipe, model: nn.Module, data: Split) -> dict[str, float]:
    """``val_loss`` and the recipe's metrics in evaluation mode, means over all samples."""
    model.eval()
    sums = torch.zeros(1 + len(recipe.metrics), device=data.x.device)
    for x, y in zip(data.x.split(EVAL_BATCH), data.y.split(EVAL_BATCH), strict=True):
        sums += recipe.scores(recipe.predict(model, x), y)
    return {n: v / len(data.y) for n, v in zip(recipe.names(), sums.tolist(), strict=True)}
