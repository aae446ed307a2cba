"""What a search of a space will ask a command to train: which values differ, and examples of its schedules."""

from __future__ import annotations

import numpy as np

from ...spaces import Range, Schedule, ScheduleSpace
from ...spaces.beside import MULTIPLIER, PREFIX


def samples(space: ScheduleSpace) -> list[Schedule]:
    """Schedules of every kind that a search trains, baselines with a warm-up among them."""
    assert space.warmup is not None
    plain = [space.plain(f, space.base_lr.middle, space.warmup.high) for f in ("constant", "linear", "cosine")]
    return [*space.sample(np.random.default_rng(0), 50), *plain]


def varied(space: ScheduleSpace, family: str) -> list[str]:
    """The parameters that a search gives several values."""
    ranges = {name: space.range_of(name) for name in space.names(family) if not _is_beside(name)}
    return [n for n, r in ranges.items() if (r.low < r.high if isinstance(r, Range) else len(r.options) > 1)]


def _is_beside(name: str) -> bool:
    """Whether an Optuna parameter is no part of the schedule."""
    return name.startswith(PREFIX) or bool(MULTIPLIER.fullmatch(name))
