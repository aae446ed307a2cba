"""Longer trainings as a figure: the metric against the horizon, a line for each schedule."""

from __future__ import annotations

import math

from ...search import SearchResult
from ..facts.numbers import num
from ..facts.transfer import LongerRow, longer
from .panel import Axis, Dot, Line, Mark, Panel, span, value_axis
from .theme import INK, MUTED, family_color


def longer_panel(result: SearchResult) -> Panel | None:
    """Means over the seeds at every horizon; thin lines are other values of base_lr. None with a single horizon."""
    followed = longer(result)
    if followed is None or len(followed.horizons) < 2:
        return None
    values = [v for row in followed.rows for v in row.means if math.isfinite(v)]
    if not values:
        return None
    x = Axis(
        *span(followed.horizons, 0.04, log=True),
        log=True,
        unit=result.counting.units,
        ticks=tuple((float(h), str(h)) for h in followed.horizons),
    )
    marks: list[Mark] = []
    for row in followed.rows:
        marks += _line(row, followed.horizons, result)
    ends = "; ".join(f"{_name(row)}: {', '.join(map(num, row.means))}" for row in followed.rows)
    title = f"{result.metric} against the length of the training"
    note = "Solid: searched. Dashed: baselines. Thin: the searched schedule at other values of base_lr."
    return Panel(title, f"{title}. {ends}.", x, value_axis(values, maximize=result.maximize), tuple(marks), note)


def _line(row: LongerRow, horizons: tuple[int, ...], result: SearchResult) -> list[Mark]:
    record = result.trial(row.trial)
    rescaled = row.factor != 1
    color = INK if record.baseline else family_color(record.schedule.family) if record.schedule else MUTED
    line = Line(horizons, row.means, color, 1.0 if rescaled else 2.5, "5 4" if record.baseline else "", _name(row))
    hover = f"{_name(row)}: "
    dots = [
        Dot(h, v, color, "dot", f"{hover}{num(v)} at {result.counting.many(h)}", 2.5 if rescaled else 4)
        for h, v in zip(horizons, row.means, strict=True)
        if math.isfinite(v)
    ]
    return [line, *dots]


def _name(row: LongerRow) -> str:
    return f"{row.name} (trial {row.trial})" + (f" at {num(row.factor)} times its base_lr" if row.factor != 1 else "")
