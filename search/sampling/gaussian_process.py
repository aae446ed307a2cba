"""A Gaussian process over learning-rate curves: what the loss after some epochs will be, and how sure that is.

The loss after t epochs depends on the rates up to then and on nothing that comes later. So every epoch of every
trial, finished or stopped, is an observation of one function of a curve's beginning, and a final loss is that
function at a whole curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import log_ndtr

from .features import MAX_STEPS, Array

LENGTH_SCALE, NOISE = 2.0, 1e-2
"""Prior medians, in standard deviations of the features over random schedules, and of the warped values."""
PRIOR_SD = {"amplitude": 1.0, "length": 0.5, "noise": 1.5}
"""Widths of the log-normal priors."""
JITTER = 1e-10
"""Added to the noise, so that equal observations do not spoil the factorisation."""


@dataclass(frozen=True)
class Kernel:
    """Covariance of observations: a Matérn 5/2 with a length scale for each feature, and independent noise.

    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equation 4.17.

    Attributes:
        amplitude: Variance of the function.
        lengths: Length scales, ``(d,)``.
        noise: Variance of an observation around the function.
    """

    amplitude: float
    lengths: Array
    noise: float

    def covariance(self, a: Array, b: Array) -> Array:
        """Of the function at ``a`` ``(n, d)`` and at ``b`` ``(m, d)``: ``(n, m)``."""
        r = self.distances(a, b)
        covariances: Array = self.amplitude * (1 + r + r**2 / 3) * np.exp(-r)
        return covariances

    def distances(self, a: Array, b: Array) -> Array:
        """Square root of 5 times the distances in length scales, ``(n, m)``."""
        scaled: Array = math.sqrt(5) * cdist(a / self.lengths, b / self.lengths)
        return scaled


def fit_kernel(x: Array, z: Array) -> Kernel:
    """The kernel that suits the observations ``(n, d)``, ``(n,)`` best.

    Its hyperparameters have log-normal priors (MAP): a handful of trials says little about a dozen length scales.
    """
    d = x.shape[1]
    center = np.log([1.0, *[LENGTH_SCALE] * d, NOISE])
    width = np.array([PRIOR_SD["amplitude"], *[PRIOR_SD["length"]] * d, PRIOR_SD["noise"]])

    def penalised(theta: Array) -> tuple[float, Array]:
        value, gradient = misfit(_kernel(theta), x, z)
        away = (theta - center) / width
        return value + float(away @ away) / 2, gradient + away / width

    bounds = np.log([(1e-3, 1e3), *[(1e-2, 1e3)] * d, (1e-6, 1.0)])
    best = minimize(penalised, center, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": MAX_STEPS})
    return _kernel(best.x)


def _kernel(theta: Array) -> Kernel:
    amplitude, *lengths, noise = np.exp(theta)
    return Kernel(float(amplitude), np.array(lengths), float(noise))


def misfit(kernel: Kernel, x: Array, z: Array) -> tuple[float, Array]:
    """The negative logarithm of the observations' density, and its gradient by the logarithms of the parameters.

    Rasmussen and Williams, equations 5.8 and 5.9. The gradient's order is amplitude, lengths ``(d,)``, noise.
    """
    r = kernel.distances(x, x)
    smooth = kernel.amplitude * np.exp(-r)
    function = smooth * (1 + r + r**2 / 3)
    try:
        root = cholesky(function + (kernel.noise + JITTER) * np.eye(len(x)), lower=True)
    except LinAlgError:
        return math.inf, np.zeros(len(kernel.lengths) + 2)
    weights = cho_solve((root, True), z)
    value = z @ weights / 2 + np.log(np.diag(root)).sum() + len(x) / 2 * math.log(2 * math.pi)
    pull = cho_solve((root, True), np.eye(len(x))) - np.outer(weights, weights)
    by_length = pull * smooth * (1 + r) * 5 / 3
    scaled = x / kernel.lengths
    squares = (scaled**2 * by_length.sum(1)[:, None]).sum(0) - np.einsum(
        "id,ij,jd->d", scaled, by_length, scaled, optimize=True
    )
    return float(value), np.array([(pull * function).sum() / 2, *squares, kernel.noise * np.trace(pull) / 2])


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process given observations ``x`` ``(n, d)``; made by `observe`, extended by `given`.

    Attributes:
        kernel: From `fit_kernel`.
        x: Where it was observed.
        root: Lower Cholesky factor of the observations' covariance.
        white: The observations as independent standard normals.
    """

    kernel: Kernel
    x: Array
    root: Array
    white: Array

    @classmethod
    def observe(cls, kernel: Kernel, x: Array, z: Array) -> Posterior:
        """The process given its first observations."""
        return cls(kernel, x[:0], np.zeros((0, 0)), np.zeros(0)).given(x, z)

    @property
    def noise(self) -> float:
        """Variance of an observation."""
        return self.kernel.noise

    def given(self, x: Array, z: Array, noise: float | None = None) -> Posterior:
        """The process given more observations, with the kernel's noise by default; costs the square of those it has."""
        cross = (
            solve_triangular(self.root, self.kernel.covariance(self.x, x), lower=True)
            if len(self.x)
            else np.zeros((0, len(x)))
        )
        own = self.kernel.covariance(x, x) + (self.noise if noise is None else noise) * np.eye(len(x))
        corner = cholesky(own - cross.T @ cross, lower=True)
        root = np.block([[self.root, np.zeros_like(cross)], [cross.T, corner]])
        white = solve_triangular(corner, z - cross.T @ self.white, lower=True)
        return Posterior(self.kernel, np.concatenate([self.x, x]), root, np.concatenate([self.white, white]))

    @property
    def log_density(self) -> float:
        """Logarithm of the observations' density, but for what depends on their number alone."""
        return -float(self.white @ self.white) / 2 - float(np.log(np.diag(self.root)).sum())

    def mean(self, x: Array) -> Array:
        """The mean at ``x`` ``(m, d)``, for less than `predict` costs, ``(m,)``."""
        mean: Array = self.kernel.covariance(x, self.x) @ self._pull
        return mean

    @cached_property
    def _pull(self) -> Array:
        pull: Array = solve_triangular(self.root, self.white, lower=True, trans="T")
        return pull

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at ``x`` ``(m, d)``, without the noise of an observation, ``(m,)`` each."""
        cross = solve_triangular(self.root, self.kernel.covariance(self.x, x), lower=True)
        variance = self.kernel.amplitude - (cross**2).sum(0)
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
    logarithms: Array = np.log(sd) + np.where(z > -8, near, far)
    return logarithms
