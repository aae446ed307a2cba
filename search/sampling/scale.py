"""The scale of base_lr that suits a job, read from a few short runs at constant rates: a learning-rate probe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...spaces import ScheduleSpace

A_DECADE, FEWEST_RUNS = 2, 4
"""Runs for each decade of the range: more tell nothing more. Fewer than the least cannot bracket a minimum."""
SHARE = 0.75
"""Share of a full trial's epochs that a probe may cost."""
DECADES = 0.35
"""How far off the best base_lr a probe's rate is (standard deviation of its logarithm to base 10)."""
OFFSET = 0.6
"""The best base_lr of a whole schedule over the best constant rate of an epoch: -.2 decades for SGD and AdamW alike."""
CLIP = 2.0
"""Values are clipped this many times the way from the best to the median."""


@dataclass(frozen=True)
class Scale:
    """Where the best base_lr should lie: a normal distribution of its logarithm.

    Attributes:
        base_lr: Its median.
        decades: Its standard deviation, in decades.
    """

    base_lr: float
    decades: float = DECADES

    def log_density(self, base_lr: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of the density at rates ``(m,)``, up to a constant: 0 at the median."""
        off: NDArray[np.float64] = np.log10(base_lr / self.base_lr) / self.decades
        return -(off**2) / 2

    @property
    def range(self) -> tuple[float, float]:
        """Rates that it holds for likely: two standard deviations to either side."""
        factor = 10 ** (2 * self.decades)
        return self.base_lr / factor, self.base_lr * factor


def probe_rates(space: ScheduleSpace) -> list[float]:
    """Constant rates to probe, rising, an epoch each; none if the horizon is too short for that to pay.

    They stand in the middle of equal parts of the range of base_lr, on its logarithmic scale.
    """
    low, high = math.log10(space.base_lr.low), math.log10(space.base_lr.high)
    runs = min(max(FEWEST_RUNS, round(A_DECADE * (high - low))), int(SHARE * space.counting.reports(space.horizon)))
    if runs < FEWEST_RUNS or low == high:
        return []
    return [float(f"{10 ** (low + (i + 0.5) / runs * (high - low)):.4g}") for i in range(runs)]


def scale_of(rates: Sequence[float], values: Sequence[float]) -> Scale | None:
    """What constant rates ``(n,)``, rising, and their values ``(n,)`` after an epoch say; smaller is better.

    The minimum is that of the parabola, over the logarithm of the rate, through the best value and its neighbours.
    Infinite values are the worst. None if fewer than two values are finite, or all are equal.
    """
    x, y = np.log10(rates), np.asarray(values, float)
    finite = y[np.isfinite(y)]
    if len(finite) < 2 or finite.min() == finite.max():
        return None
    best = float(finite.min())
    y = np.minimum(y, best + CLIP * max(float(np.median(finite)) - best, 1e-12))
    i = int(np.argmin(y))
    place = float(x[i])
    if 0 < i < len(x) - 1:
        left, right = float(y[i - 1] - y[i]), float(y[i + 1] - y[i])
        place += (float(x[i + 1] - x[i - 1]) / 4) * (left - right) / (left + right) if left + right > 0 else 0.0
    return Scale(float(f"{OFFSET * 10**place:.4g}"))
