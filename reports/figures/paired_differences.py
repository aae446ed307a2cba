"""The verdict as a figure: on every fresh seed, the searched schedule minus the baseline, with the interval."""

from __future__ import annotations

import math

from ...search import SearchResult
from ..facts.comparison import Paired
from ..facts.marks import title
from ..facts.numbers import num
from ..facts.verdict import findings
from .panel import Axis, Dot, Line, Mark, Panel, Text, span
from .theme import INK, MUTED


def paired_panel(result: SearchResult) -> Panel | None:
    """Differences seed by seed, a row for each baseline; None before the first look at them."""
    rows = [p for p, _ in findings(result) if p.runs]
    if not rows:
        return None
    told = not any(math.isnan(p.relative(0.0)) for p in rows)
    x = Axis(*span(_all(rows, told), 0.08))
    names = " and ".join(title(result.trial(p.baseline)) for p in rows)
    unit = f"% of the baseline's {result.metric}" if told and not rows[0].share else "points" if told else result.metric
    marks: list[Mark] = [Line((0.0, 0.0), (0.0, 1.0), INK, 1.5, "2 3", "no difference")]
    for i, p in enumerate(rows):
        marks += _row(p, 1 - i / len(rows), 1 / len(rows), told)
    left, right = ("baseline better", "searched better") if result.maximize else ("searched better", "baseline better")
    marks += [Text(x.low, 0, f"← {left}", MUTED, "start", -6), Text(x.high, 0, f"{right} →", MUTED, "end", -6)]
    diverged = sum(p.seeds - len(p.runs) for p in rows)
    note = f"Searched minus {names}. Point: a seed; bar: mean and interval." + (
        f" {diverged} diverged." if diverged else ""
    )
    heading = f"Difference on each fresh seed, {unit}"
    said = " ".join(f"Against {title(result.trial(p.baseline))}: {p.said()}, {p.seeds} seeds." for p in rows)
    return Panel(heading, f"{heading}. {said}", x, Axis(0.0, 1.0, ticks=()), tuple(marks), note)


def _all(rows: list[Paired], told: bool) -> list[float]:
    """All that is drawn, and zero."""
    values = [_of(p, v, told) for p in rows for v in (*(d for _, d in p.runs), p.low, p.high)]
    return [0.0, *(v for v in values if math.isfinite(v))]


def _of(p: Paired, difference: float, told: bool) -> float:
    return p.relative(difference) if told else difference


def _row(p: Paired, top: float, height: float, told: bool) -> list[Mark]:
    """The interval above, the seeds below it in the order of their use."""
    marks: list[Mark] = []
    bar = top - 0.24 * height
    if math.isfinite(p.difference):
        if math.isfinite(p.low) and math.isfinite(p.high):
            ends = (_of(p, p.low, told), _of(p, p.high, told))
            marks.append(Line(ends, (bar, bar), INK, 5, hover=p.said()))
        marks.append(Dot(_of(p, p.difference, told), bar, INK, "dot", f"mean: {p.amount()}", 6))
    step = 0.5 * height / max(1, len(p.runs))
    for i, (seed, gap) in enumerate(p.runs):
        value = _of(p, gap, told)
        marks.append(Dot(value, top - 0.38 * height - i * step, MUTED, "dot", f"seed {seed}: {num(value)}", 4))
    return marks
