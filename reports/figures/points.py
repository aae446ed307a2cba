"""Trials as points: which are drawn, their markers, the marks of those that stand out, and the axis of their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from ...search import SearchResult, TrialRecord
from ..facts.tables import finite
from .theme import INK, Figure, axis, family_color, family_symbol, log_ticks, text

POINTS = 800
"""Trials drawn in a scatter figure at most; the best half of it and an even selection of the rest."""
CLIP = 2.0
"""A value axis ends this many times as far from the best value as the median, but never before the third quartile."""
STEEP = 3.0
"""A value axis is logarithmic if its worst value is more than this many times its best."""
LEAST = 1e-300
"""No logarithmic axis for values as small as this: its end would be 0."""
HOVER = "trial %{customdata}<br>%{x:.4g} → %{y:.4g}<extra></extra>"


class Point(NamedTuple):
    """A trial in a scatter figure; `y` is None for a diverged trial."""

    trial: int
    x: float | str
    y: float | None
    family: str
    outcome: str


class Scale(NamedTuple):
    """The axis of the trials' values.

    Attributes:
        settings: Plotly's, with a range.
        border: A value close to its bad end.
        limit: Values worse than this stand at the border, as triangles.
        off: How many do.
        maximize: Whether larger is better.
    """

    settings: Figure
    border: float
    limit: float
    off: int
    maximize: bool

    def beyond(self, value: float) -> bool:
        """Whether a value is worse than the axis shows."""
        return value < self.limit if self.maximize else value > self.limit

    def place(self, value: float) -> float:
        """Where a value is drawn."""
        return self.border if self.beyond(value) else value


def scale(result: SearchResult, values: Sequence[float] | None = None, **more: Any) -> Scale:
    """The axis for values of the metric, by default those of all complete trials; it shows the good ones well."""
    sign = -1.0 if result.maximize else 1.0
    given = [v for t in result.ranking if (v := finite(t)) is not None] if values is None else list(values)
    ordered = sorted(sign * v for v in given) or [0.0]
    best = ordered[0]
    limit = max(best + CLIP * (median(ordered) - best), ordered[int(0.75 * (len(ordered) - 1))])
    kept = [v for v in ordered if v <= limit]
    log = not result.maximize and best > LEAST and kept[-1] > STEEP * best
    low, high = _ends(best, kept[-1], log=log, one=len(set(ordered)) == 1)
    border = (kept[-1] * high) ** 0.5 if log else (kept[-1] + high) / 2
    shown = [low, high] if sign > 0 else [-high, -low]
    settings = {**log_ticks(low, high), "type": "log", "range": np.log10(shown).tolist()} if log else {"range": shown}
    off = len(ordered) - len(kept)
    return Scale(axis(text(result.metric), **settings, **more), sign * border, sign * limit, off, result.maximize)


def _ends(best: float, worst: float, *, log: bool, one: bool) -> tuple[float, float]:
    """Both ends of an axis on which smaller is better; a single value gets half and twice of it."""
    if one:
        room = 0.5 * abs(best) or 1.0
        return best - room, best + (2 * room if best > 0 else room)
    if log:
        room = (worst / best) ** 0.08
        return best / room, worst * room
    pad = 0.08 * (worst - best) or 0.06 * abs(best) or 1.0
    return best - pad, worst + pad


def select(trials: Sequence[TrialRecord], limit: int = POINTS) -> list[TrialRecord]:
    """`trials` (best first) cut to `limit`: the best half, and an even selection of the others."""
    if len(trials) <= limit:
        return list(trials)
    half = limit // 2
    rest = np.linspace(half, len(trials) - 1, limit - half).round().astype(int)
    return [*trials[:half], *(trials[i] for i in rest.tolist())]


def point(trial: TrialRecord, x: float | str) -> Point:
    """A trial at `x`, its value as `y`."""
    family = trial.schedule.family if trial.schedule else ""
    return Point(trial.number, x, finite(trial), family, trial.outcome)


def names(points: Iterable[Point]) -> list[str]:
    """The families of the points, each once."""
    return list(dict.fromkeys(q.family for q in points))


def scatter(name: str, x: list[Any], y: list[Any]) -> Figure:
    """A trace of markers."""
    return {"type": "scatter", "mode": "markers", "name": name, "x": x, "y": y}


def marker(family: str, size: int, off: Sequence[bool] = (), *, maximize: bool = False) -> Figure:
    """The marker of a family, its colour and its symbol; triangles where a point is off the scale."""
    symbol, end = family_symbol(family), "triangle-down" if maximize else "triangle-up"
    shape: Any = [end if o else symbol for o in off] if any(off) else symbol
    return {"symbol": shape, "size": size, "color": family_color(family), "opacity": 0.85}


def markers(family: str, points: Sequence[Point], size: int, shown: Scale) -> Figure:
    """The trials of a family over the value axis."""
    values = [q.y or 0.0 for q in points]
    return {
        **scatter(family, [q.x for q in points], [shown.place(v) for v in values]),
        "customdata": [q.trial for q in points],
        "text": [f"{v:.4g}" for v in values],
        "marker": marker(family, size, [shown.beyond(v) for v in values], maximize=shown.maximize),
        "hovertemplate": f"{family}, trial %{{customdata}}<br>%{{x:.4g}} → %{{text}}<extra></extra>",
    }


def ring(point: Point, name: str, shown: Scale, *, filled: bool = False, left: bool = False) -> Figure:
    """The mark of a trial that stands out, with its name beside it: open, or with a dot in it if it is recommended."""
    symbol = "circle-open-dot" if filled else "circle-open"
    return {
        **scatter(name, [point.x], [shown.place(point.y or 0.0)]),
        "mode": "markers+text",
        "text": [f"\u2002{name}\u2002"],
        "textposition": f"{'middle' if filled else 'top'} {'left' if left else 'right'}",
        "textfont": {"color": INK, "size": 12},
        "cliponaxis": False,
        "customdata": [point.trial],
        "marker": {"symbol": symbol, "size": 16, "color": INK, "line": {"width": 2.5}},
        "hovertemplate": f"{name}, {HOVER}",
    }


def in_right_half(x: float | str, values: Sequence[float | str], *, log: bool = False) -> bool:
    """Whether a place lies in the right half of all, so that a name beside it goes to the left."""
    if isinstance(x, str):
        return values.index(x) >= len(values) / 2
    known = [float(v) for v in values]
    low, high = min(known), max(known)
    return x > ((low * high) ** 0.5 if log else (low + high) / 2)
