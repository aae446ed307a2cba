"""Ways to test whether the winner's mean is lower than the rival's: p-values, one a confirmation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
from scipy.special import stdtr
from scipy.stats import rankdata

from .noises import Array

Test = Callable[[Array, Array], Array]
"""p-values, one a confirmation, of "the winner's mean is not lower than the rival's"."""


def _t(differences: Array) -> Array:
    """p-values of Student's t; 1 where a difference is infinite."""
    bad = np.asarray(~np.isfinite(differences).all(axis=1))
    d = np.where(bad[:, None], np.arange(1.0, differences.shape[1] + 1), differences)
    error = np.asarray(d.std(axis=1, ddof=1) / d.shape[1] ** 0.5)
    mean = d.mean(axis=1)
    t = np.divide(mean, error, out=np.copysign(np.inf, mean), where=error > 1e-12)
    return np.where(bad, 1.0, stdtr(d.shape[1] - 1, t))


@cache
def _signs(seeds: int) -> Array:
    return np.array(list(product((1.0, -1.0), repeat=seeds)))


def flips(d: Array) -> Array:
    """Exact p-values of the sum under all changes of sign."""
    d = np.where(np.isinf(d), np.sign(d) * 1e9, d)
    chunks = np.array_split(d, max(1, len(d) // 2000))
    return np.concatenate([(np.abs(c) @ _signs(d.shape[1]).T <= c.sum(1)[:, None] + 1e-9).mean(1) for c in chunks])


def signed_ranks(d: Array) -> Array:
    return flips(np.sign(d) * rankdata(np.abs(d), axis=1))


def trimmed(d: Array) -> Array:
    """Yuen's t of the mean without the largest and the smallest difference."""
    seeds = d.shape[1]
    if seeds < 5:
        return _t(d)
    inner = np.sort(np.where(np.isinf(d), 1e9, d), axis=1)[:, 1:-1]
    winsorised = np.concatenate([inner[:, :1], inner, inner[:, -1:]], axis=1).std(axis=1, ddof=1)
    error = winsorised * ((seeds - 1) / ((seeds - 2) * (seeds - 3))) ** 0.5
    mean = inner.mean(axis=1)
    t = np.divide(mean, error, out=np.copysign(np.inf, mean), where=error > 1e-12)
    return np.asarray(stdtr(seeds - 3, t))


def clipped(d: Array) -> Array:
    """t of differences that are clipped at 3 robust standard deviations around their median."""
    middle: Array = np.median(d, axis=1, keepdims=True)
    reach: Array = 3 * 1.4826 * np.median(np.abs(d - middle), axis=1, keepdims=True)
    return _t(np.clip(d, middle - reach, middle + reach))


def johnson(d: Array) -> Array:
    """Johnson's t, corrected for the skew that is seen (Johnson, JASA 73, 1978)."""
    seeds = d.shape[1]
    fine = np.where(np.isfinite(d).all(axis=1, keepdims=True), d, np.arange(1.0, seeds + 1))
    mean, spread = fine.mean(axis=1), fine.std(axis=1, ddof=1) + 1e-12
    third = ((fine - mean[:, None]) ** 3).sum(axis=1) * seeds / ((seeds - 1) * (seeds - 2))
    t = (mean + third / (6 * spread**2 * seeds) + third * mean**2 / (3 * spread**4)) / (spread / seeds**0.5)
    return np.where(np.isfinite(d).all(axis=1), stdtr(seeds - 1, t), 1.0)


def logs(winner: Array, rival: Array) -> Array:
    """t of the differences of logarithms; the losses lie 5 units above zero."""
    with np.errstate(invalid="ignore"):
        return _t(np.log(np.maximum(winner + 5, 0.05)) - np.log(np.maximum(rival + 5, 0.05)))


def imagined(winner: Array, rival: Array) -> Array:
    """t with one more pair, imagined: as far behind as the median pair is ahead."""
    d = winner - rival
    return _t(np.concatenate([d, np.abs(np.median(d, axis=1, keepdims=True))], axis=1))


def cautious(winner: Array, rival: Array) -> Array:
    return np.maximum(_t(winner - rival), signed_ranks(winner - rival))


def student(winner: Array, rival: Array) -> Array:
    """The paired t-test."""
    return _t(winner - rival)
