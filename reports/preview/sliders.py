"""What a preview's sliders can show: a family's curve for every combination of a few values of each parameter."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ...spaces import Choice, Range, Schedule, default_space, get_family

MOST = 1500
"""Combinations of a family at most: the page holds all their curves."""
POINTS = 121
"""Points of a curve, evenly over the horizon."""
SCALE = 50_000
"""What base_lr is in the stored curves; `IMPOSSIBLE` instead if there is no such schedule."""
IMPOSSIBLE = 65_535
Value = float | str


class Slider(NamedTuple):
    """A parameter, the values that its slider stops at, for people, and where it begins."""

    name: str
    labels: tuple[str, ...]
    start: int


class Sliders(NamedTuple):
    """A family's sliders.

    Attributes:
        sliders: One for each parameter, the last one changing fastest in `curves`.
        curves: Rates in units of base_lr / `SCALE` for every combination, `POINTS` each, as base64 of 16-bit numbers.
    """

    sliders: tuple[Slider, ...]
    curves: str


def sliders(schedules: Sequence[Schedule]) -> Sliders | None:
    """The sliders of the schedules' family, with their own values among the stops; None without a parameter."""
    first = schedules[0]
    asked = {name for s in schedules for name in s.params}
    names = [p.name for p in get_family(first.family).params if not p.opt_in or p.name in asked]
    names += [] if get_family(first.family).rises else ["warmup"]
    given = {name: [_value(s, name) for s in schedules] for name in names}
    stops = _stops(first, given)
    if not names:
        return None
    made = tuple(Slider(n, _labels(first, n, stops[n]), stops[n].index(given[n][0])) for n in names)
    rows = [_curve(first, dict(zip(names, values, strict=True))) for values in itertools.product(*stops.values())]
    raw = np.concatenate(rows).astype("<u2").tobytes()
    return Sliders(made, base64.b64encode(raw).decode("ascii"))


def _stops(first: Schedule, given: dict[str, list[Value]]) -> dict[str, list[Value]]:
    """As many stops for every slider as keep the combinations below `MOST`."""
    for count in range(9, 1, -1):
        by_name = {name: _between(first, name, count, values) for name, values in given.items()}
        if np.prod([len(v) for v in by_name.values()]) <= MOST:
            break
    return by_name


def _between(first: Schedule, name: str, count: int, given: list[Value]) -> list[Value]:
    """Values over the range that a search would look at, and those that were asked for."""
    space = default_space("sgd", first.horizon, (first.family,))
    try:
        span = space.range_of(name if name == "warmup" else f"{first.family}.{name}")
    except KeyError:
        return list(dict.fromkeys(given))
    if isinstance(span, Choice):
        return list(dict.fromkeys([*span.options, *given]))
    unit = first.base_lr if _is_rate(first, name) else 1.0
    spread = [unit * v for v in _spread(span, count)]
    return sorted({*spread, *(float(v) for v in given if not isinstance(v, str))})


def _spread(span: Range, count: int) -> list[float]:
    values = np.geomspace(span.low, span.high, count) if span.log else np.linspace(span.low, span.high, count)
    return [float(f"{v:.3g}") for v in values]


def _curve(first: Schedule, values: dict[str, Value]) -> Any:
    """The curve of one combination, or a row of `IMPOSSIBLE`."""
    params = {name: value for name, value in values.items() if name != "warmup"}
    warmup = float(values.get("warmup", first.warmup))
    steps = max(1, round(4 * POINTS / first.horizon))
    try:
        rates = replace(first, params=params, warmup=warmup, interval="step").curve(steps) / first.base_lr
    except InputError:
        return np.full(POINTS, IMPOSSIBLE)
    at = np.linspace(0, len(rates) - 1, POINTS).round().astype(int)
    return np.clip(rates[at] * SCALE, 0, IMPOSSIBLE - 1).round()


def _value(schedule: Schedule, name: str) -> Value:
    if name == "warmup":
        return schedule.warmup
    param = next(p for p in get_family(schedule.family).params if p.name == name)
    return schedule.params.get(name, param.usual(schedule.horizon))


def _is_rate(schedule: Schedule, name: str) -> bool:
    """Whether the parameter is a rate, which a space holds as a share of base_lr."""
    return any(p.name == name and p.unit == "lr" for p in get_family(schedule.family).params)


def _labels(schedule: Schedule, name: str, values: list[Value]) -> tuple[str, ...]:
    """The values for people; a rate as a share of base_lr, which has a slider of its own."""
    share = _is_rate(schedule, name)
    unit = schedule.base_lr if share else 1.0
    return tuple(
        v if isinstance(v, str) else f"{v / unit:.3g}" + ("\N{MULTIPLICATION SIGN}base_lr" if share and v else "")
        for v in values
    )
