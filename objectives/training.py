"""The training loop over tensors: data on the device, no per-sample Python work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from ..spaces import Schedule
from .objective import Measurement
from .optimizer import DescribedOptimizer
from .plateau import lower, reaction_of
from .recipe import Recipe, Split, Splits

EVAL_BATCH = 2048


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
