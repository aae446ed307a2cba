"""The trials over time: bars by worker, coloured by outcome, with the time in which a process starts."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from .base_lr import upright
from .progress import session_of
from .theme import INK, OUTCOMES, STARTING, Figure, axis, layout

BARS = 3000
"""Trials drawn in the timeline at most; an even selection beyond."""


class Bar(NamedTuple):
    """A trial in the timeline: seconds since the first session began, idle time between sessions left out.

    From `start` to `trained` its process was starting; then it trained until `end`.
    """

    trial: int
    lane: str
    start: float
    trained: float
    end: float
    outcome: str
    family: str


class Timeline(NamedTuple):
    """The trials by worker, and where each later session begins; `left_out` trials are not among the bars."""

    bars: tuple[Bar, ...]
    lanes: tuple[str, ...]
    sessions: tuple[float, ...]
    left_out: int


def timeline_figure(result: SearchResult) -> Figure | None:
    """Trials as bars by worker over time; one trace per outcome, and a pale one for the time before training."""
    drawn = timeline(result)
    if not drawn.bars:
        return None
    place = {lane: i for i, lane in enumerate(reversed(drawn.lanes))}
    length = max(b.end for b in drawn.bars)
    scale, unit = _time_unit(length)
    width = max(6, min(22, 180 // len(place)))
    waits = [b for b in drawn.bars if b.trained - b.start > 0.004 * length]
    data = [_trace("starting", STARTING, waits, place, scale, width, length)] if waits else []
    for outcome in [o for o in OUTCOMES if any(b.outcome == o for b in drawn.bars)]:
        mine = [b for b in drawn.bars if b.outcome == outcome]
        data.append(_trace(outcome, OUTCOMES[outcome], mine, place, scale, width, length))
    shown = layout(
        min(480, 90 + 34 * len(place)),
        xaxis=axis(f"{unit} since the start", rangemode="tozero"),
        yaxis=axis(
            "", tickvals=list(place.values()), ticktext=list(place), range=[-0.6, len(place) - 0.4], fixedrange=True
        ),
        shapes=[upright(_time(s, scale), INK, 1, "dot") for s in drawn.sessions],
        meta={"left_out": drawn.left_out, "starting": bool(waits)},
    )
    return {"data": data, "layout": shown}


def timeline(result: SearchResult) -> Timeline:
    """The trials by worker, device and machine over time; hours between two sessions are cut out."""
    dated = [t for t in result.trials if t.started is not None]
    hosts = len({t.host for t in dated}) > 1
    lanes: dict[str, None] = {}
    bars: list[Bar] = []
    bounds: list[float] = []
    offset = 0.0
    groups: dict[int, list[TrialRecord]] = {}
    for t in dated:
        groups.setdefault(session_of(result, t), []).append(t)
    for _, trials in sorted(groups.items()):
        bounds.append(offset)
        spans = [(t, *_span(t)) for t in trials]
        first = min(a for _, a, _ in spans)
        firsts = _first_of_workers(trials)
        names = {key: _lane(key, i, hosts) for i, key in enumerate(dict.fromkeys(map(_place, trials)))}
        lanes |= dict.fromkeys(names.values())
        for t, a, b in spans:
            family = t.schedule.family if t.schedule else ""
            lane = names[_place(t)]
            start, end = a - first + offset, b - first + offset
            trained = max(start, end - math.fsum(t.seconds)) if t is firsts.get(_place(t)) else start
            bars.append(Bar(t.number, lane, start, trained, end, t.outcome, family))
        offset = max(bar.end for bar in bars)
    kept = bars[:: -(-len(bars) // BARS)] if bars else []
    return Timeline(tuple(kept), tuple(lanes), tuple(bounds[1:]), len(bars) - len(kept))


def _first_of_workers(trials: list[TrialRecord]) -> dict[tuple[str, str, str | None, int | None], TrialRecord]:
    """The first trial of each worker: before it trained, its process started.

    None where the trials' seconds do not tell when they trained: lanes train side by side, and each has its share.
    """
    lines: dict[tuple[str, str, str | None, int | None], TrialRecord] = {}
    for t in sorted(trials, key=lambda t: t.number):
        lines.setdefault(_place(t), t)
    later = [t for t in trials if t.seconds and t is not lines[_place(t)]]
    known = [math.fsum(t.seconds) / max(b - a, 1e-9) for t, (a, b) in zip(later, map(_span, later), strict=True)]
    if not known or median(known) < 0.5:
        return {}
    return {place: t for place, t in lines.items() if t.seconds}


def _place(trial: TrialRecord) -> tuple[str, str, str | None, int | None]:
    return trial.device, trial.host, trial.member, trial.worker


def _lane(key: tuple[str, str, str | None, int | None], index: int, hosts: bool) -> str:
    where = ", ".join(part for part in (key[0], key[1] if hosts else "") if part)
    return f"worker {index + 1}" + (f" ({where})" if where else "")


def _span(trial: TrialRecord) -> tuple[float, float]:
    assert trial.started is not None
    start = trial.started.timestamp()
    return start, trial.ended.timestamp() if trial.ended else start + math.fsum(trial.seconds)


def _trace(
    name: str, color: str, bars: list[Bar], place: dict[str, int], scale: float, width: int, length: float
) -> Figure:
    """Bars as thick lines, each cut a little short so that neighbours stay apart."""
    x: list[float | None] = []
    for b in bars:
        begin, end = (b.start, b.trained) if name == "starting" else (b.trained, b.end)
        end -= min(0.0015 * length, 0.1 * (end - begin))
        x += [_time(begin, scale), _time((begin + end) / 2, scale), _time(end, scale), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": [v for b in bars for v in (*[place[b.lane]] * 3, None)],
        "customdata": [v for b in bars for v in (*[b.trial] * 3, None)],
        "line": {"color": color, "width": width, "simplify": False},
        "hovertemplate": f"trial %{{customdata}}: {name}<extra></extra>",
    }


def _time_unit(seconds: float) -> tuple[float, str]:
    return (3600.0, "hours") if seconds > 7200 else (60.0, "minutes") if seconds > 180 else (1.0, "seconds")


def _time(seconds: float, scale: float) -> float:
    return round(seconds / scale, 4)
