"""Where the gain comes from: from an untuned constant rate to the schedule found, step by step on one seed."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from .marks import finalist, recommended, title
from .numbers import together, two_digits
from .verdict import deciding


class GainStep(NamedTuple):
    """One step of the way.

    Attributes:
        name: The schedule: ``untuned constant``, ``tuned constant``, ``tuned linear to zero``, ``step``.
        trial: Its trial in the search.
        value: Its value there; all trials of a search have the same seed.
        change: `value` minus the step before; 0 for the first.
        share: Which part of the whole gain the step brings, from 0 to 1; None for the first, or if any step is a loss.
        by: What the step changes: "", "base_lr and warm-up", "a usual decay", "the searched schedule".
    """

    name: str
    trial: int
    value: float
    change: float
    share: float | None
    by: str


class Gain(NamedTuple):
    """The way from the untuned default to the schedule found.

    Attributes:
        metric: What was measured.
        seed: The seed of the search, the same for all steps; None if unknown.
        steps: At least two, the untuned schedule first.
        percent: The whole change in per cent of the first value; None if that is 0.
        proven: Whether fresh seeds prove the last step.
        sentence: All this in words.
    """

    metric: str
    seed: int | None
    steps: tuple[GainStep, ...]
    percent: float | None
    proven: bool
    sentence: str


def gain(result: SearchResult) -> Gain | None:
    """Untuned constant rate, tuned constant rate, best tuned baseline, searched schedule: those that were trained.

    All at the seed of the search, where alone the untuned one was trained. None if there is nothing to begin with, or
    nothing after it.
    """
    stages = [s for s in (_untuned(result), _tuned_constant(result), _best_baseline(result), _searched(result)) if s]
    kept: dict[int, tuple[str, TrialRecord, str]] = {}
    for name, trial, by in stages:
        kept.setdefault(trial.number, (name, trial, by))
    if _untuned(result) is None or len(kept) < 2:
        return None
    steps = _steps(list(kept.values()), maximize=result.maximize)
    total = steps[-1].value - steps[0].value
    percent = 100 * total / abs(steps[0].value) if steps[0].value else None
    proven = result.confirmation is not None and result.confirmation.word == "better"
    seed = result.settings.get("seed")
    sentence = _sentence(steps, result.metric, percent, searched=_searched(result) is not None, proven=proven)
    return Gain(result.metric, seed, steps, percent, proven, sentence)


def _untuned(result: SearchResult) -> tuple[str, TrialRecord, str] | None:
    """The first baseline: a constant rate that nobody tuned, else another plain one."""
    plain = [t for t in result.baselines if t in result.ranking and not _is_tuned(t) and t.baseline != "your own"]
    first = min(plain, key=lambda t: (t.baseline != "constant", t.number), default=None)
    return None if first is None else (f"untuned {first.baseline}", first, "")


def _tuned_constant(result: SearchResult) -> tuple[str, TrialRecord, str] | None:
    tuned = [t for t in result.ranking if t.schedule and t.schedule.family == "constant" and t.baseline != "constant"]
    return ("tuned constant", tuned[0], "base_lr and warm-up") if tuned else None


def _best_baseline(result: SearchResult) -> tuple[str, TrialRecord, str] | None:
    duel = deciding(result)
    tuned = [t for t in result.ranking if t.baseline and (_is_tuned(t) or t.baseline == "your own")]
    best = result.trial(duel.rival) if duel else next(iter(tuned), None)
    if best is None or best not in result.ranking or not best.baseline:
        return None
    name = best.baseline.removesuffix(", tuned")
    by = "a usual decay" if _tuned_constant(result) else "base_lr, warm-up and a usual decay"
    return (f"tuned {name}" if name != best.baseline else name, best, by)


def _searched(result: SearchResult) -> tuple[str, TrialRecord, str] | None:
    """The finalist, or the recommended trial where nothing was judged."""
    best = finalist(result) or recommended(result)
    if best is None or best.baseline or best not in result.ranking:
        return None
    return title(best), best, "the searched schedule"


def _is_tuned(trial: TrialRecord) -> bool:
    return (trial.baseline or "").endswith(", tuned")


def _steps(stages: list[tuple[str, TrialRecord, str]], *, maximize: bool) -> tuple[GainStep, ...]:
    values = [t.value or 0.0 for _, t, _ in stages]
    changes = [0.0, *(b - a for a, b in itertools.pairwise(values))]
    total = values[-1] - values[0]
    gains = all((c > 0) == maximize or not c for c in changes) and total != 0
    shares = [None, *(c / total if gains else None for c in changes[1:])]
    return tuple(
        GainStep(name, t.number, value, change, share, by)
        for (name, t, by), value, change, share in zip(stages, values, changes, shares, strict=True)
    )


def _sentence(steps: tuple[GainStep, ...], metric: str, percent: float | None, *, searched: bool, proven: bool) -> str:
    shown = together(*(s.value for s in steps), apart=min((abs(s.change) for s in steps[1:] if s.change), default=0.0))
    way = " to ".join(f"{value} ({step.name})" for value, step in zip(shown, steps, strict=True))
    whole = "" if percent is None else f", {two_digits(abs(percent))} % {'higher' if percent > 0 else 'lower'} in all"
    shares = [f"{_percent(s.share)} of it by {s.by}" for s in steps[1:] if s.share is not None and len(steps) > 2]
    text = f"On the search's own seed {metric} goes from {way}{whole}{': ' if shares else ''}{', '.join(shares)}."
    return text if proven or not searched else f"{text} The last step is not proven on fresh seeds."


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{100 * share:.0f} %"
