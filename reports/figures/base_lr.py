"""base_lr against the value: the trials, what the search's model makes of them, and where trials diverge."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...search import SearchResult
from ...search.notes.ending import Response
from ...search.results.response import response
from ..facts.edges import edges
from ..facts.marks import lowest_in_search, recommended, word
from ..facts.tables import finite
from .points import POINTS, Point, Scale, in_right_half, markers, names, point, ring, scale, scatter, select
from .theme import ACCENT, INK, MUTED, WARN, Figure, axis, family_color, layout, log_axis

_WASH = "rgba(26,95,180,0.16)"
FEWEST = 3
"""Fewer points than this are not drawn: the table has them."""


class Wall(NamedTuple):
    """Where trials begin to diverge: the base_lr that separates them best, and how well it does."""

    base_lr: float
    above: int
    diverged_above: int
    below: int
    diverged_below: int


def base_lr_figure(result: SearchResult) -> Figure | None:
    """The figure, diverged trials in a strip of their own at the bad end of the values; None with too few points."""
    points = base_lr_points(result)
    alive = [q for q in points if q.y is not None]
    dead = [q for q in points if q.y is None]
    if len(points) < FEWEST:
        return None
    span, shown = result.space.base_lr, scale(result)
    xs = [float(q.x) for q in points]
    ends = [x for x in (span.low, span.high) if min(xs) / 1.5 <= x <= max(xs) * 1.5]
    xs += ends
    data = [*_ribbon(result), *(markers(n, [q for q in alive if q.family == n], 8, shown) for n in names(alive))]
    data += _rings(result, alive, shown)
    frame = layout(
        300 if alive else 170,
        xaxis=log_axis("base_lr", min(xs), max(xs), 0.06, anchor="y" if alive else "y2"),
        shapes=[*end_lines(ends, _hit(result)), *_wall_line(wall(result))],
        meta={"off": shown.off, "model": any(t["name"] == "model" for t in data)},
    )
    main, strip = ([0.16, 1], [0, 0.13]) if result.maximize else ([0, 0.84], [0.87, 1])
    if alive:
        frame["yaxis"] = {**shown.settings, "domain": main if dead else [0, 1], "fixedrange": True}
    if dead:
        data += [_dead(name, [q for q in dead if q.family == name]) for name in names(dead)]
        label = {"tickvals": [0], "ticktext": ["diverged"], "range": [-1, 1], "fixedrange": True}
        frame["yaxis2"] = axis("", domain=strip if alive else [0, 1], **label)
        frame["xaxis"]["anchor"] = "y2" if result.maximize or not alive else "y"
    return {"data": data, "layout": frame}


def base_lr_points(result: SearchResult) -> tuple[Point, ...]:
    """base_lr against the value: complete trials, and diverged ones without a value."""
    diverged = [t for t in result.trials if t.outcome == "diverged"]
    chosen = [*select(result.ranking), *select(diverged, POINTS // 2)]
    return tuple(
        point(t, t.schedule.base_lr)._replace(y=finite(t) if t.outcome == "complete" else None)
        for t in chosen
        if t.schedule is not None
    )


def wall(result: SearchResult) -> Wall | None:
    """The base_lr above which trials mostly diverge; None if none diverged or none survived."""
    fates = sorted(
        (t.schedule.base_lr, t.outcome == "diverged")
        for t in result.trials
        if t.schedule is not None and t.outcome in ("complete", "pruned", "diverged")
    )
    bad = sum(d for _, d in fates)
    if not 0 < bad < len(fates):
        return None
    # a cut after i trials is wrong for those that diverged below and those that survived above
    below = np.concatenate([[0], np.cumsum([d for _, d in fates])])
    wrong = below + (len(fates) - np.arange(len(fates) + 1)) - (bad - below)
    cut = min(int(np.argmin(wrong)), len(fates) - 1)
    low = fates[cut - 1][0] if cut else fates[0][0]
    base_lr = math.sqrt(low * fates[cut][0])
    return Wall(base_lr, len(fates) - cut, bad - int(below[cut]), cut, int(below[cut]))


def _rings(result: SearchResult, alive: list[Point], shown: Scale) -> list[Figure]:
    """The marks of the recommended trial and of the lowest in the search."""
    best, lowest = recommended(result), lowest_in_search(result)
    rates = [q.x for q in alive]
    rings = []
    for trial, name in ((lowest, word("lowest_in_search", result)), (best, "recommended")):
        if trial is None or (trial is best and name != "recommended"):
            continue
        for q in (q for q in alive if q.trial == trial.number):
            left = in_right_half(q.x, rates, log=True)
            rings.append(ring(q, name, shown, filled=trial is best, left=left))
    return rings


def _ribbon(result: SearchResult) -> list[Figure]:
    """The model's mean for the recommended schedule at other rates, and a standard deviation to both sides."""
    best = recommended(result)
    curve = response(result, best.schedule) if best is not None and best.schedule is not None else None
    if curve is None:
        return []
    band = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": {"width": 0, "color": ACCENT}}
    x = list(curve.base_lr)
    low = {**band, "name": "low", "x": x, "y": _rounded(curve.low)}
    high = {**band, "name": "high", "x": x, "y": _rounded(curve.high), "fill": "tonexty", "fillcolor": _WASH}
    return [low, high, _mean(curve)]


def _mean(curve: Response) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "model",
        "x": list(curve.base_lr),
        "y": _rounded(curve.mean),
        "line": {"color": ACCENT, "width": 2.5},
        "hovertemplate": "model: %{y:.4g} at base_lr %{x:.3g}<extra></extra>",
    }


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [float(f"{v:.5g}") for v in values]


def _dead(family: str, points: list[Point]) -> Figure:
    return {
        **scatter(f"diverged {family}", [q.x for q in points], [((q.trial * 7) % 11 - 5) / 8 for q in points]),
        "yaxis": "y2",
        "customdata": [q.trial for q in points],
        "marker": {"symbol": "x-thin", "size": 8, "line": {"width": 2, "color": family_color(family)}},
        "hovertemplate": f"{family}, trial %{{customdata}} diverged<br>base_lr %{{x:.4g}}<extra></extra>",
    }


def _hit(result: SearchResult) -> float | None:
    return next((e.limit for e in edges(result) if e.parameter == "base_lr"), None)


def end_lines(places: list[float], hit: float | None) -> list[Figure]:
    """Lines at the ends of a range; the one that the recommended trial touches stands out."""
    return [upright(x, WARN if x == hit else MUTED, 2.5 if x == hit else 1, "dot") for x in places]


def upright(x: float, color: str, width: float, dash: str) -> Figure:
    """A line from bottom to top, below the points."""
    place = {"xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "layer": "below"}
    return {"type": "line", **place, "line": {"color": color, "width": width, "dash": dash}}


def _wall_line(wall: Wall | None) -> list[Figure]:
    """The wall; a single diverged trial is none."""
    return [upright(wall.base_lr, INK, 1.5, "dash")] if wall and wall.diverged_above > 1 else []
