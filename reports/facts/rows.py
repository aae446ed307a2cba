"""The table of trials and the facts needed to run the search again, as plain tuples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ...search import SearchResult, TrialRecord, duration
from ...spaces import Schedule, space_to_toml
from .curves import coarse_lr
from .marks import Mark, all_marks, words
from .numbers import num, param

SPARK_POINTS = 24
SPARK_WIDTH, SPARK_HEIGHT = 72, 20


class TrialRow(NamedTuple):
    """One trial in the table.

    `rank` counts complete trials from 1, `sort_value` puts better ones first, `label` is its `marks` in words.
    """

    number: int
    marks: tuple[Mark, ...]
    label: str
    rank: int | None
    outcome: str
    reason: str
    family: str
    baseline: str
    value: str
    sort_value: float
    epochs: int
    seconds: float
    time: str
    parameters: str
    base_lr: float
    spark: str
    code: str
    device: str


ROWS = 5000
"""Rows of the table of trials: nobody looks further, and a page must open."""


class Fact(NamedTuple):
    """A label and what it says."""

    label: str
    text: str


class Session(NamedTuple):
    """One time the search was started."""

    title: str
    command: str
    facts: tuple[Fact, ...]


def trial_rows(result: SearchResult) -> tuple[TrialRow, ...]:
    """The trials, the complete ones first and best first, then the others by number; `ROWS` at most."""
    ranks = {t.number: i + 1 for i, t in enumerate(result.ranking)}
    others = (t for t in result.trials if t.number not in ranks)
    shown = [*result.ranking, *others][:ROWS]
    marks = all_marks(result)
    return tuple(_row(t, ranks.get(t.number), marks.get(t.number, ()), result) for t in shown)


def _row(t: TrialRecord, rank: int | None, marks: tuple[Mark, ...], result: SearchResult) -> TrialRow:
    seconds = math.fsum(t.seconds)
    known = t.value is not None and math.isfinite(t.value) and t.outcome in ("complete", "pruned")
    return TrialRow(
        number=t.number,
        marks=marks,
        label=words(marks, result),
        rank=rank,
        outcome=t.outcome,
        reason=t.reason,
        family=t.schedule.family if t.schedule else "",
        baseline=t.baseline or "",
        value=num(t.value) if known else "–",
        sort_value=(-1 if result.maximize else 1) * t.value if known and t.value is not None else math.inf,
        epochs=result.counting.at(t.epochs),
        seconds=seconds,
        time=duration(seconds) if t.seconds else "–",
        parameters=parameters(t.schedule) if t.schedule else "",
        base_lr=t.schedule.base_lr if t.schedule else math.inf,
        spark=spark(t.schedule, t.steps_per_epoch) if t.schedule else "",
        code=code(t.schedule) if t.schedule else "",
        device=t.device,
    )


def parameters(schedule: Schedule) -> str:
    """The parameters after the family, shortly: ``base_lr 0.1, T_max 9``."""
    own = [f"{k} {v if isinstance(v, str) else param(v)}" for k, v in schedule.params.items()]
    others = [f"{k} {v if isinstance(v, str) else param(v)}" for k, v in schedule.beside.items()]
    return ", ".join([f"base_lr {num(schedule.base_lr)}", *own, f"warmup {param(schedule.warmup)}", *others])


def code(schedule: Schedule) -> str:
    """Python that makes the schedule again; what equals its default is left out."""
    fields = schedule.to_dict()
    given = {k: fields[k] for k in ("base_lr", "horizon", "params", "warmup")}
    if schedule.interval != "step":
        given["interval"] = schedule.interval
    if schedule.warmup_start != Schedule.warmup_start:
        given["warmup_start"] = schedule.warmup_start
    if schedule.unit != "epoch":
        given["unit"] = schedule.unit
    if schedule.beside:
        given["beside"] = dict(schedule.beside)
    if schedule.warmup_shape != "linear":
        given["warmup_shape"] = schedule.warmup_shape
    inside = ", ".join(f"{k}={v!r}" for k, v in given.items())
    return f"Schedule({schedule.family!r}, {inside})"


def spark(schedule: Schedule, steps_per_epoch: int | None) -> str:
    """The lr curve as the points of a tiny SVG polyline, scaled to its own highest rate."""
    line = coarse_lr(schedule, steps_per_epoch, SPARK_POINTS)
    top, end = max(line.y), max(schedule.horizon, 1e-9)
    w, h = SPARK_WIDTH - 2, SPARK_HEIGHT - 2
    pairs = ((1 + w * x / end, 1 + h * (1 - y / top)) for x, y in zip(line.x, line.y, strict=True))
    return " ".join(f"{x:.0f},{y:.1f}".replace(".0", "") for x, y in pairs)


def sessions(result: SearchResult) -> tuple[Session, ...]:
    """What is known of every start of the search."""
    many = len(result.sessions) > 1
    return tuple(_session(s, f"Session {i + 1}" if many else "Run") for i, s in enumerate(result.sessions))


def _session(data: Mapping[str, Any], title: str) -> Session:
    facts = []
    if data.get("started") is not None:
        facts.append(Fact("started", when(float(data["started"]))))
    known = ("command", "started", "versions", "limit", "deadline")
    facts += [Fact(key, _words(value)) for key, value in data.items() if key not in known and value not in (None, "")]
    if versions := data.get("versions"):
        facts.append(Fact("versions", _words(versions)))
    return Session(title, _command(data.get("command", "")), tuple(facts))


def _command(command: object) -> str:
    return " ".join(map(str, command)) if isinstance(command, (list, tuple)) else str(command or "")


def when(timestamp: float) -> str:
    """A time stamp in UTC."""
    return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def study_facts(result: SearchResult) -> tuple[Fact, ...]:
    """The settings that all trials share, without the space."""
    facts = [Fact("study", result.name)]
    members = {(t.host, t.member) for t in (*result.trials, *result.confirming) if t.member}
    if len(members) > 1:
        facts.append(
            Fact("ran on", f"{len(members)} processes, machines: {', '.join(sorted({h for h, _ in members}))}")
        )
    return (*facts, *(Fact(k, _words(v)) for k, v in result.settings.items() if k != "space"))


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def space_toml(result: SearchResult) -> str:
    """The space as TOML that a search reads back."""
    return space_to_toml(result.space)
