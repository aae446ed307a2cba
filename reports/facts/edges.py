"""Parameters at an end of the range that was searched, and the wider range to search next."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, NamedTuple

from ...search import SearchResult, TrialRecord
from ...spaces import Choice, Range, ScheduleSpace, get_family
from ...spaces.beside import MULTIPLIER, MULTIPLIERS, PREFIX, optuna_name
from .marks import finalist, recommended, title
from .numbers import param

EDGE = 0.02
"""A best value this close to an end of its range, as a share of the range, counts as lying at the edge."""
WIDER = 4.0
"""A range is widened by this factor on a logarithmic scale, and to twice its length on a plain one."""
LONGEST_WARMUP = 0.9
"""A warm-up is never searched beyond this share of the horizon."""

Side = Literal["lower", "upper"]


class Edge(NamedTuple):
    """A parameter that lies at an end of its range.

    Attributes:
        parameter: Optuna's name of it.
        value: Its value.
        side: Which end.
        limit: The range's end.
        text: All this in a sentence.
        toml: What a space file says to search a wider range.
        wide: That range.
    """

    parameter: str
    value: float
    side: Side
    limit: float
    text: str
    toml: str
    wide: Range


def edges(result: SearchResult) -> tuple[Edge, ...]:
    """Parameters of the recommended trial at the end of a range that could be widened."""
    best = recommended(result)
    return () if best is None else edges_of(result, best)


def every_edge(result: SearchResult) -> tuple[Edge, ...]:
    """Those of the recommended trial and, where that is a baseline, of the finalist; one for each parameter."""
    named = {t.number: t for t in (recommended(result), finalist(result)) if t is not None}
    by_parameter: dict[str, Edge] = {}
    for trial in named.values():
        for edge in edges_of(result, trial):
            by_parameter.setdefault(edge.parameter, edge)
    return tuple(by_parameter.values())


def wider_space(result: SearchResult) -> ScheduleSpace | None:
    """The space with more room at every edge; None if there is no edge."""
    wide = {edge.parameter: edge.wide for edge in every_edge(result)}
    if not wide:
        return None
    space = result.space
    ranges = {name: wide.get(name, span) for name, span in space.ranges.items()}
    beside = {name: wide.get(optuna_name(name), span) for name, span in space.beside.items()}
    base_lr, warmup = wide.get("base_lr", space.base_lr), wide.get("warmup", space.warmup)
    return replace(space, base_lr=base_lr, warmup=warmup, ranges=ranges, beside=beside)


def edges_of(result: SearchResult, trial: TrialRecord) -> tuple[Edge, ...]:
    """A trial's parameters at the end of a range that could be widened."""
    edges = (_edge(result, trial, name, value) for name, value in trial.params.items() if name != "family")
    return tuple(e for e in edges if e is not None)


def _edge(result: SearchResult, trial: TrialRecord, name: str, value: float | str) -> Edge | None:
    try:
        span = result.space.range_of(name)
    except KeyError:
        return None
    if not isinstance(span, Range) or isinstance(value, str) or span.low == span.high:
        return None
    place = position(span, value)
    if EDGE < place < 1 - EDGE:
        return None
    side: Side = "lower" if place <= EDGE else "upper"
    limit = span.low if side == "lower" else span.high
    wide = wider(span, side, domain(result, name))
    if wide == span:  # it cannot go beyond, e.g. a warm-up below 0 epochs
        return None
    text = (
        f"In trial {trial.number} ({title(trial)}), {name} = {param(value)} lies at the {side} end of its range "
        f"({param(span.low)} to {param(span.high)}): better values may lie beyond it."
    )
    return Edge(name, value, side, limit, text, _toml(name, wide), wide)


def position(span: Range, value: float) -> float:
    """Where `value` lies in the range on its own scale: 0 at the low end and below, 1 at the high end and above."""
    inside = min(max(value, span.low), span.high)
    if span.log:
        return math.log(inside / span.low) / math.log(span.high / span.low)
    return (inside - span.low) / (span.high - span.low)


def domain(result: SearchResult, name: str) -> Range:
    """The values that a parameter can have at all."""
    if name == "base_lr":
        return Range(0.0, 1e9)
    if name == "warmup":
        return Range(0.0, LONGEST_WARMUP * result.space.horizon)
    if MULTIPLIER.fullmatch(name):
        return MULTIPLIERS
    if name.startswith(PREFIX):
        span = result.space.range_of(name)
        return Range(0.0 if isinstance(span, Choice) or span.low >= 0 else -1e9, 1e9)
    family, _, short = name.partition(".")
    param = next(p for p in get_family(family).params if p.name == short)
    valid = Range(0.0, 1.0) if param.unit == "lr" else param.valid
    assert isinstance(valid, Range)
    return valid


def wider(span: Range, side: Side, limits: Range) -> Range:
    """The range with more room at one side, as far as the limits allow, and on its own grid."""
    length = span.high - span.low
    low = max(span.low / WIDER if span.log else span.low - length, limits.low)
    high = min(span.high * WIDER if span.log else span.high + length, limits.high)
    if side == "lower":
        return replace(span, low=_rounded(span.low - max(0.0, _whole(span.low - low, span.step))))
    return replace(span, high=_rounded(span.high + max(0.0, _whole(high - span.high, span.step))))


def _toml(name: str, span: Range) -> str:
    """The lines of a space file: ``base_lr = { low = 0.001, high = 4.0, log = true }``."""
    family, _, short = name.rpartition(".")
    extra = ", log = true" if span.log else f", step = {span.step!r}" if span.step else ""
    line = f"{short} = {{ low = {float(span.low)!r}, high = {float(span.high)!r}{extra} }}"
    return f"[{family}]\n{line}" if family else line


def _whole(distance: float, step: float | None) -> float:
    """The distance in whole steps of a grid, if there is one."""
    return distance if step is None else step * math.floor(distance / step + 1e-9)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
