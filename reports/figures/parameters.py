"""Every searched parameter against the value of the complete trials."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...search import SearchResult
from ...spaces import Choice, Counting, get_family
from ...spaces.beside import MULTIPLIER, PREFIX, optuna_name
from ..facts.edges import Edge, edges
from ..facts.marks import recommended, word
from ..facts.tables import families
from .base_lr import FEWEST, end_lines
from .points import Point, in_right_half, markers, names, point, ring, scale, select
from .theme import Figure, axis, layout, log_axis, text


class ParameterPoints(NamedTuple):
    """One parameter against the value of the complete trials.

    Attributes:
        name: Optuna's name of it.
        title: What its axis says.
        log: Whether its range is logarithmic.
        low: Lower end of its range; None for a choice.
        high: Upper end.
        options: The choices, if it is one.
        points: The trials, best first.
        recommended: The recommended trial's point; None if it does not have the parameter.
        lowest: The point of the trial that is lowest in the search among those that have the parameter.
        lowest_of_all: Whether that one is lowest in the whole search.
        edge: The end of the range that the recommended trial lies at.
        left_out: Weaker trials that are not among the points.
    """

    name: str
    title: str
    log: bool
    low: float | None
    high: float | None
    options: tuple[str, ...]
    points: tuple[Point, ...]
    recommended: Point | None
    lowest: Point | None
    lowest_of_all: bool
    edge: Edge | None
    left_out: int


def parameter_figures(result: SearchResult) -> dict[str, Figure]:
    """Per searched parameter, the value of every complete trial against it; base_lr has a figure of its own."""
    shown = (p for p in parameters(result) if p.name != "base_lr" and len(p.points) >= FEWEST)
    return {p.name: _figure(p, result) for p in shown}


def parameters(result: SearchResult) -> tuple[ParameterPoints, ...]:
    """Every searched parameter against the value, shared ones first, then those of the best family.

    Fixed parameters and those without a complete trial are left out.
    """
    order = {row.family: i for i, row in enumerate(families(result))}
    own = sorted(result.space.ranges, key=lambda n: order.get(n.partition(".")[0], len(order)))
    names = [n for n in ("base_lr", "warmup", *map(optuna_name, result.space.beside), *own) if _varies(result, n)]
    by_name = {e.parameter: e for e in edges(result)}
    rows = (_parameter(result, name, by_name.get(name)) for name in names)
    return tuple(r for r in rows if r.points)


def _varies(result: SearchResult, name: str) -> bool:
    span = result.space.range_of(name)
    return len(span.options) > 1 if isinstance(span, Choice) else span.low < span.high


def _parameter(result: SearchResult, name: str, edge: Edge | None) -> ParameterPoints:
    span = result.space.range_of(name)
    having = [t for t in result.ranking if name in t.params]
    points = tuple(point(t, t.params[name]) for t in select(having))
    best = recommended(result)
    lowest = points[0] if points else None
    options = span.options if isinstance(span, Choice) else ()
    log, low, high = (False, None, None) if isinstance(span, Choice) else (span.log, span.low, span.high)
    return ParameterPoints(
        name,
        _unit(name, result.counting) or name,
        log,
        low,
        high,
        options,
        points,
        point(best, best.params[name]) if best is not None and name in best.params else None,
        lowest,
        lowest is not None and lowest.trial == result.ranking[0].number,
        edge,
        len(having) - len(points),
    )


def _unit(name: str, counting: Counting) -> str:
    """What an axis says about the parameter; empty if it is a plain number."""
    if name in ("base_lr", "warmup"):
        return counting.units if name == "warmup" else ""
    if name.startswith(PREFIX) or MULTIPLIER.fullmatch(name):
        return ""
    family, _, short = name.partition(".")
    units = {"epochs": counting.units, "per epoch": f"factor per {counting.unit}", "lr": "fraction of base_lr"}
    return next((units.get(p.unit, "") for p in get_family(family).params if p.name == short), "")


def _figure(p: ParameterPoints, result: SearchResult) -> Figure:
    shown = scale(result, [q.y for q in p.points if q.y is not None])
    data = [markers(name, [q for q in p.points if q.family == name], 7, shown) for name in names(p.points)]

    def left(q: Point) -> bool:
        return in_right_half(q.x, p.options or [o.x for o in p.points], log=p.log)

    same = p.lowest is not None and p.recommended is not None and p.lowest.trial == p.recommended.trial
    if p.lowest is not None and p.lowest_of_all and not same:
        data.append(ring(p.lowest, word("lowest_in_search", result), shown, left=left(p.lowest)))
    if p.recommended is not None:
        data.append(ring(p.recommended, "recommended", shown, filled=True, left=left(p.recommended)))
    xaxis = axis(text(p.title), type="category") if p.options else _bounded(p)
    ends = [] if p.low is None or p.high is None else [p.low, p.high]
    placed = layout(
        240,
        xaxis=xaxis,
        yaxis={**shown.settings, "fixedrange": True},
        shapes=end_lines(ends, p.edge.limit if p.edge else None),
        meta={"off": shown.off},
    )
    return {"data": data, "layout": placed}


def _bounded(p: ParameterPoints) -> dict[str, Any]:
    assert p.low is not None
    assert p.high is not None
    values = [float(q.x) for q in p.points]
    low, high = min(p.low, *values, p.high), max(p.high, *values, p.low)
    if p.log:
        return log_axis(text(p.title), low, high, 0.05)
    pad = 0.05 * (high - low)
    return axis(text(p.title), range=[low - pad, high + pad])
