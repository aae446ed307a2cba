"""How much base_lr matters: the surrogate of the search, asked along one schedule's base_lr."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...spaces import Schedule, ScheduleSpace
from ..notes.ending import NotedResponse, Response
from .search import SearchResult

Array = NDArray[np.float64]
MIN_TRIALS = 8
"""Fewer complete trials than this say too little."""
MOST_TRIALS = 100
"""Of more trials the better half of so many and an even spread of the rest: time grows with the cube."""
POINTS = 49
WIDE = 10.0
"""The curve goes this far to both sides of the schedule's own base_lr, and never beyond the rates that were tried."""
CLOSE = 0.05


def response(result: SearchResult, schedule: Schedule) -> Response | None:
    """What the complete and diverged trials say of `schedule` at other values of base_lr, all else being equal.

    The model is the sampler's own: a Gaussian process over features of the curve. None with fewer than `MIN_TRIALS`
    complete trials, or if they all have about the same rate. What was noted of the same schedule and trials is taken.
    """
    if (noted := result.noted_response) and noted.curve.sound and noted == _noted(result, schedule, noted.curve):
        return noted.curve
    trials = _chosen(result)
    tried = [t.base_lr for t, v in trials if math.isfinite(v)]
    if len(tried) < MIN_TRIALS:
        return None
    low, high = max(min(tried), schedule.base_lr / WIDE), min(max(tried), schedule.base_lr * WIDE)
    if high < 1.2 * low:
        return None
    rates = np.geomspace(low, high, POINTS).tolist()
    with threadpool_limits(limits=1, user_api="blas"):  # matrices this small gain nothing from threads
        limit, bounds = _predict(trials, [replace(schedule, base_lr=rate) for rate in rates], result.space)
    return _response(rates, bounds, limit, result.maximize)


def noted_response(result: SearchResult) -> NotedResponse | None:
    """The `response` of the best schedule, to be noted when the search ends; None without one."""
    if not result.ranking or (schedule := result.best.schedule) is None:
        return None
    curve = response(result, schedule)
    return _noted(result, schedule, curve) if curve and curve.sound else None


def _noted(result: SearchResult, schedule: Schedule, curve: Response) -> NotedResponse:
    diverged = sum(t.outcome == "diverged" for t in result.trials)
    return NotedResponse(schedule.to_dict(), len(result.ranking), diverged, curve)


def _predict(
    trials: list[tuple[Schedule, float]], wanted: list[Schedule], space: ScheduleSpace
) -> tuple[float, list[Array]]:
    """The limit, and for the wanted schedules the mean, the mean less and the mean plus a standard deviation."""
    from ..sampling.features import CLIP, Features, warping
    from ..sampling.gaussian_process import Posterior, fit_kernel  # brings SciPy along

    features = Features([t for t, _ in trials], space.counting.every, space.beside)
    y = np.array([v for _, v in trials])
    warp = warping(y)
    x = features.reference
    posterior = Posterior.observe(fit_kernel(x, warp(y)), x, warp(y))
    mean, sd = posterior.predict(features.whole(wanted))
    finite = y[np.isfinite(y)]
    best = float(finite.min())
    limit = best + CLIP * max(float(np.median(finite)) - best, 1e-12)
    # the map is linear below its limit: two of its values give the way back
    zero, one = warp(np.array([best, limit]))
    scale = (limit - best) / max(one - zero, 1e-12)
    return limit, [np.minimum(best + (z - zero) * scale, limit) for z in (mean, mean - sd, mean + sd)]


def _response(rates: list[float], bounds: list[Array], limit: float, maximize: bool) -> Response:
    center = bounds[0]
    at = int(np.argmin(center))
    near = center <= center[at] + CLOSE * abs(center[at])
    first = at - int(np.argmin(near[at::-1])) + 1 if not near[: at + 1].all() else 0
    last = at + int(np.argmin(near[at:])) - 1 if not near[at:].all() else len(rates) - 1
    sign = -1 if maximize else 1
    mean, low, high = (tuple((sign * b).tolist()) for b in bounds)
    if maximize:
        low, high = high, low
    return Response(tuple(rates), mean, low, high, sign * limit, (rates[first], rates[last]))


def _chosen(result: SearchResult) -> list[tuple[Schedule, float]]:
    """Schedules with their values, smaller being better, infinite after a divergence."""
    sign = -1.0 if result.maximize else 1.0
    ranked = [(t.schedule, sign * (t.value or 0.0)) for t in result.ranking if t.schedule is not None]
    if len(ranked) > MOST_TRIALS:
        half = MOST_TRIALS // 2
        rest = np.linspace(half, len(ranked) - 1, half).round().astype(int)
        ranked = [*ranked[:half], *(ranked[i] for i in rest.tolist())]
    diverged = [t.schedule for t in result.trials if t.outcome == "diverged" and t.schedule is not None]
    return [*ranked, *((s, math.inf) for s in diverged[: MOST_TRIALS // 10])]
