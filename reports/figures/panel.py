"""A small figure as static SVG: painted with the text, whole on paper, readable without JavaScript.

A `Panel` is plain data; `svg` draws it. Colours are those of the light theme, with the dark ones beside them.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .theme import DARK, GRID, INK, MUTED

WIDE, NARROW = (570, 160), (345, 190)
"""Width and height in CSS pixels of a panel on a wide and on a narrow page."""
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 8, 24


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`.

    Attributes:
        low: Left or lower end.
        high: Right or upper end.
        log: Whether it is logarithmic; both ends are above 0 then.
        unit: Written after the last tick.
        ticks: Values and their labels; chosen by `svg` where none are given.
    """

    low: float
    high: float
    log: bool = False
    unit: str = ""
    ticks: tuple[tuple[float, str], ...] | None = None


@dataclass(frozen=True)
class Line:
    """A line through points, or the upper edge of a band if `low` is given."""

    x: Sequence[float]
    y: Sequence[float]
    color: str
    width: float = 2.0
    dash: str = ""
    hover: str = ""


@dataclass(frozen=True)
class Band:
    """An area between two lines."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    color: str


@dataclass(frozen=True)
class Dot:
    """A point; "ring" is an open one, "off" a triangle at the border for a value beyond it, "wrong" a cross."""

    x: float
    y: float
    color: str
    kind: Literal["dot", "ring", "target", "off", "wrong"] = "dot"
    hover: str = ""
    size: float = 3.5


@dataclass(frozen=True)
class Text:
    """A direct label."""

    x: float
    y: float
    text: str
    color: str = INK
    anchor: Literal["start", "middle", "end"] = "middle"
    dy: float = 0.0


Mark = Line | Band | Dot | Text


@dataclass(frozen=True)
class Panel:
    """A figure of one plot.

    Attributes:
        title: What it shows, with the unit.
        alt: What one sees, in a sentence.
        x: The horizontal axis.
        y: The vertical axis.
        marks: What is drawn, in this order.
        note: A sentence below it.
    """

    title: str
    alt: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    note: str = ""


def svg(panel: Panel, size: tuple[int, int] = WIDE, place: str = "") -> str:
    """The panel as an SVG element of that size; `place` holds attributes such as its position in a larger one."""
    width, height = size
    x = _scale(panel.x, LEFT, width - RIGHT)
    y = _scale(panel.y, height - BOTTOM, TOP)
    parts = [_grid(panel, x, y, width, height), *(_draw(m, x, y) for m in panel.marks)]
    head = f'class="panel" role="img" aria-label="{html.escape(panel.alt)}" viewBox="0 0 {width} {height}"'
    return f"<svg {head} {place}>{''.join(parts)}</svg>"


def tint(color: str) -> str:
    """The style attribute that gives a mark its colour in both themes."""
    return f'style="--c:{color};--d:{DARK.get(color, color)}"'


def span(values: Sequence[float], pad: float = 0.06, *, log: bool = False) -> tuple[float, float]:
    """Both ends of an axis that shows the values with some room; one value alone gets half and twice of it."""
    low, high = min(values), max(values)
    if low == high:
        return (low * 0.5, low * 2) if low > 0 else (low - 1, high + 1)
    if log:
        room = (high / low) ** pad
        return low / room, high * room
    return low - pad * (high - low), high + pad * (high - low)


def value_axis(values: Sequence[float], *, maximize: bool = False) -> Axis:
    """A vertical axis for the metric; logarithmic for losses of which the worst is more than 3 times the best."""
    log = not maximize and min(values) > 0 and max(values) > 3 * min(values)
    return Axis(*span(values, log=log), log=log)


def ticks(axis: Axis) -> tuple[tuple[float, str], ...]:
    """About five round values within the axis, with their labels."""
    if axis.ticks is not None:
        return axis.ticks
    places = _log_ticks(axis.low, axis.high) if axis.log else _round_steps(axis.low, axis.high)
    return tuple((v, f"{v:.4g}".replace("-", "\N{MINUS SIGN}")) for v in places)


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        places = [d * 10.0**e for e in decades for d in digits if low <= d * 10.0**e <= high]
        if len(places) >= 3:
            return places if len(places) <= 6 else places[:: -(-len(places) // 6)]
    return _round_steps(low, high)


def _round_steps(low: float, high: float, count: int = 5) -> list[float]:
    raw = max((high - low) / count, 1e-300)
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(m * base for m in (1, 2, 2.5, 5, 10) if m * base >= raw * 0.999)
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _scale(axis: Axis, start: float, end: float) -> Callable[[float], float]:
    """Maps values to pixels, held within the axis."""
    low, high = (math.log10(axis.low), math.log10(axis.high)) if axis.log else (axis.low, axis.high)
    top = max(start, end)

    def place(value: float) -> float:
        at = math.log10(max(value, 1e-300)) if axis.log else value
        share = (at - low) / ((high - low) or 1.0)
        return min(max(start + share * (end - start), min(start, end) - 1), top + 1)

    return place


def _grid(panel: Panel, x: Callable[[float], float], y: Callable[[float], float], width: int, height: int) -> str:
    parts = []
    floor = height - BOTTOM
    steps = ticks(panel.x)
    for i, (value, label) in enumerate(steps):
        unit = f" {panel.x.unit}" if panel.x.unit and i == len(steps) - 1 else ""
        anchor = "end" if unit or x(value) > width - 26 else "middle"
        right = x(value) + (RIGHT - 2 if anchor == "end" else 0)
        parts.append(_stroke(f"M{x(value):.1f} {TOP}V{floor}", GRID, 1))
        parts.append(_write(right, floor + 16, label + unit, MUTED, anchor))
    for value, label in ticks(panel.y):
        parts.append(_stroke(f"M{LEFT} {y(value):.1f}H{width - RIGHT}", GRID, 1))
        parts.append(_write(LEFT - 6, y(value) + 4, label, MUTED, "end"))
    return "".join(parts)


def _draw(mark: Mark, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    if isinstance(mark, Line):
        return _stroke(_path(mark.x, mark.y, x, y), mark.color, mark.width, mark.dash, mark.hover)
    if isinstance(mark, Band):
        there = _path(mark.x, mark.high, x, y)
        back = _path(list(reversed(mark.x)), list(reversed(mark.low)), x, y)
        return f'<path class="f band" {tint(mark.color)} d="{there}L{back[1:]}Z"/>'
    if isinstance(mark, Dot):
        return _dot(mark, x(mark.x), y(mark.y))
    return _write(x(mark.x), y(mark.y) + mark.dy, mark.text, mark.color, mark.anchor, "name")


def _path(xs: Sequence[float], ys: Sequence[float], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """A path through the finite points; a gap lifts the pen."""
    points, pen = [], "M"
    for a, b in zip(xs, ys, strict=True):
        if math.isfinite(b):
            points.append(f"{pen}{x(a):.1f} {y(b):.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(points)


def _dot(mark: Dot, x: float, y: float) -> str:
    r, s = mark.size, mark.size * 0.8
    shapes = {
        "dot": f'<circle class="f" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>',
        "ring": f'<circle class="s" cx="{x:.1f}" cy="{y:.1f}" r="{r}" stroke-width="2"/>',
        "target": f'<circle class="s" cx="{x:.1f}" cy="{y:.1f}" r="{r}" stroke-width="2"/>'
        f'<circle class="f" cx="{x:.1f}" cy="{y:.1f}" r="{r * 0.5:.1f}"/>',
        "off": f'<path class="f" d="M{x - s:.1f} {y + s:.1f}h{2 * s:.1f}l{-s:.1f} {-2 * s:.1f}z"/>',
        "wrong": f'<path class="s" stroke-width="1.8" d="M{x - s:.1f} {y - s:.1f}l{2 * s:.1f} {2 * s:.1f}'
        f'm{-2 * s:.1f} 0l{2 * s:.1f} {-2 * s:.1f}"/>',
    }
    return f"<g {tint(mark.color)}>{_title(mark.hover)}{shapes[mark.kind]}</g>"


def _stroke(path: str, color: str, width: float, dash: str = "", hover: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path class="s" {tint(color)} stroke-width="{width}"{dashes} d="{path}">{_title(hover)}</path>'


def _write(x: float, y: float, text: str, color: str, anchor: str, kind: str = "tick") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="f {kind}" {tint(color)} {where}>{html.escape(text)}</text>'


def _title(text: str) -> str:
    return f"<title>{html.escape(text)}</title>" if text else ""
