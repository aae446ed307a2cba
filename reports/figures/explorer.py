"""The recommended schedule's learning rate above its losses, epoch by epoch, with the others beside it on request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...search import SearchResult
from ..facts.curves import Line, Phase, TrialCurves, curves, drops, phases
from ..facts.marks import recommended
from .theme import MUTED, WINDOW, Figure, axis, family_color, hover_at, layout, log_ticks, text

PHASES = {"warm-up": "warm-up", "decay": "decay", "rise": "back up", "hold": "constant", "steps": "step decay"}


def explorer_figure(result: SearchResult) -> Figure | None:
    """The recommended trial's lr above its losses over one axis; others can be switched on. None without one.

    Traces carry ``meta.group``: "recommended", "train", "top" or "baseline"; the last two start hidden.
    """
    best, shown = recommended(result), curves(result)
    if best is None or best.schedule is None or not shown:
        return None
    parts = phases(best.schedule, best.steps_per_epoch)
    rows = ["learning rate", *(["loss"] if any(c.losses for c in shown) else [])]
    rows += [text(result.metric)] if any(c.score for c in shown) else []
    data = [trace for c in reversed(shown) for trace in _traces(c, rows, result)]
    placed = layout(
        {1: 260, 2: 360}.get(len(rows), 480),
        hovermode="x unified",
        hoversubplots="axis",
        hoverdistance=-1,  # a loss is known once per report: show the nearest one
        meta={},
        xaxis=axis(
            result.counting.unit,
            range=[0, result.horizon],
            anchor=f"y{len(rows) if len(rows) > 1 else ''}",
            unifiedhovertitle={"text": hover_at(result.counting, 2)},
        ),
        shapes=_shading(parts, drops(best.schedule, best.steps_per_epoch)),
        annotations=_phase_names(parts, result.horizon),
    )
    gap = 0.07
    height = (1 - gap * (len(rows) - 1)) / len(rows)
    for i, title in enumerate(rows):
        top = 1 - i * (height + gap)
        key = f"yaxis{i + 1 if i else ''}"
        ticks = _log_ticks(data, key.replace("axis", ""))
        steep = ticks.pop("steep", False) and title == "loss"
        placed[key] = axis(title, fixedrange=True, domain=[max(0.0, top - height), top], **(ticks if steep else {}))
        placed["meta"][key] = ticks  # for the switch between the scales
    return {"data": data, "layout": placed}


def _log_ticks(data: list[Figure], yaxis: str) -> Figure:
    """Settings of an axis on the logarithmic scale, and whether its values fall by so much that it should be."""
    values = [v for t in data if t["yaxis"] == yaxis for v in t["y"] if v is not None and v > 0]
    if not values:
        return {}
    low, high = max(min(values), 1e-4 * max(values)), max(values)
    return {**log_ticks(low, high), "type": "log", "steep": high > 10 * low}


def _traces(c: TrialCurves, rows: list[str], result: SearchResult) -> list[Figure]:
    """A schedule's lines; over the epochs one row of the hover label tells of each but the recommended one."""
    group = {"recommended": "recommended", "baseline": "baseline"}.get(c.role, "top")
    metric, unit = result.metric, result.counting.unit
    quiet = {} if group == "recommended" else {"hoverinfo": "skip", "hovertemplate": None}
    traces = [{**_curve(c, c.lr, "y", group, f"{c.label} lr", unit), **quiet}]
    for line in c.groups:
        dotted = _curve(c, line, "y", group, f"{c.label} {line.name}", unit)
        traces.append({**dotted, "line": {**dotted["line"], "dash": "dot"}, **quiet})
    for line in c.losses:
        train = c.role == "recommended" and "train" in line.name.lower()
        shown = _curve(c, line, "y2", "train" if train else group, f"{c.label} {line.name}", unit)
        traces.append(shown if c.score is None or line.name == metric else {**shown, **quiet})
    if c.score is not None:
        traces.append(_curve(c, c.score, f"y{len(rows)}", group, f"{c.label} {c.score.name}", unit))
    return traces


def _curve(c: TrialCurves, line: Line, yaxis: str, group: str, name: str, unit: str) -> Figure:
    dash = {"train": "dot", "baseline": "dash"}.get(group, "solid")
    few = len(line.x) == 1
    return {
        "type": "scatter",
        "mode": "lines+markers" if few else "lines",
        "name": text(f"{name} ({c.family})"),
        "x": list(line.x),
        "y": [None if v != v or abs(v) == float("inf") else v for v in line.y],
        "yaxis": yaxis,
        "visible": group in ("recommended", "train"),
        "line": {"color": family_color(c.family), "width": 3 if group == "recommended" else 1.8, "dash": dash},
        "opacity": 0.75 if group == "top" else 1,
        "meta": {"group": group, "label": f"{c.label} ({c.family})"},
        **({"hovertemplate": "%{y:.4g}"} if yaxis == "y" else _hover(c, line, unit)),
    }


def _hover(c: TrialCurves, line: Line, unit: str) -> Figure:
    """A row that says the value with the rate at the end of that epoch, or step."""
    rates = np.interp(line.x, c.lr.x, c.lr.y)
    return {
        "text": [f"{rate:.3g}" for rate in rates.tolist()],
        "hovertemplate": f"%{{y:.4g}} after {unit} %{{x}}, lr %{{text}}",
    }


def _shading(parts: Sequence[Phase], jumps: Sequence[float]) -> list[Figure]:
    tall = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    shapes = [
        {**tall, "type": "rect", "x0": p.start, "x1": p.end, "fillcolor": WINDOW, "line": {"width": 0}}
        for p in parts
        if p.kind == "warm-up"
    ]
    edges = [p.end for p in parts[:-1]] + list(jumps[:20])
    line = {"color": MUTED, "width": 1, "dash": "dot"}
    return shapes + [{**tall, "type": "line", "x0": x, "x1": x, "line": line, "opacity": 0.5} for x in edges]


def _phase_names(parts: Sequence[Phase], epochs: float) -> list[Figure]:
    return [
        {
            "text": PHASES[p.kind],
            "x": (p.start + p.end) / 2,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "showarrow": False,
            "font": {"size": 12, "color": MUTED},
        }
        for p in parts
        if (p.end - p.start) >= 0.1 * epochs
    ]
