"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, shifted at random: no download, seconds on a CPU."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...options import TaskOptions
from ..task import Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..recipe import Splits


Array = NDArray[Any]
SIDE = 8
MEAN = 0.3  # of the pixels in [0, 1], about


def images_and_labels() -> tuple[Array, Array]:
    """What ``sklearn.datasets.load_digits(return_X_y=True)`` gives: ``(1797, 64)`` and ``(1797,)``.

    The file is read without importing scikit-learn, which takes as long as a dozen trials.
    """
    spec = find_spec("sklearn")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    if not (file := folder / "datasets" / "data" / "digits.csv.gz").is_file():  # it has moved
        from sklearn.datasets import load_digits

        images_labels: tuple[Array, Array] = load_digits(return_X_y=True)
        return images_labels
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1], table[:, -1].astype(int)


def _load(options: TaskOptions) -> Splits:
    import torch

    from ..data import split, with_test

    images, labels = images_and_labels()
    x = torch.from_numpy(images).float() / 16 - MEAN
    rest, test = split(x, torch.from_numpy(labels).long(), held_out=360)
    return with_test(rest.x, rest.y, test, held_out=360, subset=options.subset)


def shift(x: Tensor, generator: Any) -> Tensor:
    """Move each image of ``(b, 64)`` by up to one pixel in both directions."""
    from ..augment import shifted

    return shifted(x.view(-1, 1, SIDE, SIDE), 1, generator, background=-MEAN).reshape(x.shape)


def _mlp() -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


TASK = Task(
    name="digits",
    summary="8x8 digits of scikit-learn (1,077 training images), random 1-pixel shifts, MLP 64-128-128-10; no download",
    epochs=20,
    classes=10,
    models={"mlp": _mlp},
    load=_load,
    batch_size=64,
    weight_decay=5e-4,
    augment=shift,
    revision=2,
)
