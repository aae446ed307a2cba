"""The first trials of a job, seen as those of recorded jobs: which of them it looks like, and what that promises.

Each hypothesis is a recorded job's surface f at a shift of the rates. It says that the new job's values are
a + b f + g, where a and b have normal priors and g is a Gaussian process. The marginal likelihood of what was seen
weighs the hypotheses, and one more, that the job looks like none of them: the study's own surrogate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.special import logsumexp

from .curve_fit import MAX_ROWS, SURE, Fit
from .features import Array, Features
from .gaussian_process import Posterior, log_improvement
from .observations import Seen, observations
from .recorded_jobs import RecordedJobs

NONE = 0.05
"""Probability that a job looks like none of the recorded ones, before anything was seen."""
OFFSET_SD, SLOPE_SD = 1.0, 0.5
"""Prior standard deviations of a, around 0, and of b, around 1."""
REST, NOISE = 0.1, 0.3
"""Variance of g, and of an observation around a + b f + g: jobs that look alike are not the same."""
TEMPER = 0.5
"""Power of the likelihood: what is seen of one trial at several epochs is one piece of evidence rather than four."""
GREEDY = 5
"""With fewer trials the curve with the best mean is tried: what is least known is rarely what is best."""
LITTLE = 1e-3
"""Of trials chosen at once another one should promise this much more, in standard deviations of a job's values."""
MOST, LEAST = 40, math.log(0.01)
"""So many hypotheses are followed at most, and only while their weight is not below this share of the largest."""


class Prior:
    """What recorded jobs say about the curves of a space.

    Args:
        jobs: The recorded ones.
        features: The space's.
        middle: Natural logarithm of the middle of its range of base_lr.
        pool: Features of candidates that are always looked at, ``(m, d)``: their values are kept.

    Attributes:
        pool: As given.
        log_prior: See `RecordedJobs`.
    """

    def __init__(self, jobs: RecordedJobs, features: Features, middle: float, pool: Array) -> None:
        self._jobs, self._features, self._middle, self.pool = jobs, features, middle, pool
        self.log_prior = jobs.log_prior
        self._all = np.arange(len(self.log_prior))
        self._seen: dict[bytes, Array] = {}
        self._at_pool: dict[int, Array] = {}

    def besides(self, known: Sequence[Array]) -> int | None:
        """Which curve of the pool to try beside the known ones ``(d,)`` while nothing is known of how they end.

        The one whose value is expected to lie furthest below theirs, over all hypotheses; at first the best mean. So
        that of several at once some are good for whatever job it may be. None if that is next to nothing.
        """
        weights, f = np.exp(self.log_prior), self.at(self.pool, self._all)
        if not known:
            return int(np.argmin(weights @ f))
        best = self.everywhere(np.stack(known)).min(1)
        gains = weights @ np.maximum(0.0, best[:, None] - f)
        return int(np.argmax(gains)) if gains.max() > LITTLE else None

    def everywhere(self, x: Array) -> Array:
        """What all hypotheses expect at observations ``(n, d)``: ``(hypotheses, n)``; computed once for each."""
        new = [row for row in x if row.tobytes() not in self._seen]
        if new:
            values = self._jobs.at(self._features.logs(np.stack(new)), self._middle, self._all)
            self._seen.update((row.tobytes(), column) for row, column in zip(new, values.T, strict=True))
        return np.stack([self._seen[row.tobytes()] for row in x], axis=1)

    def at(self, x: Array, which: NDArray[np.intp]) -> Array:
        """What some hypotheses expect at candidates ``(m, d)``: ``(len(which), m)``."""
        if x is not self.pool:
            return self._jobs.at(self._features.logs(x), self._middle, which)
        for i in which:
            if i not in self._at_pool:
                self._at_pool[i] = self._jobs.at(self._features.logs(x), self._middle, np.array([i]))[0]
        return np.array([self._at_pool[i] for i in which]).reshape(len(which), len(x))


class Mixture:
    """The hypotheses after some trials, and the study's own surrogate as one more.

    Args:
        prior: The hypotheses.
        fit: The study's own surrogate after the finished trials.
        own: The same with the running ones, and what the next trial has to beat; see `with_pending`.
        finished: Finished trials.
        running: Trials under way: taken for ended as each hypothesis expects.
    """

    def __init__(
        self, prior: Prior, fit: Fit, own: tuple[Posterior, float], finished: Sequence[Seen], running: Sequence[Seen]
    ) -> None:
        self._prior, self._own = prior, own
        self._greedy = not running and len(finished) < GREEDY
        x, z = observations([*finished, *(t for t in running if t.epochs)], MAX_ROWS, fit.warp)
        pending = [t.curve.whole for t in running]
        self._x = np.concatenate([x, np.stack(pending)]) if pending else x
        self._kernel = replace(fit.posterior.kernel, amplitude=REST)
        noise = np.array([NOISE] * len(x) + [SURE] * len(pending))
        self._root = cholesky(self._covariance(self._x) + np.diag(noise), lower=True)
        expected = solve_triangular(self._root, prior.everywhere(self._x).T, lower=True)
        before = expected[: len(x)]
        self._white = solve_triangular(self._root[: len(x), : len(x)], z, lower=True)[:, None] - before
        known = 1 / SLOPE_SD**2 + (before**2).sum(0)
        more = (before * self._white).sum(0) / known
        density = -((self._white**2).sum(0) - known * more**2) / 2 - np.log(SLOPE_SD**2 * known) / 2
        density -= np.log(np.diag(self._root)[: len(x)]).sum()
        weights = TEMPER * density + math.log(1 - NONE) + prior.log_prior
        none = TEMPER * fit.posterior.log_density + math.log(NONE)
        self._which = np.argsort(-weights)[:MOST]
        self._which = self._which[weights[self._which] > max(none, weights.max()) + LEAST]
        total = logsumexp([none, *weights[self._which]])
        self._none, self._weights = none - total, weights[self._which] - total
        self._slope = 1 + more[self._which]
        self._white = (self._white - more * before)[:, self._which]
        self._expected = expected[:, self._which]
        whole = [t.curve.whole for t in finished if t.complete and math.isfinite(t.values[-1])]
        self._best = self._predict(np.stack([*whole, *pending]))[0].min(1)

    @property
    def none(self) -> float:
        """The probability that none of the recorded jobs is like this one."""
        return math.exp(self._none)

    def gains(self, x: Array) -> Array:
        """Logarithm of what the curves ``(m, d)`` promise: at first the mean, then the expected improvement."""
        own, best = self._own
        if self._greedy:
            over = own.predict(x)[0] - best, self._predict(x)[0] - self._best[:, None]
            gains: Array = -(math.exp(self._none) * over[0] + np.exp(self._weights) @ over[1])
            return gains
        mean, sd = self._predict(x)
        promised = log_improvement(mean, sd, self._best[:, None]) + self._weights[:, None]
        mixed: Array = logsumexp([log_improvement(*own.predict(x), best) + self._none, *promised], axis=0)
        return mixed

    def _covariance(self, x: Array) -> Array:
        """Of a + g at the observations and at ``x``."""
        return self._kernel.covariance(self._x, x) + OFFSET_SD**2

    def _predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation by each hypothesis, ``(hypotheses, m)`` each."""
        f = self._prior.at(x, self._which)
        cross = solve_triangular(self._root, self._covariance(x), lower=True)
        mean = self._slope[:, None] * f + self._white.T @ cross[: len(self._white)]
        known = 1 / SLOPE_SD**2 + (self._expected**2).sum(0)
        variance = REST + OFFSET_SD**2 - (cross**2).sum(0) + (f - self._expected.T @ cross) ** 2 / known[:, None]
        return mean, np.sqrt(np.maximum(variance, 1e-12))
