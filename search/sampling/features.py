"""Features of a learning-rate curve, whatever family draws it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...spaces import Choice, Range, Schedule
from ...spaces.beside import features as beside_features

Array = NDArray[np.float64]

POINTS_PER_EPOCH = 10
MOST_POINTS = 2000
"""A curve is drawn at no more points than this, but at one an epoch at least."""
AT_ONCE = 2_000_000
"""Points of so many curves together are held in memory at a time."""
SEGMENTS = 8
FLOOR = 1e-5
"""Rates below this share of the space's largest one train nothing, and their logarithm would only be noise."""

CLIP = 2.0
"""See `warping`; 1 was no better, and ranks instead of clipped values were clearly worse."""
MAX_STEPS = 30
"""Steps of the hyperparameters' optimiser: the priors make more of them pointless."""


class Features:
    """What the surrogate sees of a curve's beginning: mean rates of its eighths, integral, last rate, its length.

    All rates as logarithms, each feature in standard deviations over the reference schedules. The eighths are those
    of the beginning itself, so that a beginning is described as a whole curve of that length would be.

    Args:
        reference: Schedules that fix the scale.
        every: Steps between two reports, of schedules in steps: such a part is what an epoch is to the others.
        beside: Ranges of what is searched beside the schedules: further features.

    Attributes:
        reference: The features of the reference schedules' whole curves, ``(len(reference), d)``.
    """

    def __init__(
        self, reference: Sequence[Schedule], every: int = 1, beside: Mapping[str, Range | Choice] | None = None
    ) -> None:
        self._every, self._ranges = every, beside or {}
        self._top = max(s.base_lr for s in reference)
        self._whole = self._epochs(reference[0])
        self._finest = max(POINTS_PER_EPOCH, math.ceil(2 * SEGMENTS / self._whole))
        self._center, self._scale = np.zeros(SEGMENTS + 2), np.ones(SEGMENTS + 2)
        rows = self._rows(reference)
        whole, lengths = rows[:, :-1], rows[:, -1]
        self._center, self._scale = whole.mean(0), np.maximum(whole.std(0), 1e-3)
        scaled = np.column_stack([(whole - self._center) / self._scale, lengths])
        self.reference: Array = self._beside(scaled, reference)

    def whole(self, schedules: Sequence[Schedule]) -> Array:
        """The features of whole curves, ``(len(schedules), d)``."""
        return self._beside(self._rows(schedules), schedules)

    def after(self, schedule: Schedule, epochs: int) -> Array:
        """The features of the curve's first epochs, ``(d,)``."""
        features: Array = self._beside(self._rows([schedule], min(epochs, self._whole)), [schedule])[0]
        return features

    def logs(self, x: Array) -> Array:
        """Features ``(m, d)`` before scaling, comparable between horizons; without what is beside curves.

        They are natural logarithms of rates; of the integral, too, as a share of the whole horizon; and the length.
        """
        center, scale = self.scaling
        return np.column_stack([x[:, : SEGMENTS + 2] * scale + center, x[:, SEGMENTS + 2]])

    @property
    def scaling(self) -> tuple[Array, Array]:
        """Mean and standard deviation of these logarithms over the reference schedules, ``(d - 1,)`` each."""
        center = self._center.copy()
        center[SEGMENTS] -= math.log(POINTS_PER_EPOCH * self._whole)
        return center, self._scale

    def _beside(self, x: Array, schedules: Sequence[Schedule]) -> Array:
        """The features, and with them what is searched beside the curves."""
        return np.hstack([x, beside_features(self._ranges, [s.beside for s in schedules])]) if self._ranges else x

    def _epochs(self, schedule: Schedule) -> float:
        """Its horizon in epochs, or in reports every so many steps."""
        return schedule.horizon / (self._every if schedule.unit == "step" else 1)

    def _rows(self, schedules: Sequence[Schedule], epochs: float | None = None) -> Array:
        """Features of the first epochs of curves, or of all of them, ``(len(schedules), SEGMENTS + 3)``."""
        length = epochs or self._whole
        density = min(self._finest, math.ceil(MOST_POINTS / length))
        few = max(1, int(AT_ONCE / (length * density)))
        parts = [schedules[i : i + few] for i in range(0, len(schedules), few)]
        return np.vstack([self._of(np.stack([self._rates(s, density, epochs) for s in p]), density) for p in parts])

    def _rates(self, schedule: Schedule, density: int, epochs: float | None) -> Array:
        if schedule.unit == "step":
            schedule = schedule.in_epochs_of(self._every)
        rates: Array = np.maximum(schedule.curve(density, epochs), FLOOR * self._top)
        return rates

    def _of(self, rates: Array, density: int) -> Array:
        """Features of rates ``(m, points)``, so many an epoch."""
        ends = np.linspace(0, rates.shape[1], SEGMENTS + 1).round().astype(int)
        eighths = np.add.reduceat(rates, ends[:-1], axis=1) / np.diff(ends)
        raw = np.column_stack([eighths, rates.sum(1) * (POINTS_PER_EPOCH / density), rates[:, -1]])
        length = math.log2(min(1.0, rates.shape[1] / (density * self._whole)))
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
