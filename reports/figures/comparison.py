"""The recommended schedule and its rival, epoch by epoch: learning rates, and losses with their range over seeds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...search import SearchResult
from ..facts.curves import Line as Curve
from ..facts.curves import lr_line, thin
from ..facts.numbers import num
from .contenders import Contender, contenders
from .panel import Axis, Band, Line, Mark, Panel, Text, value_axis


class Spread(NamedTuple):
    """A metric at the end of each epoch, or after every so many steps, over several runs: mean, lowest and highest."""

    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    runs: int


def lr_panel(result: SearchResult) -> Panel | None:
    """Learning rates over the epochs; None without a complete trial."""
    shown = contenders(result)
    if not shown:
        return None
    lines = [(c, _rates(c)) for c in shown]
    groups = _groups(*lines[0])
    top = max(max(line.y) for line in (*(line for _, line in lines), *groups))
    marks: list[Mark] = [Line(line.x, line.y, c.color, c.width, c.dash, c.name) for c, line in reversed(lines)]
    for group in groups:
        marks.append(Line(group.x, group.y, lines[0][0].color, 1.7, "2 3", f"param group {group.name}"))
        at = len(group.x) // 2
        marks.append(Text(group.x[at], group.y[at], group.name, lines[0][0].color, "start", -5))
    said = "; ".join(
        f"{c.name}: from {num(line.y[0])} over {num(max(line.y))} to {num(line.y[-1])}" for c, line in lines
    )
    said += "".join(f"; param group {group.name}: up to {num(max(group.y))}" for group in groups)
    y = Axis(0.0, top * 1.06)
    return Panel(
        "Learning rate", f"Learning rate over the {result.counting.units}. {said}.", _epochs(result), y, tuple(marks)
    )


def loss_panel(result: SearchResult) -> Panel | None:
    """The metric over the epochs, mean and range over fresh seeds if there are any; None if it was not recorded."""
    spreads = [(c, s) for c in contenders(result) if (s := spread(c, result.metric, result.counting.every)) is not None]
    if not spreads:
        return None
    marks: list[Mark] = [Band(s.x, s.low, s.high, c.color) for c, s in spreads if s.runs > 1]
    marks += [Line(s.x, s.mean, c.color, c.width, c.dash, c.name) for c, s in reversed(spreads)]
    seeds = min(s.runs for _, s in spreads)
    over = f"mean and range over {seeds} fresh seeds" if seeds > 1 else "one run each, the same seed"
    ends = "; ".join(
        f"{c.name}: {num(s.mean[-1])} at the end, {num(s.low[-1])} to {num(s.high[-1])}" for c, s in spreads
    )
    values = [v for _, s in spreads for v in (*s.low, *s.high)]
    y = value_axis([v for v in values if math.isfinite(v)] or [0.0, 1.0], maximize=result.maximize)
    return Panel(
        f"{result.metric}: {over}",
        f"{result.metric} over the {result.counting.units}. {ends}.",
        _epochs(result),
        y,
        tuple(marks),
    )


def spread(contender: Contender, metric: str, every: int = 1) -> Spread | None:
    """Mean and range of the metric over the contender's runs, epoch by epoch; None if it was not recorded."""
    curves = [t.metrics[metric] for t in contender.runs if t.metrics.get(metric)]
    length = min(map(len, curves), default=0)
    if not length:
        return None
    values = np.array([c[:length] for c in curves], dtype=np.float64)  # (runs, epochs)
    keep = thin(np.nan_to_num(values.mean(0), posinf=0.0, neginf=0.0))
    kept = [f(0)[keep].tolist() for f in (values.mean, values.min, values.max)]
    mean, low, high = map(tuple, kept)
    return Spread(tuple(((keep + 1.0) * every).tolist()), mean, low, high, len(curves))


def _rates(contender: Contender) -> Curve:
    assert contender.trial.schedule is not None
    return lr_line(contender.trial.schedule, contender.trial.steps_per_epoch)


def _groups(contender: Contender, rates: Curve) -> list[Curve]:
    """The rates of the param groups that have a multiplier, by the group's name."""
    assert contender.trial.schedule is not None
    shares = contender.trial.schedule.multipliers.items()
    return [Curve(group, rates.x, tuple(share * rate for rate in rates.y)) for group, share in shares]


def _epochs(result: SearchResult) -> Axis:
    return Axis(0.0, float(result.horizon), unit=result.counting.units if result.horizon > 1 else result.counting.unit)
