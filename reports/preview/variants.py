"""Schedules to draw: a family with several values of its parameters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InputError
from ...spaces import Interval, Schedule, get_family

# The values of the figures in the tutorial that lrsearch grew out of: lr 0.1, 150 epochs.
GALLERY: tuple[tuple[str, dict[str, list[Any]]], ...] = (
    ("exp", {"gamma": [0.9, 0.95, 0.98, 0.99]}),
    ("step", {"step_size": [30.0], "gamma": [0.3, 0.5, 0.65, 0.8]}),
    ("cosine", {"T_max": [50.0, 100.0, 150.0], "eta_min": [0.0]}),
    ("linear", {"warmup": [0.0, 5.0, 15.0, 30.0]}),
)
_COMMON: dict[str, list[Any]] = {"base_lr": [0.1], "warmup": [0.0]}
_MORE = ("warmup_start", "warmup_shape")


def variants(
    family: str, values: Mapping[str, Sequence[Any]], *, horizon: float, interval: Interval = "epoch"
) -> dict[str, Schedule]:
    """Every combination of the values, labelled by what differs.

    Args:
        family: Name of the family.
        values: One or more values by parameter name; also ``base_lr`` (0.1 by default), ``warmup``, ``warmup_start``
            and ``warmup_shape``.
        horizon: Epochs to draw.
        interval: Whether the rate changes every step or every epoch.

    Raises:
        InputError: A parameter does not belong to the family, or a value is outside its domain.
    """
    own = [p.name for p in get_family(family).params]
    if strange := [name for name in values if name not in (*own, *_COMMON, *_MORE)]:
        raise InputError(f"{family} has no parameter {strange[0]!r}; it takes {', '.join((*own, *_COMMON, *_MORE))}.")
    given = {**_COMMON, **values}
    varied = [name for name, several in given.items() if len(several) > 1] or list(values)
    schedules = {}
    for combination in itertools.product(*given.values()):
        chosen = dict(zip(given, combination, strict=True))
        label = f"{family} " + ", ".join(f"{n}={_shown(chosen[n])}" for n in varied)
        common = {name: chosen.pop(name) for name in (*_COMMON, *_MORE) if name in chosen}
        schedules[label.strip()] = Schedule(family, horizon=horizon, params=chosen, interval=interval, **common)
    return schedules


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
