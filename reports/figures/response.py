"""How much base_lr matters: what the search's model expects of the recommended schedule at other rates."""

from __future__ import annotations

import math

from ...search import SearchResult
from ...search.notes.ending import Response
from ...search.results.response import response
from ..facts.marks import lowest_in_search, recommended, word
from ..facts.numbers import num
from ..facts.tables import finite
from .panel import Axis, Band, Dot, Line, Mark, Panel, span
from .theme import ACCENT, INK, MUTED


def response_panel(result: SearchResult) -> Panel | None:
    """The model's mean and ribbon over base_lr, with the trials; None if it knows too little."""
    best = recommended(result)
    curve = response(result, best.schedule) if best is not None and best.schedule is not None else None
    if best is None or curve is None:
        return None
    trials = [(t, t.schedule.base_lr, v) for t in result.ranking if t.schedule and (v := finite(t)) is not None]
    inside = [(t, x, v) for t, x, v in trials if curve.base_lr[0] <= x <= curve.base_lr[-1]]
    sign = -1 if result.maximize else 1
    worst = sign * curve.limit
    shown = [v for _, _, v in inside if sign * v <= worst] + [v for v in (*curve.low, *curve.high) if math.isfinite(v)]
    low, high = span(shown)
    marks: list[Mark] = [
        Band(curve.base_lr, curve.low, curve.high, ACCENT),
        Line(curve.base_lr, curve.mean, ACCENT, 2.5, hover="expected of the recommended schedule at other rates"),
    ]
    off = 0
    for t, rate, v in inside[:200]:
        beyond = sign * v > worst
        off += beyond
        label = f"trial {t.number}, {t.schedule.family if t.schedule else ''}: {num(v)} at base_lr {num(rate)}"
        edge = low if result.maximize else high
        marks.append(Dot(rate, edge if beyond else v, MUTED, "off" if beyond else "dot", label, 3))
    marks += _marked(result)
    x = Axis(*span(curve.base_lr, 0.02, log=True), log=True)
    note = f"{off} worse, not to scale (triangles)" if off else ""
    return Panel(
        f"How much base_lr matters: {result.metric}", _said(curve, result), x, Axis(low, high), tuple(marks), note
    )


def close_range(result: SearchResult) -> str:
    """``0.27 to 0.5``: where the recommended schedule is expected within 5 % of the best; empty if not known."""
    best = recommended(result)
    curve = response(result, best.schedule) if best is not None and best.schedule is not None else None
    return f"{curve.good[0]:.2g} to {curve.good[1]:.2g}" if curve else ""


def _marked(result: SearchResult) -> list[Mark]:
    best, lowest = recommended(result), lowest_in_search(result)
    dots: list[Mark] = []
    for trial, kind, name in ((lowest, "ring", word("lowest_in_search", result)), (best, "target", "recommended")):
        if trial is None or trial.schedule is None or (value := finite(trial)) is None:
            continue
        hover = f"{name}, trial {trial.number}: {num(value)} at base_lr {num(trial.schedule.base_lr)}"
        dots.append(Dot(trial.schedule.base_lr, value, INK, "target" if kind == "target" else "ring", hover, 7))
    return dots


def _said(curve: Response, result: SearchResult) -> str:
    return (
        f"Expected {result.metric} of the recommended schedule against base_lr, with one standard deviation. "
        f"It is within 5 % of the best from {num(curve.good[0])} to {num(curve.good[1])}."
    )
