"""Trials as points in Plotly figures: value against parameters, the wall, families compared."""

from __future__ import annotations

from typing import Any

from ...search import SearchResult
from ..facts.edges import edges
from ..facts.marks import lowest_in_search, recommended
from ..facts.points import ParameterPoints, Point, Wall, base_lr_points, parameters, wall
from ..facts.tables import families, finite
from .theme import INK, MUTED, OUTCOMES, WARN, axis, family_color, family_symbol, layout, log_axis
from .winner import Figure, text

HOVER = "trial %{customdata}<br>%{x:.4g} → %{y:.4g}<extra></extra>"


def value_range(values: list[float], maximize: bool) -> list[float] | None:
    """A range that shows the good half of the trials well: the worst tenth may fall outside."""
    if len(values) < 2:
        return None
    ordered = sorted(values, reverse=maximize)
    best, cut = ordered[0], ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    pad = 0.06 * (abs(cut - best) or abs(best) or 1.0)
    return [min(best, cut) - pad, max(best, cut) + pad]


def parameter_figures(result: SearchResult) -> dict[str, Figure]:
    """Per searched parameter, the value of every complete trial against it; base_lr has a figure of its own."""
    return {p.name: _parameter_figure(p, result) for p in parameters(result) if p.name != "base_lr"}


def _parameter_figure(p: ParameterPoints, result: SearchResult) -> Figure:
    data = [_markers(name, [q for q in p.points if q.family == name], 7) for name in _names(p.points)]
    if p.lowest is not None:
        data.append(_ring(p.lowest, "lowest with this parameter"))
    if p.recommended is not None:
        data.append(_ring(p.recommended, "recommended", filled=True))
    xaxis = axis(text(p.title), type="category") if p.options else _bounded(p)
    values = [q.y for q in p.points if q.y is not None]
    found = layout(
        300,
        xaxis=xaxis,
        yaxis=axis(text(result.metric), range=value_range(values, result.maximize)),
        shapes=[] if p.low is None or p.high is None else _ends(p.low, p.high, p.edge.limit if p.edge else None),
    )
    return {"data": data, "layout": found}


def _bounded(p: ParameterPoints) -> dict[str, Any]:
    assert p.low is not None
    assert p.high is not None
    values = [float(q.x) for q in p.points]
    low, high = min(p.low, *values, p.high), max(p.high, *values, p.low)
    if p.log:
        return log_axis(text(p.title), low, high, 0.05)
    pad = 0.05 * (high - low)
    return axis(text(p.title), range=[low - pad, high + pad])


def _hit(result: SearchResult, name: str) -> float | None:
    return next((e.limit for e in edges(result) if e.parameter == name), None)


def _ends(low: float, high: float, hit: float | None) -> list[Figure]:
    """Lines at both ends of the range; the one the best trial touches stands out."""
    return [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": x,
            "x1": x,
            "y0": 0,
            "y1": 1,
            "layer": "below",
            "line": {"color": WARN if x == hit else MUTED, "width": 2.5 if x == hit else 1, "dash": "dot"},
        }
        for x in (low, high)
    ]


def base_lr_figure(result: SearchResult) -> Figure | None:
    """base_lr against the value, the diverged trials in a strip of their own where they form the wall."""
    points = base_lr_points(result)
    if not points:
        return None
    alive = [q for q in points if q.y is not None]
    dead = [q for q in points if q.y is None]
    data = [_markers(name, [q for q in alive if q.family == name], 8) for name in _names(alive)]
    if alive:
        best = recommended(result)
        lowest = lowest_in_search(result)
        data += [_ring(q, "lowest in the search") for q in alive if lowest is not None and q.trial == lowest.number]
        data += [_ring(q, "recommended", filled=True) for q in alive if best is not None and q.trial == best.number]
    span = result.space.base_lr
    xs = [span.low, span.high, *(float(q.x) for q in points)]
    found = layout(
        420 if alive else 170,
        xaxis=log_axis("base_lr", min(xs), max(xs), 0.06, anchor="y" if alive else "y2"),
        shapes=[*_ends(span.low, span.high, _hit(result, "base_lr")), *_wall_shapes(wall(result))],
    )
    if alive:
        shown = value_range([q.y for q in alive if q.y is not None], result.maximize)
        found["yaxis"] = axis(text(result.metric), domain=[0, 0.84 if dead else 1], range=shown)
    if dead:
        data.append(_dead(dead))
        label = {"tickvals": [0], "ticktext": ["diverged"], "range": [-1, 1], "fixedrange": True}
        found["yaxis2"] = axis("", domain=[0.87 if alive else 0, 1], **label)
    return {"data": data, "layout": found}


def _dead(points: list[Point]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "diverged",
        "x": [q.x for q in points],
        "y": [((q.trial * 7) % 11 - 5) / 8 for q in points],
        "yaxis": "y2",
        "customdata": [q.trial for q in points],
        "marker": {"symbol": "x", "size": 8, "color": OUTCOMES["diverged"]},
        "hovertemplate": "trial %{customdata} diverged<br>base_lr %{x:.4g}<extra></extra>",
    }


def _wall_shapes(found: Wall | None) -> list[Figure]:
    if found is None:
        return []
    line = {"color": WARN, "width": 2, "dash": "dash"}
    x = found.base_lr
    return [{"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line}]


def family_figure(result: SearchResult) -> Figure | None:
    """The values of the complete trials, one row of points per family; None for a single family."""
    rows = [r for r in families(result) if r.best is not None]
    if len(rows) < 2:
        return None
    data = []
    for i, row in enumerate(reversed(rows)):
        mine = [t for t in result.ranking if t.schedule is not None and t.schedule.family == row.family][:400]
        data.append(
            {
                **scatter(row.family, [finite(t) for t in mine], [i + ((t.number * 7) % 11 - 5) / 20 for t in mine]),
                "customdata": [t.number for t in mine],
                "marker": marker(row.family, 8),
                "hovertemplate": f"{row.family}, trial %{{customdata}}<br>%{{x:.4g}}<extra></extra>",
            }
        )
    values = [finite(t) or 0.0 for t in result.ranking]
    names = [r.family for r in reversed(rows)]
    found = layout(
        120 + 46 * len(rows),
        xaxis=axis(text(result.metric), range=value_range(values, result.maximize)),
        yaxis=axis("", tickvals=list(range(len(rows))), ticktext=names, range=[-0.6, len(rows) - 0.4]),
    )
    return {"data": data, "layout": found}


def _names(points: tuple[Point, ...] | list[Point]) -> list[str]:
    return list(dict.fromkeys(q.family for q in points))


def scatter(name: str, x: list[Any], y: list[Any]) -> Figure:
    """A trace of markers."""
    return {"type": "scatter", "mode": "markers", "name": name, "x": x, "y": y}


def marker(family: str, size: int) -> Figure:
    """The marker of a family: its colour and its symbol."""
    return {"symbol": family_symbol(family), "size": size, "color": family_color(family), "opacity": 0.75}


def _markers(family: str, points: list[Point], size: int) -> Figure:
    return {
        **scatter(family, [q.x for q in points], [q.y for q in points]),
        "customdata": [q.trial for q in points],
        "marker": marker(family, size),
        "hovertemplate": f"{family}, {HOVER}",
    }


def _ring(point: Point, name: str, *, filled: bool = False) -> Figure:
    symbol = "circle-open-dot" if filled else "circle-open"
    return {
        **scatter(name, [point.x], [point.y]),
        "customdata": [point.trial],
        "marker": {"symbol": symbol, "size": 17, "color": INK, "line": {"width": 2.5}},
        "hovertemplate": f"{name}, {HOVER}",
    }
