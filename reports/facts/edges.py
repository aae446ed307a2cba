"""Parameters at an end of the range that was searched, and the wider range to search next."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, NamedTuple

from ...search import SearchResult, TrialRecord
from ...spaces import Range, get_family
from .marks import recommended, title
from .numbers import num

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
    """

    parameter: str
    value: float
    side: Side
    limit: float
    text: str
    toml: str


def edges(result: SearchResult) -> tuple[Edge, ...]:
    """Parameters of the recommended trial at the end of a range that could be widened."""
    best = recommended(result)
    return () if best is None else edges_of(result, best)


def edges_of(result: SearchResult, trial: TrialRecord) -> tuple[Edge, ...]:
    """A trial's parameters at the end of a range that could be widened."""
    found = (_edge(result, trial, name, value) for name, value in trial.params.items() if name != "family")
    return tuple(e for e in found if e is not None)


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
        f"In trial {trial.number} ({title(trial)}), {name} = {num(value)} lies at the {side} end of its range "
        f"({num(span.low)} to {num(span.high)}): better values may lie beyond it."
    )
    return Edge(name, value, side, limit, text, _toml(name, wide))


def position(span: Range, value: float) -> float:
    """Where `value` lies in the range on its own scale: 0 at the low end, 1 at the high end."""
    if span.log:
        return math.log(value / span.low) / math.log(span.high / span.low)
    return (value - span.low) / (span.high - span.low)


def domain(result: SearchResult, name: str) -> Range:
    """The values that a parameter can have at all."""
    if name == "base_lr":
        return Range(0.0, 1e9)
    if name == "warmup":
        return Range(0.0, LONGEST_WARMUP * result.space.horizon)
    family, _, short = name.partition(".")
    param = next(p for p in get_family(family).params if p.name == short)
    valid = Range(0.0, 1.0) if param.unit == "lr" else param.valid
    assert isinstance(valid, Range)
    return valid


def wider(span: Range, side: Side, limits: Range) -> Range:
    """The range with more room at one side, as far as the limits allow."""
    length = span.high - span.low
    low = span.low / WIDER if span.log else span.low - length
    high = span.high * WIDER if span.log else span.high + length
    if side == "lower":
        return replace(span, low=_rounded(min(span.low, max(low, limits.low))))
    return replace(span, high=_rounded(max(span.high, min(high, limits.high))))


def _toml(name: str, span: Range) -> str:
    """The lines of a space file: ``base_lr = { low = 0.001, high = 4.0, log = true }``."""
    family, _, short = name.rpartition(".")
    extra = ", log = true" if span.log else f", step = {span.step!r}" if span.step else ""
    line = f"{short} = {{ low = {float(span.low)!r}, high = {float(span.high)!r}{extra} }}"
    return f"[{family}]\n{line}" if family else line


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
