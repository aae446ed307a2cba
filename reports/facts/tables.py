"""What a report says, as plain tuples: the answer, comparisons, warnings, outcomes, families."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from ...spaces import WARMUP_START, Schedule, get_family, in_unit
from ...spaces.beside import for_job, multiplier_name
from .marks import lowest_in_search, recommended
from .numbers import num as num
from .numbers import param

CLOSE = 0.01
"""Trials within this share of the best value count as about as good."""


class Comparison(NamedTuple):
    """The recommended trial against a baseline; `difference` is the first minus the second, `percent` of the second."""

    name: str
    trial: int
    outcome: str
    value: float | None
    difference: float | None
    percent: float | None
    better: bool


class Setting(NamedTuple):
    """One parameter of the recommended schedule in words."""

    name: str
    value: str
    meaning: str


class FamilyRow(NamedTuple):
    """How one family did in the search.

    Attributes:
        family: Its name.
        trials: Trials of it.
        complete: Those that were trained to the end.
        best: The best value of them.
        trial: The trial that has it.
        median: Their median value.
        behind: `best` minus the value of the trial that is lowest in the search, >= 0; maximizing, <= 0.
        recommended: Whether the recommended trial is one of them.
    """

    family: str
    trials: int
    complete: int
    best: float | None
    trial: int | None
    median: float | None
    behind: float | None
    recommended: bool


def finite(trial: TrialRecord) -> float | None:
    """The trial's value if it is a finite number."""
    return trial.value if trial.value is not None and math.isfinite(trial.value) else None


def settings(schedule: Schedule) -> tuple[Setting, ...]:
    """The schedule's parameters in words, lengths in its unit."""
    unit = {"epochs": f" {schedule.unit}s", "per epoch": f" per {schedule.unit}"}
    rows = [Setting("base_lr", num(schedule.base_lr), "the peak rate")]
    for p in get_family(schedule.family).params:
        value = schedule.value(p.name)
        shown = value if isinstance(value, str) else param(value) + unit.get(p.unit, "")
        rows.append(Setting(p.name, shown, in_unit(p.summary, schedule.unit)))
    warmup = f"{param(schedule.warmup)} {schedule.unit}s" if schedule.warmup else "none"
    rows.append(Setting("warmup", warmup, f"of {schedule.horizon:.10g} {schedule.unit}s in all"))
    if schedule.warmup and (schedule.warmup_start, schedule.warmup_shape) != (WARMUP_START, "linear"):
        start = f"first rate as a fraction of base_lr, then {schedule.warmup_shape}"
        rows.append(Setting("warmup_start", num(schedule.warmup_start), start))
    for group, share in schedule.multipliers.items():
        rows.append(Setting(multiplier_name(group), param(share), f"of base_lr, the rate of the param group {group}"))
    for name, value in for_job(schedule.beside).items():
        rows.append(Setting(name, value if isinstance(value, str) else param(value), "searched beside the schedule"))
    return tuple(rows)


def comparisons(result: SearchResult) -> tuple[Comparison, ...]:
    """The recommended trial against every baseline, in the order they ran; empty if no trial is complete."""
    best = recommended(result)
    if best is None:
        return ()
    # a baseline that was interrupted and queued again counts once, as its last run
    latest = {t.baseline: t for t in result.baselines}
    return tuple(_compare(best, t, result.maximize) for t in latest.values())


def _compare(best: TrialRecord, baseline: TrialRecord, maximize: bool) -> Comparison:
    value = finite(baseline) if baseline.outcome == "complete" else None
    assert best.value is not None
    difference = None if value is None else best.value - value
    percent = 100 * difference / abs(value) if difference is not None and value else None
    better = difference is None or (difference > 0 if maximize else difference < 0)
    name = baseline.baseline or ""
    return Comparison(name, baseline.number, baseline.outcome, value, difference, percent, better)


def families(result: SearchResult) -> tuple[FamilyRow, ...]:
    """Every family that was tried, best first."""
    groups: dict[str, list[TrialRecord]] = {}
    for trial in result.trials:
        if trial.schedule is not None:
            groups.setdefault(trial.schedule.family, []).append(trial)
    rows = [_family_row(name, trials, result) for name, trials in groups.items()]
    sign = -1 if result.maximize else 1
    return tuple(sorted(rows, key=lambda r: (r.best is None, sign * (r.best or 0.0), r.family)))


def _family_row(name: str, trials: list[TrialRecord], result: SearchResult) -> FamilyRow:
    done = [(v, t.number) for t in trials if t.outcome == "complete" and (v := finite(t)) is not None]
    lowest = lowest_in_search(result)
    if not done or lowest is None or lowest.value is None:
        return FamilyRow(name, len(trials), len(done), None, None, None, None, recommended=False)
    value, number = max(done, key=lambda d: (d[0], -d[1])) if result.maximize else min(done)
    chosen = recommended(result) in trials
    middle = median(v for v, _ in done)
    return FamilyRow(name, len(trials), len(done), value, number, middle, value - lowest.value, chosen)


def close_calls(result: SearchResult) -> int:
    """How many other complete trials come within `CLOSE` of the recommended one's value, or are better."""
    best = recommended(result)
    if best is None or best.value is None:
        return 0
    sign = -1 if result.maximize else 1
    limit = sign * best.value + CLOSE * abs(best.value)
    return sum(sign * (t.value or 0.0) <= limit for t in result.ranking if t.number != best.number)
