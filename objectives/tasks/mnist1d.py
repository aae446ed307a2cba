"""MNIST-1D (Greydanus and Kobak 2020, arXiv:2011.14439), generated: no download, seconds on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...options import TaskOptions
from ..task import Task

if TYPE_CHECKING:
    from torch import nn

    from ..recipe import Splits

Array = NDArray[np.float64]

TRAIN, HELD_OUT = 4_000, 2_000
SEED = 0
# The paper's settings: points of a curve while it is made and in the end, points of padding, places that it is moved
# by, widths of the ranges of its scale and slope; standard deviation of the background and the width that smooths it,
# standard deviation of the noise on everything.
CANVAS, POINTS, PADDING, SHIFTS, SCALE, SLOPE = 72, 40, (36, 60), 48, 0.4, 0.75
BACKGROUND, SMOOTHED, NOISE = 0.25, 2.0, 0.02
# The paper's curves of the digits 0 to 9.
CURVES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)


def generate(n: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """`n` standardised curves ``(n, 40)`` and their digits ``(n,)``, as many of each digit, in random order."""
    from scipy.ndimage import gaussian_filter1d

    digits = rng.permutation(np.arange(n) % len(CURVES))
    x, drawn = _drawn(digits, rng.integers(PADDING[0], PADDING[1] + 1, n))
    x *= 1 + SCALE * (rng.random((n, 1)) - 0.5)
    places = (np.arange(CANVAS) - rng.integers(SHIFTS, size=(n, 1))) % CANVAS
    x, drawn = np.take_along_axis(x, places, 1), np.take_along_axis(drawn, places, 1)
    background = gaussian_filter1d(BACKGROUND * rng.standard_normal(x.shape), SMOOTHED, axis=1)
    x = np.where(drawn, x, background) + NOISE * rng.standard_normal(x.shape)
    x -= SLOPE * (rng.random((n, 1)) - 0.5) * np.linspace(-0.5, 0.5, CANVAS)
    x = _between(x, np.broadcast_to(np.linspace(0, CANVAS - 1, POINTS), (n, POINTS)))
    return (x - x.mean()) / x.std(), digits


def _drawn(digits: NDArray[np.int64], padding: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
    """Curves with padding behind, squeezed into ``(n, 72)``, and where each is curve rather than padding."""
    curves = (CURVES - CURVES.mean(1, keepdims=True)) / CURVES.std(1, keepdims=True)
    curves = (curves - curves[:, :1]) / 6
    length = curves.shape[1]
    places = np.linspace(0, 1, CANVAS) * (length - 1 + padding[:, None])
    return _between(curves[digits], np.minimum(places, length - 1)), places < length


def _between(x: Array, places: Array) -> Array:
    """Rows of `x` at places between its points ``(n, m)``, by linear interpolation."""
    left = np.minimum(places.astype(int), x.shape[1] - 2)
    a, b = np.take_along_axis(x, left, 1), np.take_along_axis(x, left + 1, 1)
    between: Array = a + (places - left) * (b - a)
    return between


def _load(options: TaskOptions) -> Splits:
    import torch

    from ..recipe import Split, Splits

    curves, digits = generate(TRAIN + 2 * HELD_OUT, np.random.default_rng(SEED))
    sizes = [TRAIN, HELD_OUT, HELD_OUT]
    x, y = (t.split(sizes) for t in (torch.from_numpy(curves).float().unsqueeze(1), torch.from_numpy(digits)))
    subset = options.subset or TRAIN
    return Splits(Split(x[0][:subset], y[0][:subset]), Split(x[1], y[1]), Split(x[2], y[2]))


def _mlp() -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Flatten(), nn.Linear(POINTS, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def _cnn() -> nn.Module:
    from torch import nn

    def block(inputs: int, kernel: int) -> list[nn.Module]:
        return [nn.Conv1d(inputs, 25, kernel, stride=2, padding=1), nn.ReLU()]

    return nn.Sequential(*block(1, 5), *block(25, 3), *block(25, 3), nn.Flatten(), nn.Linear(125, 10))


TASK = Task(
    name="mnist1d",
    summary="MNIST-1D: 4,000 generated curves of 40 points; --model mlp (40-128-128-10) or cnn (3 conv); no download",
    epochs=15,
    classes=10,
    models={"mlp": _mlp, "cnn": _cnn},
    load=_load,
    batch_size=100,
    weight_decay=5e-4,
)
