"""The schedules that people use without a search: what a winner has to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...spaces import Schedule, ScheduleSpace
from ..sampling.scale import Scale
from ..sampling.usual_schedule import usual

BASELINES = {"constant": "constant", "linear": "linear to zero", "cosine": "cosine to zero"}
OWN = "your own"
"""The baseline that the user trains with today."""
RATES = 40
"""How many values of base_lr a baseline is tuned over."""
WARMUPS = (0.0, 0.25, 0.5)
"""Lengths of the warm-up that a baseline is tuned over, as places in the searched range."""


FIRST_SHARES = (1.0, 0.5, 2.0)
"""Shares of a probe's rate that are tried first."""


def baselines(space: ScheduleSpace, own: Schedule | None = None) -> dict[str, Schedule]:
    """Each baseline by name: the middle base_lr of the space, no warm-up, the decay over the whole horizon.

    The user's own schedule stays as it is, stretched to the horizon.
    """
    base_lr = float(f"{space.base_lr.middle:.4g}")
    untuned = {title: space.plain(family, base_lr) for family, title in BASELINES.items()}
    return untuned if own is None else {OWN: own.stretched(space.horizon), **untuned}


def first_schedules(space: ScheduleSpace, scale: Scale) -> list[Schedule]:
    """What a search tries first after a probe: the usual schedule at shares of the rate that it found."""
    return list(dict.fromkeys(usual(space, share * scale.base_lr) for share in FIRST_SHARES))


def tuned_baselines(
    space: ScheduleSpace, expected: Callable[[Sequence[Schedule]], NDArray[np.float64] | None]
) -> list[tuple[str, Schedule]]:
    """Each baseline with the base_lr and warm-up that suit it best, and its name; the best baseline first.

    Args:
        space: Where base_lr and warm-up may lie.
        expected: What schedules are expected to end with, smaller is better; None if too little is known.
    """
    tuned = []
    for family, title in BASELINES.items():
        variants = [space.plain(family, rate, length) for length in _warmups(space) for rate in _rates(space)]
        values = expected(variants)
        best = len(variants) // 2 if values is None else int(np.argmin(values))
        tuned.append((0.0 if values is None else values[best], f"{title}, tuned", variants[best]))
    return [(title, schedule) for _, title, schedule in sorted(tuned, key=lambda f: f[0])]


def _rates(space: ScheduleSpace) -> list[float]:
    rates = np.geomspace(space.base_lr.low, space.base_lr.high, RATES)
    return [float(f"{rate:.4g}") for rate in rates]


def _warmups(space: ScheduleSpace) -> list[float]:
    assert space.warmup is not None
    low, high = space.warmup.low, space.warmup.high
    return sorted({space.warmup_near(low + place * (high - low)) for place in WARMUPS})
