"""The preview as one HTML page in the report's own look, usable offline."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...errors import InputError
from ...spaces import Schedule, get_family
from ..facts.curves import lr_line
from ..figures.panel import BOTTOM, LEFT, NARROW, RIGHT, TOP, Axis, Line, Mark, Panel, Text, svg
from ..figures.theme import DARK, RAMP
from .sliders import IMPOSSIBLE, POINTS, SCALE, sliders

WIDE = (900, 300)


def write_page(groups: Mapping[str, Mapping[str, Schedule]], path: Path, steps_per_epoch: int) -> Path:
    """See `write_preview`."""
    shown = [_group(title, schedules, steps_per_epoch) for title, schedules in groups.items()]
    page = environment().get_template("preview.html.j2").render(groups=shown, payload=_payload(shown))
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written ({error.strerror}): choose another place.") from None
    return path


def curves_panel(title: str, schedules: Mapping[str, Schedule], steps_per_epoch: int) -> Panel:
    """The curves over the epochs, each with its name on it."""
    lines = {name: lr_line(s, steps_per_epoch) for name, s in schedules.items()}
    horizon = max(s.horizon for s in schedules.values())
    top = max(max(line.y) for line in lines.values())
    marks: list[Mark] = []
    for i, (name, line) in enumerate(lines.items()):
        marks.append(Line(line.x, line.y, color(i, len(lines)), 2.2, hover=name))
        at = min(range(len(line.x)), key=lambda k: abs(line.x[k] - horizon * (i + 0.45) / len(lines)))
        label = name.partition(" ")[2] or name
        marks.append(Text(line.x[at], line.y[at], label, color(i, len(lines)), "start", -5))
    alt = f"Learning rate of {', '.join(lines)} over {horizon:g} epochs."
    return Panel(title, alt, Axis(0.0, horizon, unit="epochs"), Axis(0.0, 1.08 * top), tuple(marks))


def color(place: int, count: int) -> str:
    """From dark to light along the values of a parameter."""
    return RAMP[round(place * (len(RAMP) - 1) / max(1, count - 1))]


def _group(title: str, schedules: Mapping[str, Schedule], steps_per_epoch: int) -> dict[str, Any]:
    first = next(iter(schedules.values()))
    panel = curves_panel(title, schedules, steps_per_epoch)
    free = Panel("", "The curve that the sliders ask for.", panel.x, Axis(0.0, 1.08), ())
    return {
        "title": title,
        "summary": get_family(first.family).summary,
        "wide": Markup(svg(panel, WIDE)),
        "narrow": Markup(svg(panel, NARROW)),
        "legend": [(name, color(i, len(schedules))) for i, name in enumerate(schedules)],
        "free": [Markup(svg(free, size)) for size in (WIDE, NARROW)],
        "base_lr": first.base_lr,
        "horizon": first.horizon,
        "sliders": sliders(list(schedules.values())),
    }


def _payload(groups: list[dict[str, Any]]) -> Markup:
    """What the sliders need, as JSON that cannot end the script element it stands in."""
    facts = {
        "margin": [LEFT, RIGHT, TOP, BOTTOM],
        "top": 1.08,
        "points": POINTS,
        "scale": SCALE,
        "impossible": IMPOSSIBLE,
        "groups": [
            {
                "sizes": [len(s.labels) for s in g["sliders"].sliders],
                "labels": [s.labels for s in g["sliders"].sliders],
                "curves": g["sliders"].curves,
                "base_lr": g["base_lr"],
                "horizon": g["horizon"],
            }
            for g in groups
            if g["sliders"]
        ],
    }
    return Markup(json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c"))


def environment() -> Environment:
    """The templates of this room, with the report's style."""
    made = Environment(
        loader=PackageLoader(__package__ or "lrsearch.reports.preview"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    here = Path(__file__).parent
    style = (here.parent / "page" / "templates" / "report.css").read_text(encoding="utf-8")
    script = (here / "templates" / "preview.js").read_text(encoding="utf-8")
    made.filters["log10"] = lambda value: round(math.log10(value), 2)
    made.globals.update(style=Markup(style), script=Markup(script), dark=DARK)
    return made
