"""`Recipe`: everything of a training run but the schedule and the data, which is in `Splits`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import InputError

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
