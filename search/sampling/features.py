"""A Gaussian process over learning-rate curves: what the loss after some epochs will be, and how sure that is.

The loss after t epochs depends on the rates up to then and on nothing that comes later. So every epoch of every
trial, finished or stopped, is an observation of one function of a curve's beginning, and a final loss is that
function at a whole curve.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import log_ndtr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from ...spaces import Schedule

Array = NDArray[np.float64]

POINTS_PER_EPOCH = 10
SEGMENTS = 8
FLOOR = 1e-5
"""Rates below this share of the space's largest one train nothing, and their logarithm would only be noise."""

CLIP = 2.0
"""See `warping`; 1 was no better, and ranks instead of clipped values were clearly worse."""
LENGTH_SCALE, NOISE = 2.0, 1e-2
"""Prior medians, in standard deviations of the features over random schedules, and of the warped values."""
PRIOR_SD = {"amplitude": 1.0, "length": 0.5, "noise": 1.5}
"""Widths of the log-normal priors."""
MAX_STEPS = 30
"""Steps of the hyperparameters' optimiser: the priors make more of them pointless."""


class Features:
    """What the surrogate sees of a curve's beginning: mean rates of its eighths, integral, last rate, its length.

    All rates as logarithms, each feature in standard deviations over the reference schedules. The eighths are those
    of the beginning itself, so that a beginning is described as a whole curve of that length would be.

    Args:
        reference: Schedules that fix the scale.
    """

    def __init__(self, reference: Sequence[Schedule]) -> None:
        self._top = max(s.base_lr for s in reference)
        self._per_epoch = max(POINTS_PER_EPOCH, math.ceil(2 * SEGMENTS / reference[0].horizon))
        self._center, self._scale = np.zeros(SEGMENTS + 2), np.ones(SEGMENTS + 2)
        whole = self.whole(reference)[:, :-1]
        self._center, self._scale = whole.mean(0), np.maximum(whole.std(0), 1e-3)

    def whole(self, schedules: Sequence[Schedule]) -> Array:
        """The features of whole curves, ``(len(schedules), d)``."""
        return self._of(np.stack([self._rates(s) for s in schedules]), 0.0)

    def after(self, schedule: Schedule, epochs: int) -> Array:
        """The features of the curve's first epochs, ``(d,)``."""
        rates = self._rates(schedule)
        part = rates[: epochs * self._per_epoch]
        features: Array = self._of(part[None], np.log2(len(part) / len(rates)))[0]
        return features

    def _rates(self, schedule: Schedule) -> Array:
        rates: Array = np.maximum(schedule.curve(self._per_epoch), FLOOR * self._top)
        return rates

    def _of(self, rates: Array, length: float) -> Array:
        """Features of rates ``(m, points)``."""
        ends = np.linspace(0, rates.shape[1], SEGMENTS + 1).round().astype(int)
        eighths = np.add.reduceat(rates, ends[:-1], axis=1) / np.diff(ends)
        raw = np.column_stack([eighths, rates.sum(1), rates[:, -1]])
        return np.column_stack([(np.log(raw) - self._center) / self._scale, np.full(len(rates), length)])


def warping(values: Array) -> Callable[[Array], Array]:
    """A monotone map of `values` to zero mean and unit variance, flat beyond `CLIP` times the way from best to median.

    Among hopeless trials it does not matter which is worse, and a few of them would drown all differences among the
    good ones. Infinite values, from divergence, are the worst.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like
    best = finite.min()
    top = best + CLIP * max(np.median(finite) - best, 1e-12)
    clipped = np.minimum(values, top)
    mean, sd = clipped.mean(), max(clipped.std(), 1e-12)
    return lambda y: (np.minimum(y, top) - mean) / sd


def fit_kernel(x: Array, z: Array) -> Any:
    """The kernel ``k1 + white noise`` that suits the observations ``(n, d)``, ``(n,)``: a Matérn 5/2.

    Its hyperparameters are scikit-learn's, under log-normal priors (MAP): a handful of trials says little about a
    dozen length scales.
    """
    d = x.shape[1]
    center = np.log([1.0, *[LENGTH_SCALE] * d, NOISE])
    width = np.array([PRIOR_SD["amplitude"], *[PRIOR_SD["length"]] * d, PRIOR_SD["noise"]])

    def optimise(negative: Any, start: Array, bounds: Array) -> tuple[Array, float]:
        def penalised(theta: Array) -> tuple[float, Array]:
            value, gradient = negative(theta)
            away = (theta - center) / width
            return value + (away**2).sum() / 2, gradient + away / width

        found = minimize(penalised, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": MAX_STEPS})
        return found.x, found.fun

    matern = Matern(np.full(d, LENGTH_SCALE), (1e-2, 1e3), nu=2.5)
    kernel = ConstantKernel(1.0, (1e-3, 1e3)) * matern + WhiteKernel(NOISE, (1e-6, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a noise at its bound is no fault
        return GaussianProcessRegressor(kernel, optimizer=optimise).fit(x, z).kernel_


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process given observations ``x`` ``(n, d)``; made by `observe`, extended by `given`.

    Attributes:
        kernel: From `fit_kernel`.
        x: Where it was observed.
        root: Lower Cholesky factor of the observations' covariance.
        white: The observations as independent standard normals.
    """

    kernel: Any
    x: Array
    root: Array
    white: Array

    @classmethod
    def observe(cls, kernel: Any, x: Array, z: Array) -> Posterior:
        """The process given its first observations."""
        return cls(kernel, x[:0], np.zeros((0, 0)), np.zeros(0)).given(x, z)

    @property
    def noise(self) -> float:
        """Variance of an observation."""
        return float(self.kernel.k2.noise_level)

    def given(self, x: Array, z: Array, noise: float | None = None) -> Posterior:
        """The process given more observations, with the kernel's noise by default; costs the square of those it has."""
        cross = (
            solve_triangular(self.root, self.kernel.k1(self.x, x), lower=True) if len(self.x) else np.zeros((0, len(x)))
        )
        own = self.kernel.k1(x) + (self.noise if noise is None else noise) * np.eye(len(x))
        corner = cholesky(own - cross.T @ cross, lower=True)
        root = np.block([[self.root, np.zeros_like(cross)], [cross.T, corner]])
        white = solve_triangular(corner, z - cross.T @ self.white, lower=True)
        return Posterior(self.kernel, np.concatenate([self.x, x]), root, np.concatenate([self.white, white]))

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at ``x`` ``(m, d)``, without the noise of an observation, ``(m,)`` each."""
        cross = solve_triangular(self.root, self.kernel.k1(self.x, x), lower=True)
        variance = self.kernel.k1.diag(x) - (cross**2).sum(0)
        return cross.T @ self.white, np.sqrt(np.maximum(variance, 1e-12))


def log_improvement(mean: Array, sd: Array, best: float) -> Array:
    """Logarithm of the expected improvement below `best`, accurate far in the tail too.

    The tail is the asymptote of Ament et al. 2023, arXiv:2310.20708.
    """
    z = (best - mean) / sd
    density = -(z**2) / 2 - np.log(2 * np.pi) / 2
    near = np.log(np.maximum(z * np.exp(log_ndtr(z)) + np.exp(density), 1e-300))
    square = np.maximum(z**2, 64.0)
    far = density - np.log(square) + np.log1p(-3 / square)
    found: Array = np.log(sd) + np.where(z > -8, near, far)
    return found
