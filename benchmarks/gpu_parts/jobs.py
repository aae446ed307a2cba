"""The training jobs: five models, each with its data, in any precision and with either optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from quality.tasks import text
from torch import Tensor, nn
from torch.nn import functional

from lrsearch.errors import LrsearchError
from lrsearch.objectives import TaskOptions, TensorTask, get_task
from lrsearch.objectives.optimizer import described_optimizer
from lrsearch.objectives.recipe import Recipe, Split, Splits, correct
from lrsearch.objectives.tasks.cifar10 import crop_and_flip

CLASSES = 10
NOISE = 3.0
"""Noise on a generated image, over its class's pattern: enough that schedules differ in what they reach."""


@dataclass(frozen=True)
class Job:
    """A model with its data.

    Attributes:
        name: For tables.
        model: Makes the model.
        train: Training data on the CPU.
        val: Validation data on the CPU.
        batch_size: Samples in a step.
        epochs: Length of a trial of a search.
        optimizer: ``"sgd"`` or ``"adamw"``.
        bf16: Whether the model runs in bfloat16.
        loss: As in `Recipe`.
        augment: As in `Recipe`.
        data: What the data are, in words.
    """

    name: str
    model: Callable[[], nn.Module]
    train: Split
    val: Split
    batch_size: int
    epochs: int
    optimizer: str = "sgd"
    bf16: bool = False
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    data: str = ""

    def objective(self) -> TensorTask:
        """The job for a search."""
        return TensorTask(
            self.model,
            described_optimizer(self.optimizer, 5e-4),
            self.loss,
            (self.train.x, self.train.y),
            (self.val.x, self.val.y),
            batch_size=self.batch_size,
            metrics={"val_accuracy": correct},
            augment=self.augment,
            bf16=self.bf16,
            epochs=self.epochs,
            name=self.name,
        )

    def on(self, device: str) -> tuple[Recipe, Splits]:
        """Recipe and data, the data on `device`."""
        objective = self.objective()
        return objective.recipe(), objective.data(device)

    def cut(self, steps: int) -> Job:
        """The job with epochs of so many steps, or as many as there are, and its share of the validation data."""
        n = min(steps * self.batch_size, len(self.train.y))
        held = max(1, n * len(self.val.y) // len(self.train.y))
        part = replace(self, train=Split(self.train.x[:n], self.train.y[:n]))
        return replace(part, val=Split(self.val.x[:held], self.val.y[:held]))


def digits(quick: bool, data_dir: str) -> Job:
    """The built-in task digits-plain: 1,077 images of 8 x 8 pixels, MLP 64-128-128-10."""
    task = get_task("digits-plain")
    data = task.load(TaskOptions())
    return Job("digits-mlp", task.models["mlp"], data.train, data.val, 64, 4 if quick else 20, data="real")


def fashion(model: str, quick: bool, data_dir: str) -> Job:
    """Fashion-MNIST's MLP or CNN with batch norm, on 10,000 images; on generated ones where the data are not there."""
    samples, task = 320 if quick else 10_000, get_task("fashion-mnist")
    try:
        data, what = task.load(TaskOptions(data_dir=data_dir, subset=samples)), "real"
        train, val = data.train, Split(data.val.x[: samples // 5], data.val.y[: samples // 5])
    except LrsearchError:
        train, val, what = *images((1, 28, 28), samples, samples // 5), "generated"
    return Job(f"fashion-{model}", task.models[model], train, val, 32 if quick else 128, 5, data=what)


def resnet(quick: bool, data_dir: str) -> Job:
    """ResNet-18 with a 3x3 stem on generated images of CIFAR-10's shape, random crop and flip."""
    # with 4 channels oneDNN corrupts the heap on some CPUs in one thread (AMD EPYC, PyTorch 2.13): not with 8
    side, samples, width, batch = (16, 64, 8, 16) if quick else (32, 5_120, 64, 128)
    train, val = images((3, side, side), samples, samples // 5)
    model = partial(ResNet18, width)
    return Job("resnet18", model, train, val, batch, 5, augment=crop_and_flip, data="generated")


def transformer(quick: bool, data_dir: str) -> Job:
    """A one-block transformer on the next character of scikit-learn's descriptions, AdamW."""
    objective = text(data_dir)
    recipe, data = objective.recipe(), objective.data()
    return Job("transformer", recipe.model, data.train, data.val, 16, 8, "adamw", loss=recipe.loss, data="real")


JOBS: dict[str, Callable[[bool, str], Job]] = {
    "digits-mlp": digits,
    "fashion-mlp": partial(fashion, "mlp"),
    "fashion-cnn": partial(fashion, "cnn"),
    "transformer": transformer,
    "resnet18": resnet,
}


def images(shape: tuple[int, ...], train: int, val: int) -> tuple[Split, Split]:
    """Images that a network can tell apart, but not at once: a coarse pattern for each class, shifted, under noise."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.randn(CLASSES, shape[0], 4, 4, generator=g)
    patterns = functional.interpolate(coarse, size=shape[1:], mode="bilinear")

    def make(n: int) -> Split:
        y = torch.randint(CLASSES, (n,), generator=g)
        shifts = torch.randint(shape[-1], (n,), generator=g).tolist()
        x = torch.stack([p.roll(s, -1) for p, s in zip(patterns[y], shifts, strict=True)])
        return Split(x + NOISE * torch.randn(n, *shape, generator=g), y)

    return make(train), make(val)


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016, arXiv:1512.03385) for small images, so that torchvision need not be there.

    Args:
        width: Channels of the first stage; 64 in the paper.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        sizes = [width * 2**stage for stage in range(4)]
        inputs = [width, *sizes[:-1]]
        self.stem = _normed(3, width, 3)
        blocks = [(i, o, 1 if s == 0 else 2) for s, (i, o) in enumerate(zip(inputs, sizes, strict=True))]
        self.blocks = nn.Sequential(*(b for i, o, step in blocks for b in (_Block(i, o, step), _Block(o, o, 1))))
        self.head = nn.Linear(sizes[-1], CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """``(b, 3, h, w)`` to logits ``(b, 10)``."""
        logits: Tensor = self.head(self.blocks(functional.relu(self.stem(x))).mean((-2, -1)))
        return logits


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = _normed(inputs, outputs, 3, stride), _normed(outputs, outputs, 3)
        self.past = nn.Identity() if inputs == outputs else _normed(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(functional.relu(self.first(x))) + self.past(x))


def _normed(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    conv: Any = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))
