"""A probe on the terminal: the metric after an epoch against the constant rate, and what it tells."""

from __future__ import annotations

import math

import numpy as np
from rich.console import Console
from rich.text import Text

from ...search.results.probe import Probe
from ..facts.numbers import num, rate
from ..facts.probe import found_sentences
from .braille import braille

POINTS, HEIGHT = 200, 10


def print_probe(probe: Probe, metric: str, console: Console) -> None:
    """Draw a probe and say what it tells."""
    if (drawn := probe_plot(probe, console.width)) is not None:
        console.print(Text(f"{metric} after 1 epoch at a constant rate", style="bold"))
        console.print(drawn)
    for sentence in found_sentences(probe, metric):
        console.print(sentence, markup=False, highlight=False)


def probe_plot(probe: Probe, width: int) -> Text | None:
    """The runs that trained, over the logarithm of the rate; None for fewer than two."""
    trained = [(math.log10(r), v) for r, v in probe.points if math.isfinite(v)]
    if len(trained) < 2:
        return None
    x, y = np.array(trained).T
    curve = np.interp(np.linspace(x[0], x[-1], POINTS), x, y)
    across = max(20, min(width - 12, 72))
    lines = braille([curve], across, HEIGHT, float(y.min()), float(y.max()))
    plot = Text()
    for row, line in enumerate(lines):
        ends = {0: num(float(y.max())), len(lines) - 1: num(float(y.min()))}
        plot.append(f"{ends.get(row, ''):>9} ", style="dim")
        plot.append("".join(char for char, _ in line) + "\n", style="cyan")
    right = rate(10 ** float(x[-1]))
    plot.append(" " * 10 + rate(10 ** float(x[0])).ljust(across - len(right)) + right + "\n", style="dim")
    return plot
