"""Noises of a winner's and its rival's loss, the same in the mean; arrays of shape (confirmations, seeds)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], tuple[Array, Array]]
SPIKE = 0.1


def _lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Mean 0, standard deviation 2.16."""
    return np.asarray(np.exp(rng.standard_normal(shape)) - np.exp(0.5))


def _spiked(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """One unit lower in nine runs of ten and nine units higher in the tenth."""
    return np.where(rng.random(shape) < SPIKE, 9.0, -1.0) + rng.standard_normal(shape)


def _diverging(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return np.where(rng.random(shape) < SPIKE, np.inf, rng.standard_normal(shape))


def _by_seed(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    spread = np.exp(0.7 * rng.standard_normal(shape))
    return spread * rng.standard_normal(shape), spread * rng.standard_normal(shape)


NOISES: dict[str, Draw] = {
    "normal": lambda g, n: (g.standard_normal(n), g.standard_normal(n)),
    "t, 3 degrees": lambda g, n: (g.standard_t(3, n) / 3**0.5, g.standard_t(3, n) / 3**0.5),
    "log-normal, both": lambda g, n: (_lognormal(g, n) / 2.16, _lognormal(g, n) / 2.16),
    "spread by seed": _by_seed,
    "accuracies of 100 samples": lambda g, n: (-g.binomial(100, 0.9, n) / 3.0, -g.binomial(100, 0.9, n) / 3.0),
    "winner 5 times noisier": lambda g, n: (5 * g.standard_normal(n), g.standard_normal(n)),
    "winner skewed": lambda g, n: (g.exponential(size=n) - 1, g.standard_normal(n)),
    "winner skewed, 3 times as strong": lambda g, n: (3 * (g.exponential(size=n) - 1), g.standard_normal(n)),
    "winner log-normal": lambda g, n: (_lognormal(g, n), g.standard_normal(n)),
    "both diverge in 1 run of 10": lambda g, n: (_diverging(g, n), _diverging(g, n)),
    "winner spikes in 1 run of 10": lambda g, n: (_spiked(g, n), g.standard_normal(n)),
}
