"""Colours, symbols and the common layout of every figure."""

from __future__ import annotations

import colorsys
import html
import math
from typing import Any

from ...spaces import FAMILIES, Counting

Figure = dict[str, Any]
"""Plotly's own JSON: data and layout."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, MUTED, GRID, ACCENT, WARN = "#1d2330", "#5b6472", "#e3e7ed", "#1a5fb4", "#b3470a"
WINDOW = "#dfe9f7"

# Paul Tol's and Okabe and Ito's colour-blind-safe sets, darkened where they were too pale for white.
_FAMILY = {
    "exp": ("#0068a8", "#5cb8f0"),
    "step": ("#c65102", "#ff9a52"),
    "cosine": ("#00805c", "#3ecfa0"),
    "constant": ("#6a7078", "#aab2bd"),
    "linear": ("#a8488a", "#e58cc6"),
    "poly": ("#8a6a00", "#e0bd4a"),
    "rex": ("#4b3ba8", "#a99cf5"),
    "wsd": ("#9b2226", "#ff8a80"),
}
SYMBOLS = {
    "circle": "M5 1A4 4 0 1 1 5 9A4 4 0 1 1 5 1Z",
    "square": "M1.5 1.5H8.5V8.5H1.5Z",
    "diamond": "M5 .5L9.5 5L5 9.5L.5 5Z",
    "cross": "M3.5 1H6.5V3.5H9V6.5H6.5V9H3.5V6.5H1V3.5H3.5Z",
    "bowtie": "M.5 1V9L9.5 1V9Z",
    "pentagon": "M5 .6L9.2 3.7L7.6 8.8H2.4L.8 3.7Z",
    "hexagon": "M5 .5L9 2.8V7.2L5 9.5L1 7.2V2.8Z",
    "star": "M5 .3L6.2 3.7H9.7L6.9 5.8L7.9 9.4L5 7.3L2.1 9.4L3.1 5.8L.3 3.7H3.8Z",
    "hourglass": "M1 .5H9L1 9.5H9Z",
    "x": "M1 3L3 1L5 3L7 1L9 3L7 5L9 7L7 9L5 7L3 9L1 7L3 5Z",
    "diamond-tall": "M5 0L8 5L5 10L2 5Z",
    "diamond-wide": "M0 5L5 2L10 5L5 8Z",
    "octagon": "M3.2 .6H6.8L9.4 3.2V6.8L6.8 9.4H3.2L.6 6.8V3.2Z",
    "hexagram": "M5 0L6.5 2.5H9.4L8 5L9.4 7.5H6.5L5 10L3.5 7.5H.6L2 5L.6 2.5H3.5Z",
}
"""Plotly's names of the families' symbols, and their outlines in a box of 10 by 10 for legends.

No triangles: those are trials off the scale.
"""
_SYMBOLS = [shape + fill for fill in ("", "-open", "-dot", "-open-dot") for shape in SYMBOLS]

OUTCOMES = {
    "complete": "#3f5068",
    "pruned": "#8b939e",
    "diverged": "#d01c2a",
    "failed": "#7a0f3c",
    "out of budget": "#b07d00",
    "interrupted": "#7d6e58",
    "running": "#3c86d8",
}
"""Colours of how trials ended; no family has one of them."""
STARTING = "#cdd3db"
RAMP = ("#12335f", "#1c5f9e", "#2a80ad", "#2f9183", "#6b8420", "#a1700a")
"""Along the values of a parameter."""
RANKS = ("#08306b", "#1f5a9e", "#4a86c0", "#7fabd4", "#a5c0da", "#bccad9", "#c9ced6")
"""From the best seventh of the trials to the worst."""

DARK = {
    INK: "#e8ebf0",
    MUTED: "#a3adbb",
    GRID: "#303846",
    ACCENT: "#7fb2f5",
    WARN: "#ffb07c",
    WINDOW: "#23344d",
    **dict(zip(RANKS, ("#d6e8ff", "#a4c9f4", "#74a5dc", "#5482b4", "#44658a", "#3b4f66", "#343f4d"), strict=True)),
    **dict(_FAMILY.values()),
    **dict(zip(RAMP, ("#cfe3ff", "#9cc4f5", "#7fc4e8", "#7fd6c4", "#b4d66a", "#f0c460"), strict=True)),
    "#3f5068": "#9db2cf",
    "#8b939e": "#6f7a89",
    "#d01c2a": "#ff5a64",
    "#7a0f3c": "#ff9cc4",
    "#b07d00": "#f0c419",
    "#7d6e58": "#c4b08f",
    "#3c86d8": "#7fbcff",
    STARTING: "#39424f",
    "rgba(26,95,180,0.16)": "rgba(127,178,245,0.22)",
}
"""What each colour of a figure becomes in dark mode."""

PAPER = {"light": 1.0, "dark": 0.01}
"""Relative luminance of the ground that figures are drawn on."""


def _hue(turn: float, ground: float, contrast: float) -> str:
    """The colour of a hue that stands out from the ground by at least that WCAG contrast, as little as possible."""
    steps = range(60, 0, -1) if ground > 0.5 else range(40, 100)
    for lightness in steps:
        rgb = colorsys.hls_to_rgb(turn % 1, lightness / 100, 0.55)
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
        own = sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        if (max(own, ground) + 0.05) / (min(own, ground) + 0.05) >= contrast:
            break
    return "#" + "".join(f"{round(255 * v):02x}" for v in rgb)


_TURNS = [0.49 + i * 0.618034 for i in range(len(_SYMBOLS))]  # the golden angle: each new hue is far from all before
_MORE = [_hue(turn, PAPER["light"], 5.0) for turn in _TURNS]
DARK.update(zip(_MORE, (_hue(turn, PAPER["dark"], 7.0) for turn in _TURNS), strict=True))


def family_color(name: str) -> str:
    """The family's colour on a light ground."""
    if name in _FAMILY:
        return _FAMILY[name][0]
    others = [family for family in FAMILIES if family not in _FAMILY]
    return _MORE[_index(name, others) % len(_MORE)]


def family_symbol(name: str) -> str:
    """The family's marker, so that colour is never the only sign."""
    return _SYMBOLS[_index(name, [*_FAMILY, *(f for f in FAMILIES if f not in _FAMILY)]) % len(_SYMBOLS)]


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """A Plotly axis in our style."""
    usual = {
        "title": {"text": title, "standoff": 8},
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": GRID,
        "automargin": True,
    }
    return {**usual, **more}


def log_axis(title: str, low: float, high: float, pad: float = 0.04, **more: Any) -> dict[str, Any]:
    """A logarithmic axis from `low` to `high` (both above 0) with some room, its labels written out in full."""
    a, b = math.log10(low), math.log10(high)
    room = pad * (b - a) or 0.1
    shown = [round(a - room, 4), round(b + room, 4)]
    return axis(title, **{**log_ticks(low, high), "type": "log", "range": shown, **more})


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Tick settings of a logarithmic axis: 1, 2, 5 in every decade, or decades alone if there are many."""
    return {"dtick": "D2" if high < 60 * low else 1, "tickformat": "~g"}


def hover_at(counting: Counting, decimals: int | None = None) -> str:
    """Where a curve is, for Plotly's hover labels: a place between epochs, or a whole step."""
    if counting.unit == "step":
        return "step %{x:,.0f}"
    return "epoch %{x:.3g}" if decimals is None else f"epoch %{{x:.{decimals}f}}"


def layout(height: int, **more: Any) -> dict[str, Any]:
    """A Plotly layout in our style, `height` pixels high."""
    usual = {
        "height": height,
        "autosize": True,
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 14, "t": 14, "b": 48},
        "showlegend": False,
        "hoverlabel": {"font": {"family": FONT, "size": 13}, "namelength": -1},
        "hovermode": "closest",
    }
    return {**usual, **more}


def _index(name: str, names: list[str]) -> int:
    """The place of a family among others; of one that is not registered, any number that is always the same."""
    return names.index(name) if name in names else sum(name.encode())


def text(value: object) -> str:
    """Text for Plotly, which reads some HTML: everything shows as typed."""
    return html.escape(str(value), quote=False)
