"""The lr curves of all complete trials, coloured by how good they were."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...search import SearchResult
from ..facts.curves import Line, RankedCurves, lr_line, ranked
from ..facts.marks import recommended
from ..facts.numbers import num
from .base_lr import FEWEST
from .theme import RANKS, Figure, axis, family_color, hover_at, layout, log_axis

GAP = np.array([np.nan])


def ranked_figure(result: SearchResult) -> Figure | None:
    """The lr curves of all complete trials, coloured by how good they were; None for a few.

    One SVG trace per colour: at 1,000 thinned curves it zooms in a quarter of a second without a GPU, where WebGL
    took several.
    """
    groups = ranked(result, len(RANKS))
    best = recommended(result)
    if best is None or best.schedule is None or len(result.ranking) < FEWEST:
        return None
    at = hover_at(result.counting)
    data = [_bundle(g, at) for g in reversed(groups)]
    x, y = join([lr_line(best.schedule, best.steps_per_epoch)])
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "recommended",
            "x": x,
            "y": y,
            "line": {"color": family_color(best.schedule.family), "width": 3.5},
            "hovertemplate": f"recommended, trial {best.number}<br>{at}<br>lr %{{y:.3g}}<extra></extra>",
        }
    )
    top_lr = max(max(c.y) for g in groups for c in g.curves)
    low_lr = max(min(min(c.y) for g in groups for c in g.curves), top_lr * 1e-4)
    placed = layout(
        280,
        xaxis=axis(result.counting.unit, range=[0, result.horizon]),
        yaxis=log_axis("learning rate", low_lr, top_lr, fixedrange=True),
    )
    return {"data": data, "layout": placed}


def _bundle(group: RankedCurves, at: str) -> Figure:
    x, y = join(group.curves)
    numbers = np.concatenate([np.full(len(c.x) + 1, n) for n, c in zip(group.trials, group.curves, strict=True)])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{num(group.best)} to {num(group.worst)}",
        "x": x,
        "y": y,
        "customdata": pack(numbers, "i4"),
        "connectgaps": False,
        "line": {"color": RANKS[group.rank], "width": 1.2},
        "hovertemplate": f"trial %{{customdata}}<br>{at}<br>lr %{{y:.3g}}<extra></extra>",
    }


def join(lines: Iterable[Line]) -> tuple[Figure, Figure]:
    """Many lines as the packed x and y of one trace, NaN between them."""
    every = list(lines)
    x = [a for line in every for a in (np.array(line.x), GAP)]
    y = [a for line in every for a in (np.array(line.y), GAP)]
    return pack(np.concatenate(x), "f4"), pack(np.concatenate(y), "f4")


def pack(values: Any, dtype: str) -> Figure:
    """Numbers as Plotly's base64 typed array: a third of the size of text, and quick to read."""
    raw = np.ascontiguousarray(values, dtype=f"<{dtype}").tobytes()
    return {"dtype": dtype, "bdata": base64.b64encode(raw).decode("ascii")}
