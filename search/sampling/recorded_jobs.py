"""What schedules ended at in other jobs, as surfaces over their curves: a new job may look like one of them.

``benchmarks/learn_prior.py`` makes the file from recorded tables.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .features import Array
from .gaussian_process import Kernel, Posterior

FILE = Path(__file__).with_name("recorded_jobs.npz")
VERSION = 1
"""Of the file's layout and of what the features mean."""
SHIFTS = np.arange(-1.5, 1.51, 0.25)
"""By how many decades a job's rates may lie above another's, where both ranges' middles are the same."""
SHIFT_SD = 0.6
"""Standard deviation of that, in decades: best shifts between recorded jobs are normal with about that width."""
FAR = 4.0
"""Features are clipped at so many standard deviations: beyond, a surface knows nothing."""


@dataclass(frozen=True)
class Surface:
    """A recorded job: what its schedules, and their beginnings, ended at.

    Attributes:
        name: The job's.
        posterior: Over the features, scaled as in its own space; values are warped.
        center: Mean of the features before scaling, ``(d - 1,)``: natural logarithms of rates.
        scale: Their standard deviation, ``(d - 1,)``.
        middle: Natural logarithm of the middle of its range of base_lr.
    """

    name: str
    posterior: Posterior
    center: Array
    scale: Array
    middle: float

    def at(self, logs: Array, middle: float) -> Array:
        """Its values ``(m,)`` at features ``(m, d)`` of a space with another middle, rates as natural logarithms."""
        scaled = (logs[:, :-1] + self.middle - middle - self.center) / self.scale
        return self.posterior.mean(np.column_stack([np.clip(scaled, -FAR, FAR), logs[:, -1]]))


@dataclass(frozen=True)
class RecordedJobs:
    """All surfaces at all shifts of the rates: hypotheses of what a new job looks like."""

    surfaces: tuple[Surface, ...]

    @cached_property
    def hypotheses(self) -> list[tuple[Surface, float]]:
        """Surfaces and shifts in decades."""
        return [(surface, float(shift)) for surface in self.surfaces for shift in SHIFTS]

    @property
    def log_prior(self) -> Array:
        """Logarithm of each hypothesis's probability before anything was seen."""
        plain: Array = np.array([-((shift / SHIFT_SD) ** 2) / 2 for _, shift in self.hypotheses])
        normed: Array = plain - np.log(np.exp(plain).sum())
        return normed

    def at(self, logs: Array, middle: float, which: NDArray[np.intp]) -> Array:
        """Values that some of the hypotheses expect, ``(len(which), m)``; see `Surface.at`."""
        chosen = [self.hypotheses[i] for i in which]
        values = [surface.at(logs, middle - shift * np.log(10)) for surface, shift in chosen]
        return np.array(values).reshape(len(which), len(logs))


@cache
def recorded_jobs(without: Collection[str] = ()) -> RecordedJobs:
    """The shipped surfaces, `without` those of some jobs (a tuple), or none if the file is of another version."""
    with np.load(FILE) as file:
        if int(file["version"]) != VERSION:
            return RecordedJobs(())
        stored = {key: file[key].astype(float) for key in file.files if key not in ("version", "names")}
        names = [str(name) for name in file["names"]]
    surfaces = []
    for i, name in enumerate(names):
        if name not in without:
            amplitude, noise, middle = stored["constants"][i]
            kernel = Kernel(amplitude, stored["lengths"][i], noise)
            posterior = Posterior.observe(kernel, stored["x"][i], stored["z"][i])
            surfaces.append(Surface(name, posterior, stored["center"][i], stored["scale"][i], middle))
    return RecordedJobs(tuple(surfaces))
