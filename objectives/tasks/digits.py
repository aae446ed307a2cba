"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels: no download, seconds on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..task import Task, TaskOptions

if TYPE_CHECKING:
    from torch import nn

    from ..training import Splits


def _load(options: TaskOptions) -> Splits:
    import torch
    from sklearn.datasets import load_digits

    from ..data import split, with_test

    images, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(images).float() / 16 - 0.3
    rest, test = split(x, torch.from_numpy(labels).long(), held_out=360)
    return with_test(rest.x, rest.y, test, held_out=360, subset=options.subset)


def _mlp() -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


TASK = Task(
    name="digits",
    summary="8x8 digits of scikit-learn (1,077 training images), MLP 64-128-128-10; no download",
    epochs=20,
    classes=10,
    models={"mlp": _mlp},
    load=_load,
    batch_size=64,
    weight_decay=5e-4,
)
