"""The training loop of the built-in tasks: tensors on the device, no per-sample Python work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..spaces import Schedule
from .objective import Measurement

EVAL_BATCH = 2048


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


@dataclass(frozen=True)
class Recipe:
    """Everything of a training run but the schedule.

    Attributes:
        model: Makes the model, after the seed is set.
        optimizer: ``"sgd"`` (momentum 0.9, Nesterov) or ``"adamw"``.
        weight_decay: Of the optimizer.
        batch_size: Samples in a step; an incomplete last batch is dropped.
        augment: Maps a batch ``(b, ...)`` to another of the same shape, on the device; None for no augmentation.
        bf16: Autocast forward passes to bfloat16.
    """

    model: Callable[[], nn.Module]
    optimizer: str
    weight_decay: float
    batch_size: int
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    bf16: bool = False


def make_optimizer(name: str, model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum 0.9, or AdamW."""
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=weight_decay)
    return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)


def train(
    recipe: Recipe, data: Splits, schedule: Schedule, *, epochs: int, seed: int, device: str
) -> Iterator[Measurement]:
    """Train for `epochs`, yielding after each: ``train_loss`` (mean over the epoch), ``val_loss``, ``val_accuracy``."""
    torch.manual_seed(seed)
    model = recipe.model().to(device)
    optimizer = make_optimizer(recipe.optimizer, model, schedule.base_lr, recipe.weight_decay)
    steps = len(data.train.y) // recipe.batch_size
    scheduler = schedule.scheduler(optimizer, steps)
    order = torch.Generator().manual_seed(seed)
    noise = torch.Generator(device=device).manual_seed(seed)
    lrs = schedule.curve(steps, epochs)
    per_step = schedule.interval == "step"
    for epoch in range(epochs):
        start = time.perf_counter()
        model.train()
        total = torch.zeros((), device=device)
        batches = torch.randperm(len(data.train.y), generator=order)[: steps * recipe.batch_size]
        for batch in batches.to(device).view(steps, recipe.batch_size):
            x, y = data.train.x[batch], data.train.y[batch]
            if recipe.augment is not None:
                x = recipe.augment(x, noise)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.bf16):
                loss = functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if per_step:
                scheduler.step()
            total += loss.detach()
        if not per_step:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, data.val, bf16=recipe.bf16)
        metrics = {"train_loss": total.item() / steps, "val_loss": val_loss, "val_accuracy": val_accuracy}
        lr = float(lrs[(epoch + 1) * steps - 1])
        yield Measurement(epoch + 1, metrics, lr, time.perf_counter() - start)


@torch.no_grad()
def evaluate(model: nn.Module, data: Split, *, bf16: bool = False) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in evaluation mode."""
    model.eval()
    loss = torch.zeros((), device=data.x.device)
    right = torch.zeros((), device=data.x.device)
    for start in range(0, len(data.y), EVAL_BATCH):
        x, y = data.x[start : start + EVAL_BATCH], data.y[start : start + EVAL_BATCH]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            logits = model(x)
        loss += functional.cross_entropy(logits.float(), y, reduction="sum")
        right += (logits.argmax(1) == y).sum()
    return loss.item() / len(data.y), right.item() / len(data.y)
