"""A Gaussian process over learning-rate curves: what the loss after some epochs will be, and how sure that is.

The loss after t epochs depends on the rates up to then and on nothing that comes later. So every epoch of every
trial, finished or stopped, is an observation of one function of a curve's beginning, and a final loss is that
function at a whole curve.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import log_ndtr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from .features import MAX_STEPS, Array

LENGTH_SCALE, NOISE = 2.0, 1e-2
"""Prior medians, in standard deviations of the features over random schedules, and of the warped values."""
PRIOR_SD = {"amplitude": 1.0, "length": 0.5, "noise": 1.5}
"""Widths of the log-normal priors."""


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
