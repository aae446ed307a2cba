"""The curves as Plotly figures: plain dictionaries of Plotly's own JSON, made from the tables."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...search import SearchResult
from ..facts.curves import Line, Phase, RankedCurves, TrialCurves, curves, drops, lr_line, phases, ranked
from ..facts.marks import recommended
from ..facts.tables import num
from .theme import MUTED, RANKS, WINDOW, axis, family_color, layout, log_axis, log_ticks

Figure = dict[str, Any]
PHASES = {"warm-up": "warm-up", "decay": "decay", "rise": "rising again", "hold": "constant", "steps": "step decay"}
GAP = np.array([np.nan])


def winner_figure(result: SearchResult) -> Figure | None:
    """The best trial's lr above its losses over one epoch axis; others can be switched on. None without a winner.

    Traces carry ``meta.group``: "winner", "train", "top" or "baseline"; the last two start hidden.
    """
    best, shown = recommended(result), curves(result)
    if best is None or best.schedule is None or not shown:
        return None
    parts = phases(best.schedule, best.steps_per_epoch)
    rows = ["learning rate", *(["loss"] if any(c.losses for c in shown) else [])]
    rows += [text(result.metric)] if any(c.score for c in shown) else []
    data = [trace for c in reversed(shown) for trace in _traces(c, rows)]
    found = layout(
        {1: 320, 2: 540}.get(len(rows), 700),
        hovermode="x unified",
        hoversubplots="axis",
        hoverdistance=-1,  # a loss is known once per epoch: show the nearest one
        meta={},
        xaxis=axis(
            "epoch",
            range=[0, result.epochs],
            anchor=f"y{len(rows) if len(rows) > 1 else ''}",
            unifiedhovertitle={"text": "epoch %{x:.2f}"},
        ),
        shapes=_shading(parts, drops(best.schedule, best.steps_per_epoch)),
        annotations=_phase_names(parts, result.epochs),
    )
    gap = 0.07
    height = (1 - gap * (len(rows) - 1)) / len(rows)
    for i, title in enumerate(rows):
        top = 1 - i * (height + gap)
        key = f"yaxis{i + 1 if i else ''}"
        ticks = _log_ticks(data, key.replace("axis", ""))
        steep = ticks.pop("steep", False) and title == "loss"
        found[key] = axis(title, domain=[max(0.0, top - height), top], **(ticks if steep else {}))
        found["meta"][key] = ticks  # for the switch between the scales
    return {"data": data, "layout": found}


def _log_ticks(data: list[Figure], yaxis: str) -> Figure:
    """Settings of an axis on the logarithmic scale, and whether its values fall by so much that it should be."""
    values = [v for t in data if t["yaxis"] == yaxis for v in t["y"] if v is not None and v > 0]
    if not values:
        return {}
    low, high = max(min(values), 1e-4 * max(values)), max(values)
    return {**log_ticks(low, high), "type": "log", "steep": high > 10 * low}


def _traces(c: TrialCurves, rows: list[str]) -> list[Figure]:
    group = {"recommended": "winner", "baseline": "baseline"}.get(c.role, "top")
    found = [_curve(c, c.lr, "y", group, f"{c.label} lr")]
    for line in c.losses:
        train = c.role == "recommended" and "train" in line.name.lower()
        found.append(_curve(c, line, "y2", "train" if train else group, f"{c.label} {line.name}"))
    if c.score is not None:
        found.append(_curve(c, c.score, f"y{len(rows)}", group, f"{c.label} {c.score.name}"))
    return found


def _curve(c: TrialCurves, line: Line, yaxis: str, group: str, name: str) -> Figure:
    dash = {"train": "dot", "baseline": "dash"}.get(group, "solid")
    few = len(line.x) == 1
    return {
        "type": "scatter",
        "mode": "lines+markers" if few else "lines",
        "name": text(f"{name} ({c.family})"),
        "x": list(line.x),
        "y": [None if v != v or abs(v) == float("inf") else v for v in line.y],
        "yaxis": yaxis,
        "visible": group in ("winner", "train"),
        "line": {"color": family_color(c.family), "width": 3 if group == "winner" else 1.8, "dash": dash},
        "opacity": 0.75 if group == "top" else 1,
        "meta": {"group": group},
        "hovertemplate": "%{y:.4g}" if yaxis == "y" else "%{y:.4g} after epoch %{x}",
    }


def _shading(parts: Sequence[Phase], jumps: Sequence[float]) -> list[Figure]:
    tall = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    found = [
        {**tall, "type": "rect", "x0": p.start, "x1": p.end, "fillcolor": WINDOW, "line": {"width": 0}}
        for p in parts
        if p.kind in ("warm-up", "hold") and len(parts) > 1
    ]
    edges = [p.end for p in parts[:-1]] + list(jumps[:20])
    line = {"color": MUTED, "width": 1, "dash": "dot"}
    return found + [{**tall, "type": "line", "x0": x, "x1": x, "line": line, "opacity": 0.5} for x in edges]


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


def ranked_figure(result: SearchResult) -> Figure | None:
    """The lr curves of all complete trials, coloured by how good they were; None for fewer than two.

    One SVG trace per colour: at 1,000 thinned curves it zooms in a quarter of a second without a GPU, where WebGL
    took several.
    """
    groups = ranked(result, len(RANKS))
    best = recommended(result)
    if best is None or best.schedule is None or len(result.ranking) < 2:
        return None
    data = [_bundle(g) for g in reversed(groups)]
    x, y = join([lr_line(best.schedule, best.steps_per_epoch)])
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "recommended",
            "x": x,
            "y": y,
            "line": {"color": family_color(best.schedule.family), "width": 3.5},
            "hovertemplate": f"recommended, trial {best.number}<br>epoch %{{x:.3g}}<br>lr %{{y:.3g}}<extra></extra>",
        }
    )
    top_lr = max(max(c.y) for g in groups for c in g.curves)
    low_lr = max(min(min(c.y) for g in groups for c in g.curves), top_lr * 1e-4)
    found = layout(
        420,
        xaxis=axis("epoch", range=[0, result.epochs]),
        yaxis=log_axis("learning rate", low_lr, top_lr),
    )
    return {"data": data, "layout": found}


def _bundle(group: RankedCurves) -> Figure:
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
        "hovertemplate": "trial %{customdata}<br>epoch %{x:.3g}<br>lr %{y:.3g}<extra></extra>",
    }


def join(lines: Iterable[Line]) -> tuple[Figure, Figure]:
    """Many lines as the packed x and y of one trace, NaN between them."""
    found = list(lines)
    x = [a for line in found for a in (np.array(line.x), GAP)]
    y = [a for line in found for a in (np.array(line.y), GAP)]
    return pack(np.concatenate(x), "f4"), pack(np.concatenate(y), "f4")


def pack(values: Any, dtype: str) -> Figure:
    """Numbers as Plotly's base64 typed array: a third of the size of text, and quick to read."""
    raw = np.ascontiguousarray(values, dtype=f"<{dtype}").tobytes()
    return {"dtype": dtype, "bdata": base64.b64encode(raw).decode("ascii")}


def text(value: object) -> str:
    """Text for Plotly, which reads some HTML: everything shows as typed."""
    return html.escape(str(value), quote=False)
