"""The verdict as a figure: on every fresh seed, the searched schedule minus the baseline, with the interval."""

from __future__ import annotations

import math
from typing import NamedTuple

from ...search import Duel, SearchResult
from ..facts.marks import title
from ..facts.tables import num
from .contenders import baseline_scale
from .panel import Axis, Dot, Line, Mark, Panel, Text, span
from .theme import INK, MUTED


class Pairs(NamedTuple):
    """The finalist minus one baseline.

    Attributes:
        name: The baseline's.
        differences: By seed, in `unit`; infinite where one of the two diverged.
        mean: Their mean.
        low: Lower end of the interval for the true difference.
        high: Upper end.
        unit: What they are counted in, e.g. "% of the baseline's val_loss".
    """

    name: str
    differences: dict[int, float]
    mean: float
    low: float
    high: float
    unit: str


def paired_panel(result: SearchResult) -> Panel | None:
    """Differences seed by seed, a row for each baseline; None before the first look at them."""
    found = [p for p in pairs(result) if any(map(math.isfinite, p.differences.values()))]
    if not found:
        return None
    values = [v for p in found for v in (*p.differences.values(), p.low, p.high, 0.0) if math.isfinite(v)]
    lost = sum(math.isinf(v) for p in found for v in p.differences.values())
    x = Axis(*span(values, 0.08))
    marks: list[Mark] = [Line((0.0, 0.0), (0.0, 1.0), INK, 1.5, "2 3", "no difference")]
    for i, row in enumerate(found):
        marks += _row(row, 1 - i / len(found), 1 / len(found), (x.low, x.high))
    better, worse = (
        ("baseline better", "searched better") if result.maximize else ("searched better", "baseline better")
    )
    marks += [Text(x.low, 0, f"← {better}", MUTED, "start", -6), Text(x.high, 0, f"{worse} →", MUTED, "end", -6)]
    said = " ".join(map(_said, found))
    note = f"searched minus {' and '.join(p.name for p in found)}; point: a seed; bar: mean and interval"
    if lost:
        note += f"; cross: {lost} where one of the two diverged"
    title_ = f"Difference on each fresh seed, {found[0].unit}"
    return Panel(title_, f"{title_}. {said}", x, Axis(0.0, 1.0, ticks=()), tuple(marks), note)


def _said(p: Pairs) -> str:
    where = f"mean {num(p.mean)} {p.unit}, interval {num(p.low)} to {num(p.high)}, " if math.isfinite(p.mean) else ""
    return f"Against {p.name}: {where}{len(p.differences)} seeds."


def pairs(result: SearchResult) -> tuple[Pairs, ...]:
    """The paired differences of the finalist and every baseline that it met; all in percent, or all in the metric."""
    found = result.confirmation
    if found is None or found.winner is None or found.word == "open":
        return ()
    duels = [d for d in found.duels if d.seeds]
    scales = [baseline_scale(result, d.rival) for d in duels]
    percent = "acc" not in result.metric.lower() and all(map(math.isfinite, scales))
    return tuple(_pairs(result, d, scale if percent else math.nan) for d, scale in zip(duels, scales, strict=True))


def _pairs(result: SearchResult, duel: Duel, scale: float) -> Pairs:
    assert result.confirmation is not None
    assert result.confirmation.winner is not None
    mine, theirs = (result.confirmation.judged(t) for t in (result.confirmation.winner, duel.rival))
    factor, unit = (100 / scale, f"% of the baseline's {result.metric}")
    if math.isnan(scale):
        factor, unit = (100.0, "points") if "acc" in result.metric.lower() else (1.0, result.metric)
    gaps = {s: factor * (mine[s] - theirs[s]) for s in mine if s in theirs and not math.isnan(mine[s] - theirs[s])}
    low, mean, high = (factor * v for v in (duel.low, duel.difference, duel.high))
    return Pairs(title(result.trial(duel.rival)), gaps, mean, low, high, unit)


def _row(row: Pairs, top: float, height: float, ends: tuple[float, float]) -> list[Mark]:
    """The interval above, the seeds below it in the order of their use; a divergence is a cross at its end."""
    found: list[Mark] = []
    bar = top - 0.24 * height
    if math.isfinite(row.mean):
        hover = f"mean {num(row.mean)}, interval {num(row.low)} to {num(row.high)}"
        if math.isfinite(row.low) and math.isfinite(row.high):
            found.append(Line((row.low, row.high), (bar, bar), INK, 5, hover=hover))
        found.append(Dot(row.mean, bar, INK, "dot", hover, 6))
    step = 0.5 * height / max(1, len(row.differences))
    for i, (seed, gap) in enumerate(row.differences.items()):
        place = top - 0.38 * height - i * step
        if math.isfinite(gap):
            found.append(Dot(gap, place, MUTED, "dot", f"seed {seed}: {num(gap)} {row.unit}", 4))
        else:
            found.append(Dot(ends[gap > 0], place, INK, "wrong", f"seed {seed}: one of the two diverged", 5))
    return found
