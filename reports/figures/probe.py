"""The probe as a figure: the metric after an epoch against the constant rate."""

from __future__ import annotations

import math

from ...search import SearchResult
from ...search.results.probe import PROBE_EPOCHS, Probe
from ..facts.numbers import num, rate
from .panel import Axis, Band, Dot, Line, Mark, Panel, Text, span, value_axis
from .theme import ACCENT, INK, OUTCOMES, WINDOW


def probe_panel(result: SearchResult) -> Panel | None:
    """Its runs, where they diverged, and where base_lr should lie; None without two that trained."""
    length = result.counting.trained(PROBE_EPOCHS)
    return drawn(result.probe, result.metric, length, maximize=result.maximize) if result.probe else None


def drawn(probe: Probe, metric: str, length: str = "1 epoch", *, maximize: bool) -> Panel | None:
    """The panel of a probe; None without two runs that trained.

    Args:
        probe: The probe.
        metric: What its runs were measured by.
        length: How long each was.
        maximize: Whether larger is better.
    """
    trained = [(r, v) for r, v in probe.points if math.isfinite(v)]
    if len(trained) < 2:
        return None
    rates, values = zip(*trained, strict=True)
    y = value_axis(values, maximize=maximize)
    x = Axis(*span([r for r, _ in probe.points], log=True), log=True)
    marks: list[Mark] = []
    if probe.scale is not None:
        low, high = (min(max(r, x.low), x.high) for r in probe.scale.range)
        marks.append(Band((low, high), (y.low, y.low), (y.high, y.high), WINDOW))
        at = min(max(probe.scale.base_lr, x.low), x.high)
        marks.append(Line((at, at), (y.low, y.high), ACCENT, 1.5, "5 4"))
        marks.append(Text(at, y.high, f" {rate(probe.scale.base_lr)}", ACCENT, "start", 12))
    marks.append(Line(rates, values, INK, 1.5))
    marks += [Dot(r, v, INK, "dot", f"{rate(r)}: {num(v)}", 4) for r, v in trained]
    worst = y.low if maximize else y.high
    lost = [r for r, v in probe.points if not math.isfinite(v)]
    marks += [Dot(r, worst, OUTCOMES["diverged"], "wrong", f"{rate(r)}: diverged", 4) for r in lost]
    ends = ", ".join(f"{num(v)} at {rate(r)}" for r, v in trained)
    note = "Shaded: where the best base_lr should lie." + (" Crosses: training diverged." if lost else "")
    title = f"{metric} after {length} at a constant rate"
    return Panel(title, f"{title}: {ends}.", x, y, tuple(marks), note)
