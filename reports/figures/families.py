"""The families compared: a row of points for each, along the value."""

from __future__ import annotations

from ...search import SearchResult
from ..facts.marks import lowest_in_search, recommended, word
from ..facts.tables import families, finite
from .base_lr import FEWEST
from .points import Point, Scale, marker, ring, scale, scatter
from .theme import Figure, axis, layout

ROW = 400
"""Trials drawn of a family at most, the best ones."""


def family_figure(result: SearchResult) -> Figure | None:
    """The values of the complete trials, one row of points per family; None for a single family or too few trials."""
    rows = [r.family for r in families(result) if r.best is not None]
    if len(rows) < 2 or len(result.ranking) < FEWEST:
        return None
    rows.reverse()
    shown = scale(result)
    data = [_row(result, family, i, shown) for i, family in enumerate(rows)]
    placed = layout(
        64 + 38 * len(rows),
        xaxis=shown.settings,
        yaxis=axis("", tickvals=list(range(len(rows))), ticktext=rows, range=[-0.6, len(rows) - 0.4], fixedrange=True),
        meta={"off": shown.off},
    )
    return {"data": data + _rings(result, rows, shown), "layout": placed}


def _row(result: SearchResult, family: str, height: int, shown: Scale) -> Figure:
    mine = [t for t in result.ranking if t.schedule is not None and t.schedule.family == family][:ROW]
    values = [finite(t) or 0.0 for t in mine]
    off = [shown.beyond(v) for v in values]
    sign = "right" if not shown.maximize else "left"
    mark = marker(family, 8)
    if any(off):
        mark["symbol"] = [f"triangle-{sign}" if o else mark["symbol"] for o in off]
    return {
        **scatter(family, [shown.place(v) for v in values], [_height(height, t.number) for t in mine]),
        "customdata": [t.number for t in mine],
        "text": [f"{v:.4g}" for v in values],
        "marker": mark,
        "hovertemplate": f"{family}, trial %{{customdata}}<br>%{{text}}<extra></extra>",
    }


def _rings(result: SearchResult, rows: list[str], shown: Scale) -> list[Figure]:
    """The trials that stand out; the value lies along the page here."""
    best, lowest = recommended(result), lowest_in_search(result)
    rings = []
    for trial, name in ((lowest, word("lowest_in_search", result)), (best, "recommended")):
        if trial is None or trial.schedule is None or (trial is best and name != "recommended"):
            continue
        height = _height(rows.index(trial.schedule.family), trial.number)
        at = Point(trial.number, shown.place(trial.value or 0.0), height, trial.schedule.family, trial.outcome)
        flat = shown._replace(limit=float("inf"), maximize=False)
        mark = ring(at, name, flat, filled=name == "recommended")
        rings.append({**mark, "hovertemplate": f"{name}, trial {trial.number}: %{{x:.4g}}<extra></extra>"})
    return rings


def _height(row: int, trial: int) -> float:
    """A place in the row that keeps points apart."""
    return row + ((trial * 7) % 11 - 5) / 20
