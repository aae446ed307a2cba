"""A `Fit`: the surrogate after some trials, and with the running ones pretended to end as expected."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .features import Array, warping
from .gaussian_process import Kernel, Posterior, fit_kernel
from .observations import Seen, observations

SURE = 1e-4
"""Variance of a pretended end, not 0 for the sake of numerics: with an observation's, equal trials would follow."""
MAX_FIT, MAX_ROWS = 120, 400
"""Observations for fitting hyperparameters, and for predicting: time grows with the square and more of them."""


@dataclass(frozen=True)
class Fit:
    """The surrogate after some finished trials.

    Attributes:
        posterior: Given all they showed.
        warp: Maps values to what the posterior predicts.
        best: The lowest mean at the whole curve of a complete trial: its value without the luck.
        record: The best (warped) value of a complete trial.
    """

    posterior: Posterior
    warp: Callable[[Array], Array]
    best: float
    record: float


def kernel_of(finished: Sequence[Seen]) -> Kernel:
    """The kernel fitted to what these trials showed."""
    x, y = observations(finished, MAX_FIT)
    return fit_kernel(x, warping(y)(y))


def fit_to(finished: Sequence[Seen], kernel: Kernel) -> Fit:
    """The surrogate with this kernel after these trials; at least one of them is complete and has not diverged."""
    x, y = observations(finished, MAX_ROWS)
    warp = warping(y)
    posterior = Posterior.observe(kernel, x, warp(y))
    complete = best_of([t for t in finished if t.complete])
    best = float(posterior.predict(np.stack([t.curve.whole for t in complete]))[0].min())
    record = complete[0].values[-1]
    return Fit(posterior, warp, best, float(warp(np.array(record))))


def with_pending(fit: Fit, running: Sequence[Seen]) -> tuple[Posterior, float]:
    """Take in what running trials have shown, and pretend that each ends as expected.

    Returns:
        The posterior, and what the next trial has to beat: the pretended ends, too.
    """
    posterior, best = fit.posterior, fit.best
    if shown := [t for t in running if t.epochs]:
        posterior = posterior.given(*observations(shown, MAX_ROWS, fit.warp))
    if running:
        whole = np.stack([t.curve.whole for t in running])
        ends = posterior.predict(whole)[0]
        posterior, best = posterior.given(whole, ends, SURE), min(best, float(ends.min()))
    return posterior, best


def best_of(trials: Sequence[Seen]) -> list[Seen]:
    """The trials with the lowest last values, `MAX_ROWS` at most: none of the others matters any more."""
    return heapq.nsmallest(MAX_ROWS, trials, key=lambda t: t.values[-1])


def milestone(trials: int) -> int:
    """The largest of 2, 3, 4, 5, 6, 8, 10, 12, 15, ... (each a fifth more) that is not above `trials`."""
    reached = 2
    while (following := max(reached + 1, int(1.2 * reached))) <= trials:
        reached = following
    return reached
