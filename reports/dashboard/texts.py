"""What a study shows in optuna-dashboard beside Optuna's own plots: notes, a figure, files for the best trials."""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Sequence
from typing import Any

from ...search import SearchResult, TrialRecord
from ...spaces import IN_EPOCHS, Counting
from ..export import export
from ..facts.answer import answer
from ..facts.curves import Line, TrialCurves, curves, lr_line
from ..facts.fresh_seeds import standing
from ..facts.marks import finalist, label, lowest_in_search, recommended, title, word
from ..facts.tables import num
from ..figures.theme import GRID, INK, MUTED, axis, family_color, layout

TOP = 5
STEEP = 3.0
"""From this ratio of the largest to the smallest loss on, the axis is logarithmic."""
CARD = 450
"""Height of a study plot in the dashboard, in pixels."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP_MARGIN, GAP = 480, 360, 68, 12, 26, 50
"""Of the drawings, in pixels."""


def study_note(result: SearchResult) -> str:
    """The search in Markdown: the answer, how sure it is, the recommended trial, the best ones and the baselines."""
    answered = answer(result)
    chosen = recommended(result)
    best = [f"**Use {_plain(chosen.schedule.describe())}**"] if chosen is not None and chosen.schedule else []
    picked = [t for t in (chosen, finalist(result), *result.ranking[:TOP], *result.baselines) if t is not None]
    table = [
        f"| trial | {_plain(result.metric)} | | outcome | schedule |",
        "|---|---|---|---|---|",
        *(
            f"| {t.number} | {num(t.value)} | {label(result, t)} | {t.outcome} | {_plain(_words(t))} |"
            for t in {t.number: t for t in picked}.values()
        ),
    ]
    parts = [
        "## lrsearch",
        *best,
        _plain(answered.headline.expected.text if answered.headline.expected else ""),
        _plain(answered.verdict),
        _plain(answered.headline.latitude),
        _badge(result),
        _plain(answered.certainty),
        "\n".join(table),
        _plain(answered.tally),
    ]
    return "\n\n".join(part for part in parts if part)


def confirmation_note(result: SearchResult) -> str:
    """What the study of the runs on fresh seeds is, in Markdown."""
    return (
        f"## lrsearch\n\nThe runs on fresh seeds of the study {_plain(result.name)}: its finalists and baselines, "
        f"trained again. The search is not here.\n\n{_plain(answer(result).verdict)}"
    )


def _badge(result: SearchResult) -> str:
    """Why Optuna's badge "Best Trial" may be on another trial than the one to use."""
    best, lowest = recommended(result), lowest_in_search(result)
    if best is None or lowest is None or best.number == lowest.number:
        return ""
    return (
        f'The badge "Best Trial" is Optuna\'s: it marks trial {lowest.number}, the {word("lowest_in_search", result)}, '
        f"which may be a lucky run. lrsearch recommends trial {best.number}."
    )


def noted(result: SearchResult) -> list[TrialRecord]:
    """The trials that get a note and files: the recommended one, the finalist and the best in the search."""
    picked = (recommended(result), finalist(result), *result.ranking[:TOP])
    return list({t.number: t for t in picked if t is not None and t in result.ranking}.values())


def trial_note(result: SearchResult, record: TrialRecord, rank: int) -> str:
    """A trial in Markdown: what it is, its place, its schedule in words and as code, and what the search says of it."""
    what = label(result, record)
    code = export(record, result, "torch")
    return "\n\n".join(
        [
            f"## {_plain(title(record))}{f': {what}' if what else ''}",
            _plain(standing(result, record)),
            f"Number {rank} of {len(result.ranking)} complete trials in the search itself.",
            f"{_plain(result.metric)} {num(record.value)}: {_plain(_words(record))}",
            f"```python\n{code}```",
        ]
    )


def lr_and_loss(result: SearchResult) -> dict[str, Any] | None:
    """The best trials' and the baselines' lr above their losses, as Plotly's JSON; None without a complete trial."""
    shown = curves(result)
    if not shown:
        return None
    data = [trace for c in shown for trace in _traces(c)]
    rows = [axis("learning rate", domain=[0.56, 1.0]), axis(html.escape(_row(shown, result)), domain=[0.0, 0.44])]
    look = layout(
        CARD,
        title={"text": "Learning rate and loss", "font": {"size": 16}},
        template={},
        showlegend=True,
        legend={"font": {"size": 11}},
        margin={"l": 60, "r": 10, "t": 50, "b": 50},
        paper_bgcolor="#ffffff",
        plot_bgcolor="#ffffff",
        xaxis=axis(result.counting.unit, anchor="y2", range=[0, result.horizon]),
        yaxis=rows[0],
        yaxis2={**rows[1], **({"type": "log"} if _steep(data) else {})},
    )
    return {"data": data, "layout": look}


def _steep(data: Sequence[dict[str, Any]]) -> bool:
    """Whether the lower row falls by so much that only a logarithmic axis shows its end."""
    values = [v for trace in data if trace["yaxis"] == "y2" for v in trace["y"] if v is not None]
    return bool(values) and min(values) > 0 and max(values) > STEEP * min(values)


def trial_csv(record: TrialRecord, counting: Counting = IN_EPOCHS) -> str:
    """A row per epoch, or per so many steps: lr, seconds and every metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([counting.unit, "lr", *record.metrics, "seconds"])
    columns = [record.lr, *record.metrics.values(), record.seconds]
    for epoch in range(record.epochs):
        writer.writerow([counting.at(epoch + 1), *(column[epoch] if epoch < len(column) else "" for column in columns)])
    return text.getvalue()


def trial_svg(record: TrialRecord, counting: Counting = IN_EPOCHS) -> str:
    """A drawing of the trial's lr above its losses."""
    assert record.schedule is not None
    horizon, color = record.schedule.horizon, family_color(record.schedule.family)
    losses = [
        Line(name, tuple(float(counting.at(e + 1)) for e in range(len(values))), tuple(values))
        for name, values in sorted(record.metrics.items(), key=lambda item: "train" in item[0].lower())
        if "loss" in name.lower()
    ]
    height = (HEIGHT - TOP_MARGIN - 2 * GAP) / 2
    panels = [
        _panel(
            "learning rate",
            [lr_line(record.schedule, record.steps_per_epoch)],
            horizon,
            TOP_MARGIN,
            color,
            counting.units,
        )
    ]
    if losses:
        title = ", ".join(f"{line.name}{' (dashed)' if i else ''}" for i, line in enumerate(losses))
        panels.append(_panel(title, losses, horizon, TOP_MARGIN + height + GAP, color, counting.units))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="14"><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(panels)}</svg>\n"
    )


def _panel(title: str, lines: Sequence[Line], horizon: float, top: float, color: str, units: str) -> str:
    """Axes from 0 to the horizon and to the largest value, with the lines in them."""
    height, width = (HEIGHT - TOP_MARGIN - 2 * GAP) / 2, WIDTH - LEFT - RIGHT
    values = [v for line in lines for v in line.y if math.isfinite(v)]
    low, high = min([0.0, *values]), max([*values, 1e-12])

    def place(x: float, y: float) -> str:
        return f"{LEFT + width * x / horizon:.1f},{top + height * (high - y) / (high - low):.1f}"

    shown = html.escape("".join(c for c in title if c.isprintable()))
    drawn = []
    for i, line in enumerate(lines):
        points = " ".join(place(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y))
        dash = ' stroke-dasharray="5 4"' if i else ""
        drawn.append(f'<polyline fill="none" stroke="{color}" stroke-width="2"{dash} points="{points}"/>')
    return (
        f'<text x="{LEFT}" y="{top - 8}" fill="{INK}">{shown}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{width}" height="{height}" fill="none" stroke="{GRID}"/>'
        f'<g fill="{MUTED}"><text x="{LEFT - 6}" y="{top + 11}" text-anchor="end">{num(high)}</text>'
        f'<text x="{LEFT - 6}" y="{top + height}" text-anchor="end">{num(low)}</text>'
        f'<text x="{LEFT}" y="{top + height + 18}">0</text>'
        f'<text x="{LEFT + width}" y="{top + height + 18}" text-anchor="end">{horizon:.10g} {units}</text></g>'
        f"{''.join(drawn)}"
    )


def _traces(c: TrialCurves) -> list[dict[str, Any]]:
    dash = "dot" if c.role == "baseline" else "solid"
    line = {"color": family_color(c.family), "width": 3 if c.role == "recommended" else 1.5}
    name = html.escape(c.label if c.role == "baseline" else f"{c.label} ({c.family})")
    scores = [loss for loss in c.losses if "train" not in loss.name.lower()] or list(c.losses)
    lower = [c.score] if c.score else scores[:1]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(line_.x),
            "y": [v if math.isfinite(v) else None for v in line_.y],
            "name": name,
            "legendgroup": str(c.number),
            "showlegend": i == 0,
            "line": {**line, "dash": dash},
            "yaxis": "y2" if i else "y",
        }
        for i, line_ in enumerate([c.lr, *lower])
    ]


def _row(shown: Sequence[TrialCurves], result: SearchResult) -> str:
    lower = [c.score.name if c.score else c.losses[0].name for c in shown[1:] if c.score or c.losses]
    return lower[0] if lower else "loss"


def _words(record: TrialRecord) -> str:
    words = record.schedule.describe() if record.schedule else "no schedule"
    return f"{record.baseline} (baseline): {words}" if record.baseline else words


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", " ".join(text.split()))
