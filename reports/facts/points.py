"""Trials as points and bars, as plain tuples: values against parameters, the wall, progress, timeline, stops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...search import SearchResult, TrialRecord
from ...spaces import Choice, get_family
from .edges import Edge, edges
from .marks import recommended
from .tables import families, finite

POINTS = 800
"""Trials drawn in a scatter figure at most; the best half of it and an even selection of the rest."""
BARS = 3000
"""Trials drawn in the timeline at most; an even selection beyond."""


class Point(NamedTuple):
    """A trial in a scatter figure; `y` is None for a diverged trial."""

    trial: int
    x: float | str
    y: float | None
    family: str
    outcome: str


class ParameterPoints(NamedTuple):
    """One parameter against the value of the complete trials.

    Attributes:
        name: Optuna's name of it.
        title: What its axis says.
        log: Whether its range is logarithmic.
        low: Lower end of its range; None for a choice.
        high: Upper end.
        options: The choices, if it is one.
        points: The trials, best first.
        recommended: The recommended trial's point; None if it does not have the parameter.
        lowest: The point of the trial that is lowest in the search among those that have the parameter.
        lowest_of_all: Whether that one is lowest in the whole search.
        edge: The end of the range that the recommended trial lies at.
        left_out: Weaker trials that are not among the points.
    """

    name: str
    title: str
    log: bool
    low: float | None
    high: float | None
    options: tuple[str, ...]
    points: tuple[Point, ...]
    recommended: Point | None
    lowest: Point | None
    lowest_of_all: bool
    edge: Edge | None
    left_out: int


class Wall(NamedTuple):
    """Where trials begin to diverge: the base_lr that separates them best, and how well it does."""

    base_lr: float
    above: int
    diverged_above: int
    below: int
    diverged_below: int


class Step(NamedTuple):
    """The state of the search after a trial: epochs spent so far, its value, and the best so far."""

    trial: int
    epochs: int
    value: float | None
    best: float | None
    family: str
    outcome: str
    session: int


class Bar(NamedTuple):
    """A trial in the timeline: seconds since the first session began, idle time between sessions left out."""

    trial: int
    lane: str
    start: float
    end: float
    outcome: str
    family: str


class Timeline(NamedTuple):
    """The trials by worker, and where each later session begins; `left_out` trials are not among the bars."""

    bars: tuple[Bar, ...]
    lanes: tuple[str, ...]
    sessions: tuple[float, ...]
    left_out: int


class Stops(NamedTuple):
    """How many trials of an outcome ended after each epoch, up to the last one."""

    outcome: str
    counts: tuple[int, ...]


def select(trials: Sequence[TrialRecord], limit: int = POINTS) -> list[TrialRecord]:
    """`trials` (best first) cut to `limit`: the best half, and an even selection of the others."""
    if len(trials) <= limit:
        return list(trials)
    half = limit // 2
    rest = np.linspace(half, len(trials) - 1, limit - half).round().astype(int)
    return [*trials[:half], *(trials[i] for i in rest.tolist())]


def parameters(result: SearchResult) -> tuple[ParameterPoints, ...]:
    """Every searched parameter against the value, shared ones first, then those of the best family.

    Fixed parameters and those without a complete trial are left out.
    """
    order = {row.family: i for i, row in enumerate(families(result))}
    own = sorted(result.space.ranges, key=lambda n: order.get(n.partition(".")[0], len(order)))
    names = [n for n in ("base_lr", "warmup", *own) if _varies(result, n)]
    found = {e.parameter: e for e in edges(result)}
    rows = (_parameter(result, name, found.get(name)) for name in names)
    return tuple(r for r in rows if r.points)


def _varies(result: SearchResult, name: str) -> bool:
    span = result.space.range_of(name)
    return len(span.options) > 1 if isinstance(span, Choice) else span.low < span.high


def _parameter(result: SearchResult, name: str, edge: Edge | None) -> ParameterPoints:
    span = result.space.range_of(name)
    having = [t for t in result.ranking if name in t.params]
    points = tuple(_point(t, t.params[name]) for t in select(having))
    best = recommended(result)
    lowest = points[0] if points else None
    options = span.options if isinstance(span, Choice) else ()
    log, low, high = (False, None, None) if isinstance(span, Choice) else (span.log, span.low, span.high)
    return ParameterPoints(
        name,
        _unit(name) or name,
        log,
        low,
        high,
        options,
        points,
        _point(best, best.params[name]) if best is not None and name in best.params else None,
        lowest,
        lowest is not None and lowest.trial == result.ranking[0].number,
        edge,
        len(having) - len(points),
    )


def _unit(name: str) -> str:
    """What an axis says about the parameter; empty if it is a plain number."""
    if name in ("base_lr", "warmup"):
        return "epochs" if name == "warmup" else ""
    family, _, short = name.partition(".")
    units = {"epochs": "epochs", "per epoch": "factor per epoch", "lr": "fraction of base_lr"}
    return next((units.get(p.unit, "") for p in get_family(family).params if p.name == short), "")


def _point(trial: TrialRecord, x: float | str) -> Point:
    family = trial.schedule.family if trial.schedule else ""
    return Point(trial.number, x, finite(trial), family, trial.outcome)


def base_lr_points(result: SearchResult) -> tuple[Point, ...]:
    """base_lr against the value: complete trials, and diverged ones without a value."""
    diverged = [t for t in result.trials if t.outcome == "diverged"]
    chosen = [*select(result.ranking), *select(diverged, POINTS // 2)]
    return tuple(
        _point(t, t.schedule.base_lr)._replace(y=finite(t) if t.outcome == "complete" else None)
        for t in chosen
        if t.schedule is not None
    )


def wall(result: SearchResult) -> Wall | None:
    """The base_lr above which trials mostly diverge; None if none diverged or none survived."""
    fates = sorted(
        (t.schedule.base_lr, t.outcome == "diverged")
        for t in result.trials
        if t.schedule is not None and t.outcome in ("complete", "pruned", "diverged")
    )
    bad = sum(d for _, d in fates)
    if not 0 < bad < len(fates):
        return None
    # a cut after i trials is wrong for those that diverged below and those that survived above
    below = np.concatenate([[0], np.cumsum([d for _, d in fates])])
    wrong = below + (len(fates) - np.arange(len(fates) + 1)) - (bad - below)
    cut = min(int(np.argmin(wrong)), len(fates) - 1)
    low = fates[cut - 1][0] if cut else fates[0][0]
    base_lr = math.sqrt(low * fates[cut][0])
    return Wall(base_lr, len(fates) - cut, bad - int(below[cut]), cut, int(below[cut]))


def progress(result: SearchResult) -> tuple[Step, ...]:
    """The trials in the order they ended, with the epochs spent and the best value so far."""
    steps: list[Step] = []
    epochs, best = 0, None
    pick = max if result.maximize else min
    for t in sorted(result.trials, key=lambda t: (t.ended is None, t.ended.timestamp() if t.ended else 0, t.number)):
        epochs += t.epochs
        value = finite(t) if t.outcome == "complete" else None
        if value is not None:
            best = value if best is None else pick(best, value)
        family = t.schedule.family if t.schedule else ""
        steps.append(Step(t.number, epochs, value, best, family, t.outcome, _session(result.sessions, t)))
    return tuple(steps)


def _session(sessions: Sequence[Mapping[str, object]], trial: TrialRecord) -> int:
    """Number of the session a trial ran in, from 0."""
    if trial.started is None:
        return 0
    begun = [float(str(s["started"])) for s in sessions if "started" in s]
    return max(0, sum(b <= trial.started.timestamp() for b in begun) - 1)


def timeline(result: SearchResult) -> Timeline:
    """The trials by worker, device and machine over time; hours between two sessions are cut out."""
    dated = [t for t in result.trials if t.started is not None]
    hosts = len({t.host for t in dated}) > 1
    lanes = {key: _lane(key, i, hosts) for i, key in enumerate(dict.fromkeys(map(_place, dated)))}
    bars: list[Bar] = []
    bounds: list[float] = []
    offset = 0.0
    groups: dict[int, list[TrialRecord]] = {}
    for t in dated:
        groups.setdefault(_session(result.sessions, t), []).append(t)
    for _, trials in sorted(groups.items()):
        bounds.append(offset)
        spans = [(t, *_span(t)) for t in trials]
        first = min(a for _, a, _ in spans)
        for t, a, b in spans:
            family = t.schedule.family if t.schedule else ""
            lane = lanes[_place(t)]
            bars.append(Bar(t.number, lane, a - first + offset, b - first + offset, t.outcome, family))
        offset = max(bar.end for bar in bars)
    kept = bars[:: -(-len(bars) // BARS)] if bars else []
    return Timeline(tuple(kept), tuple(lanes.values()), tuple(bounds[1:]), len(bars) - len(kept))


def _place(trial: TrialRecord) -> tuple[str, str, str | None, int | None]:
    return trial.device, trial.host, trial.member, trial.worker


def _lane(key: tuple[str, str, str | None, int | None], index: int, hosts: bool) -> str:
    where = ", ".join(part for part in (key[0], key[1] if hosts else "") if part)
    return f"worker {index + 1}" + (f" ({where})" if where else "")


def _span(trial: TrialRecord) -> tuple[float, float]:
    assert trial.started is not None
    start = trial.started.timestamp()
    return start, trial.ended.timestamp() if trial.ended else start + math.fsum(trial.seconds)


def stops(result: SearchResult) -> tuple[Stops, ...]:
    """After which epoch trials were stopped early, by outcome."""
    last = max([result.epochs, *(t.epochs for t in result.trials)])
    found: dict[str, list[int]] = {}
    for t in result.trials:
        if t.outcome not in ("complete", "running"):
            found.setdefault(t.outcome, [0] * (last + 1))[t.epochs] += 1
    return tuple(Stops(outcome, tuple(counts)) for outcome, counts in found.items())
