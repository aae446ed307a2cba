"""Curves over the epochs, or steps, as plain tuples: those of the trials that stand out, and all lr curves by rank."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ...search import SearchResult, TrialRecord
from ...spaces import Schedule
from .marks import Mark, finalist, lowest_in_search, recommended, word

STEPS_PER_EPOCH = 20
"""Optimizer steps assumed where a trial does not say."""
TOP = 5
POINTS = 100
"""Points kept of a long curve."""
CURVES = 1000
"""lr curves drawn in one figure at most."""
Role = Mark | Literal["top"]
Floats = npt.NDArray[np.float64]


class Line(NamedTuple):
    """A named curve over the epochs."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


class Phase(NamedTuple):
    """A part of a schedule, in its unit."""

    kind: str
    start: float
    end: float


class TrialCurves(NamedTuple):
    """One trial's lr and loss curves; `role` is the mark that matters most, or "top": among the best of the search.

    `groups` are the rates of param groups that have a multiplier.
    """

    number: int
    role: Role
    label: str
    family: str
    lr: Line
    losses: tuple[Line, ...]
    score: Line | None
    groups: tuple[Line, ...]


class RankedCurves(NamedTuple):
    """lr curves of trials of about the same rank, 0 being the best; None separates curves in `x` and `y`."""

    rank: int
    worst: float
    best: float
    trials: tuple[int, ...]
    curves: tuple[Line, ...]


def lr_line(schedule: Schedule, steps_per_epoch: int | None, points: int = POINTS) -> Line:
    """The schedule's lr over the epochs, thinned to about `points` with every jump kept."""
    steps = _steps(schedule, steps_per_epoch)
    y = schedule.curve(steps, schedule.horizon + 1 / steps)
    if _drops(y)[-1]:  # a drop at the very end is never trained with
        y[-1] = y[-2]
    keep = thin(y, points)
    corner = keep[1:][_drops(y)[keep[1:] - 1]]  # the old rate lasts until the new one begins
    at = np.concatenate([keep, corner])
    rate = np.concatenate([y[keep], y[corner - 1]])
    order = np.lexsort((np.r_[np.ones(len(keep)), np.zeros(len(corner))], at))
    return Line("lr", tuple(np.round(at[order] / steps, 4).tolist()), tuple(_digits(rate[order])))


def _steps(schedule: Schedule, steps_per_epoch: int | None) -> int:
    """Optimizer steps in one unit of the schedule's lengths."""
    return int(schedule.per_unit(steps_per_epoch or STEPS_PER_EPOCH))


def _drops(y: Floats) -> npt.NDArray[np.bool_]:
    """Which of the changes between neighbours are sudden: far larger than the ones before and after."""
    change = np.abs(np.diff(y))
    around = np.maximum(np.r_[0.0, change[:-1]], np.r_[change[1:], 0.0])
    sudden: npt.NDArray[np.bool_] = (change > 4 * around) & (change > 1e-3 * y.max())
    return sudden


def coarse_lr(schedule: Schedule, steps_per_epoch: int | None, points: int) -> Line:
    """A cheap `lr_line` for drawing many: the curve is only computed at about `points` steps."""
    if schedule.unit == "step" and (every := schedule.horizon / (2 * points)) > 1:
        line = lr_line(schedule.in_epochs_of(every), 1, points)
        return line._replace(x=tuple(round(x * every, 4) for x in line.x))
    steps = _steps(schedule, steps_per_epoch)
    fewer = max(1, min(steps, math.ceil(2 * points / schedule.horizon)))
    return lr_line(schedule, fewer, points)


def thin(y: Floats, points: int = POINTS) -> npt.NDArray[np.int64]:
    """Indices of about `points` values: evenly spaced ones, and both sides of the largest jumps."""
    n = len(y)
    if n <= points:
        return np.arange(n)
    even = np.linspace(0, n - 1, points).round().astype(np.int64)
    change = np.abs(np.diff(y))
    sharp = np.flatnonzero(change > 0.02 * (y.max() - y.min() or 1.0))
    if len(sharp) > points // 2:
        return np.unique(even)
    return np.unique(np.concatenate([even, sharp, sharp + 1]))


def phases(schedule: Schedule, steps_per_epoch: int | None) -> tuple[Phase, ...]:
    """Warm-up, then what the curve does: "decay", "rise", "hold", or "steps" for one that drops at once."""
    steps = _steps(schedule, steps_per_epoch)
    y = schedule.curve(steps)
    start = min(round(schedule.warmup * steps), len(y) - 1)
    parts = [Phase("warm-up", 0.0, schedule.warmup)] if schedule.warmup else []
    slope = np.diff(y[start:])
    moving = np.abs(slope) > 1e-6 * schedule.base_lr
    if schedule.interval == "epoch" and steps > 1 and moving.any():
        return (*parts, Phase("decay", schedule.warmup, schedule.horizon))
    if 0 < moving.sum() <= 0.1 * len(moving):
        return (*parts, Phase("steps", schedule.warmup, schedule.horizon))
    kinds = np.where(~moving, 0, np.sign(slope)).astype(int).tolist()
    return (*parts, *_runs(kinds, schedule.warmup, schedule.horizon, steps))


def drops(schedule: Schedule, steps_per_epoch: int | None) -> tuple[float, ...]:
    """Where a stepwise schedule jumps, in its unit; empty for smooth ones."""
    if not any(p.kind == "steps" for p in phases(schedule, steps_per_epoch)):
        return ()
    steps = _steps(schedule, steps_per_epoch)
    y = schedule.curve(steps)
    start = round(schedule.warmup * steps)
    jumps = np.flatnonzero(np.abs(np.diff(y[start:])) > 1e-6 * schedule.base_lr) + start + 1
    return tuple((jumps / steps).round(4).tolist())


def _runs(kinds: Sequence[int], start: float, end: float, steps: int) -> list[Phase]:
    names = {0: "hold", -1: "decay", 1: "rise"}
    cuts = [i for i in range(1, len(kinds)) if kinds[i] != kinds[i - 1]]
    bounds = [0, *cuts, len(kinds)]
    parts: list[Phase] = []
    for a, b in itertools.pairwise(bounds):
        if b > a and (b - a) >= 0.02 * len(kinds):
            begin = parts[-1].end if parts else start
            parts.append(Phase(names[kinds[a]], begin, start + b / steps))
    if not parts:
        return [Phase("hold", start, end)]
    parts[-1] = parts[-1]._replace(end=end)
    return parts


def curves(result: SearchResult) -> tuple[TrialCurves, ...]:
    """The recommended trial, the finalist, the lowest in the search, the baselines and the best others, each once."""
    picked: list[tuple[Role, TrialRecord | None]] = [
        ("recommended", recommended(result)),
        ("finalist", finalist(result)),
        ("lowest_in_search", lowest_in_search(result)),
        *(("baseline", t) for t in result.baselines if t.epochs and result.ranking),
        *(("top", t) for t in result.ranking[:TOP]),
    ]
    first: dict[int, tuple[TrialRecord, Role]] = {}
    for role, trial in picked:
        if trial is not None and trial.schedule is not None:
            first.setdefault(trial.number, (trial, role))
    return tuple(_trial_curves(result, trial, role) for trial, role in first.values())


def _trial_curves(result: SearchResult, trial: TrialRecord, role: Role) -> TrialCurves:
    assert trial.schedule is not None
    every = result.counting.every
    names = [n for n in trial.metrics if "loss" in n.lower()]
    if role != "recommended":
        held_out = [n for n in names if "train" not in n.lower()]
        names = [result.metric] if result.metric in names else (held_out or names)[:1]
    name = f"trial {trial.number}" if role == "top" else f"{word(role, result)}, trial {trial.number}"
    label = f"baseline: {trial.baseline}" if role == "baseline" else name
    scored = result.metric in trial.metrics and "loss" not in result.metric.lower()
    lr = lr_line(trial.schedule, trial.steps_per_epoch, 3 * POINTS if role == "recommended" else POINTS)
    shares = trial.schedule.multipliers.items()
    return TrialCurves(
        trial.number,
        role,
        label,
        trial.schedule.family,
        lr,
        tuple(_metric_line(trial, name, every) for name in names),
        _metric_line(trial, result.metric, every) if scored else None,
        tuple(Line(f"lr of {group}", lr.x, tuple(_digits(share * np.array(lr.y)))) for group, share in shares),
    )


def _metric_line(trial: TrialRecord, name: str, every: int = 1) -> Line:
    """A metric over the epochs, or steps; measured at the end of every so many, where the first value stands."""
    y = np.array(trial.metrics[name], dtype=np.float64)
    keep = thin(np.nan_to_num(y, posinf=0.0, neginf=0.0), 2 * POINTS)
    return Line(name, tuple(((keep + 1.0) * every).tolist()), tuple(_digits(y[keep])))


def ranked(result: SearchResult, bins: int) -> tuple[RankedCurves, ...]:
    """The lr curves of the complete trials in `bins` groups of about equal size, the best first.

    Above `CURVES` trials an even selection over the ranking is kept, and curves are thinned so that a figure
    stays light.
    """
    trials = [t for t in result.ranking if t.schedule is not None]
    if len(trials) > CURVES:
        trials = [trials[round(i)] for i in np.linspace(0, len(trials) - 1, CURVES)]
    points = max(24, min(POINTS, 30_000 // max(1, len(trials))))
    groups = [g for g in np.array_split(np.arange(len(trials)), min(bins, len(trials) or 1)) if len(g)]
    parts = []
    for i, group in enumerate(groups):
        members = [trials[j] for j in group]
        lines = [coarse_lr(t.schedule, t.steps_per_epoch, points) for t in members if t.schedule]
        rank = round(i * (bins - 1) / max(1, len(groups) - 1))
        values = [t.value or 0.0 for t in members]
        parts.append(RankedCurves(rank, values[-1], values[0], tuple(t.number for t in members), tuple(lines)))
    return tuple(parts)


def _digits(values: Floats, n: int = 5) -> list[float]:
    return [float(f"{v:.{n}g}") for v in values.tolist()]
