"""The runs on fresh seeds as a figure: what the verdict rests on, seed by seed."""

from __future__ import annotations

import math
from statistics import fmean

from ...search import SearchResult
from .scatter import marker, scatter
from .theme import INK, MUTED, axis, layout
from .winner import Figure, text


def fresh_figure(result: SearchResult) -> Figure | None:
    """Final values on the seeds that judge: a row for the winner and for each baseline, a line for each seed.

    None unless two schedules have been judged. Diverged runs are left out, and the mean of a schedule that has any.
    """
    found = result.confirmation
    if found is None or found.winner is None:
        return None
    judged = {trial: found.judged(trial) for trial in (found.winner, *found.rivals)}
    finite = {trial: {s: v for s, v in values.items() if math.isfinite(v)} for trial, values in judged.items()}
    rows = [trial for trial, values in finite.items() if values]
    if len(rows) < 2:
        return None
    height = {trial: len(rows) - 1 - i for i, trial in enumerate(rows)}
    data: list[Figure] = [_pairs(finite, height), *(_runs(result, t, finite[t], height[t]) for t in rows)]
    return {
        "data": data,
        "layout": layout(
            90 + 80 * len(rows),
            xaxis=axis(text(result.metric), tickformat="~g"),
            yaxis=axis("", showticklabels=False, ticks="", showgrid=False, range=[-0.6, len(rows) - 0.4]),
            annotations=[_name(f"{result.trial(t).baseline or 'searched'} (trial {t})", height[t]) for t in rows],
            margin={"l": 14, "r": 14, "t": 14, "b": 48},
            shapes=[_mean(fmean(finite[t].values()), height[t]) for t in rows if finite[t] == judged[t]],
        ),
    }


def _pairs(values: dict[int, dict[int, float]], height: dict[int, int]) -> Figure:
    """A line for each seed, from row to row."""
    x: list[float | None] = []
    y: list[int | None] = []
    for seed in dict.fromkeys(s for trial in height for s in values[trial]):
        met = [t for t in height if seed in values[t]]
        x += [*(values[t][seed] for t in met), None]
        y += [*(height[t] for t in met), None]
    line = {"color": MUTED, "width": 1}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "opacity": 0.45, "hoverinfo": "skip"}


def _runs(result: SearchResult, trial: int, values: dict[int, float], height: int) -> Figure:
    schedule = result.trial(trial).schedule
    assert schedule is not None
    found = scatter(str(trial), list(values.values()), [height] * len(values))
    hover = f"seed %{{customdata}}<br>{text(result.metric)} %{{x:.4g}}<extra></extra>"
    return {**found, "customdata": list(values), "marker": marker(schedule.family, 10), "hovertemplate": hover}


def _mean(x: float, height: int) -> Figure:
    line = {"color": INK, "width": 3}
    return {"type": "line", "x0": x, "x1": x, "y0": height - 0.22, "y1": height + 0.22, "line": line}


def _name(name: str, height: int) -> Figure:
    """A row's name, on the left above it, below the last one: no lines cross there, and a narrow page has the room."""
    place = {"yanchor": "bottom", "yshift": 14} if height else {"yanchor": "top", "yshift": -14}
    return {
        "text": text(name),
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": height,
        "showarrow": False,
        "font": {"color": INK, "size": 13},
        **place,
    }
