"""The schedules that people use without a search: what a winner has to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..spaces import Schedule, ScheduleSpace

BASELINES = {"constant": "constant", "linear": "linear to zero", "cosine": "cosine to zero"}
OWN = "your own"
"""The baseline that the user trains with today."""
RATES = 40
"""How many values of base_lr a baseline is tuned over."""
WARMUPS = (0.0, 0.05, 0.1)
"""Lengths of the warm-up that a baseline is tuned over, as shares of the horizon."""


def baselines(space: ScheduleSpace, own: Schedule | None = None) -> dict[str, Schedule]:
    """Each baseline by name: the middle base_lr of the space, no warm-up, the decay over the whole horizon.

    The user's own schedule stays as it is, stretched to the horizon.
    """
    base_lr = float(f"{space.base_lr.middle:.4g}")
    found = {
        title: Schedule(
            family,
            base_lr,
            space.horizon,
            warmup_start=space.warmup_start,
            interval=space.interval,
        )
        for family, title in BASELINES.items()
    }
    return found if own is None else {OWN: own.stretched(space.horizon), **found}


def tuned_baselines(
    space: ScheduleSpace, expected: Callable[[Sequence[Schedule]], NDArray[np.float64] | None]
) -> list[tuple[str, Schedule]]:
    """Each baseline with the base_lr and warm-up that suit it best, and its name; the best baseline first.

    Args:
        space: Where base_lr may lie.
        expected: What schedules are expected to end with, smaller is better; None if too little is known.
    """
    found = []
    for title, plain in baselines(space).items():
        variants = [plain, *_variants(space, plain)]
        values = expected(variants)
        best = 0 if values is None else int(np.argmin(values))
        found.append((0.0 if values is None else values[best], f"{title}, tuned", variants[best]))
    return [(title, schedule) for _, title, schedule in sorted(found, key=lambda f: f[0])]


def _variants(space: ScheduleSpace, plain: Schedule) -> list[Schedule]:
    rates = np.geomspace(space.base_lr.low, space.base_lr.high, RATES)
    lengths = [share * space.horizon for share in WARMUPS]
    if space.interval == "epoch":
        lengths = sorted({float(round(length)) for length in lengths})
    return [
        replace(plain, base_lr=float(f"{rate:.4g}"), warmup=float(f"{length:.4g}"))
        for length in lengths
        for rate in rates
    ]
