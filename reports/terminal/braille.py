"""Curves as braille dots, for terminals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.text import Text

from ...spaces import Schedule, amount

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "red")
PLOT_POINTS = 400
_BARS = "▁▂▃▄▅▆▇█"


def braille(
    curves: Sequence[npt.ArrayLike], width: int = 60, height: int = 10, low: float = 0.0, high: float | None = None
) -> list[list[tuple[str, int]]]:
    """Draw curves over a shared axis.

    Args:
        curves: Equal spans of x, each of any length >= 1; later ones are drawn over earlier ones.
        width: Characters across; each holds 2 x 4 dots.
        height: Lines.
        low: Value at the bottom.
        high: Value at the top; the largest one by default.

    Returns:
        Lines of ``(character, index of the curve)``; the index is -1 where nothing was drawn.
    """
    series = [np.asarray(c, dtype=float) for c in curves]
    top = high if high is not None else max(float(np.max(c)) for c in series)
    span = (top - low) or 1.0
    cells = np.zeros((height, width), dtype=int)
    owner = np.full((height, width), -1)
    for index, curve in enumerate(series):
        x = np.arange(2 * width)
        y = np.interp(x / max(1, len(x) - 1) * (len(curve) - 1), np.arange(len(curve)), curve)
        rows = np.clip(np.round((1 - (y - low) / span) * (4 * height - 1)), 0, 4 * height - 1).astype(int)
        for column, (row, before) in enumerate(zip(rows, np.concatenate([rows[:1], rows[:-1]]), strict=True)):
            for dot in range(min(row, before), max(row, before) + 1):
                cell = dot // 4, column // 2
                if owner[cell] != index:
                    cells[cell], owner[cell] = 0, index
                cells[cell] |= _DOTS[dot % 4, column % 2]
    return [
        [(chr(0x2800 + c) if c else " ", int(o)) for c, o in zip(*line, strict=True)]
        for line in zip(cells, owner, strict=True)
    ]


def sparkline(curve: npt.ArrayLike, width: int = 16) -> str:
    """A curve from zero to its maximum as one line of bars."""
    values = np.asarray(curve, dtype=float)
    picked = values[np.linspace(0, len(values) - 1, width).round().astype(int)]
    top = float(picked.max()) or 1.0
    return "".join(_BARS[round(v / top * (len(_BARS) - 1))] for v in np.clip(picked, 0, top))


def lr_plot(
    schedules: Sequence[Schedule], labels: Sequence[str], console: Console, epochs: float | None = None
) -> Text:
    """Curves of schedules in braille, with the top rate, the horizon and, for several, a legend.

    Where there are no colours to tell several curves apart, each has a plot of its own under its label.
    """
    length = epochs or max(s.horizon for s in schedules)
    if len(schedules) > 1 and not console.color_system:
        plots = zip(labels, schedules, strict=True)
        return Text("\n").join(Text(f"{name}\n") + lr_plot([s], [name], console, length) for name, s in plots)
    steps = max(1, int(np.ceil(PLOT_POINTS / length)))
    curves = [s.curve(steps, length) for s in schedules]
    top = max(float(c.max()) for c in curves)
    width = max(20, min(console.width - 12, 72))
    text = Text()
    lines = braille(curves, width, 8)
    for row, line in enumerate(lines):
        axis = f"{top:9.4g} " if row == 0 else f"{0:9.4g} " if row == len(lines) - 1 else " " * 10
        text.append(axis, style="dim")
        for char, owner in line:
            text.append(char, style=COLOURS[owner % len(COLOURS)] if owner >= 0 else "")
        text.append("\n")
    text.append(" " * 10 + "0" + amount(length, schedules[0].unit).rjust(width - 1) + "\n", style="dim")
    if len(schedules) > 1:
        for index, label in enumerate(labels):
            text.append("          ── ", style=COLOURS[index % len(COLOURS)])
            text.append(label + "\n")
    return text
