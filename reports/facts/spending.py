"""Where the budget went: trials of the search by outcome, the confirmation, longer trainings, and what is left."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from ...spaces import Counting
from .numbers import plural

MEANINGS = {
    "complete": "trained to the end",
    "pruned": "stopped early by the pruner, because other trials looked better",
    "diverged": "the loss became NaN or infinite, or rose far above its start: the rate was too high",
    "failed": "the training code raised an error; this says nothing about the schedule",
    "out of budget": "the budget ended during it",
    "interrupted": "the process was stopped during it; its parameters were queued again",
    "running": "still training when this report was written",
}


class OutcomeRow(NamedTuple):
    """Trials of one outcome and what they cost; `share` is their part of all epochs trained, whatever for."""

    outcome: str
    trials: int
    epochs: int
    share: float
    seconds: float
    meaning: str


class Reason(NamedTuple):
    """Why trials ended before their last epoch, and how many for that reason."""

    outcome: str
    text: str
    trials: tuple[int, ...]


def outcomes(result: SearchResult) -> tuple[OutcomeRow, ...]:
    """The search's trials by outcome, in the order of `MEANINGS`."""
    groups = {o: [t for t in result.trials if t.outcome == o] for o in MEANINGS}
    return tuple(_row(result, o, trials, MEANINGS[o]) for o, trials in groups.items() if trials)


def further(result: SearchResult) -> tuple[OutcomeRow, ...]:
    """What was trained besides the search: a probe, runs on fresh seeds and over longer horizons, if any."""
    parts = {
        "probe": (result.probing, "short runs at constant rates before the first trial, counted against the budget"),
        "confirmation": (result.confirming, "runs on fresh seeds, counted against the budget"),
        "longer trainings": (result.transfer, "runs of lrsearch transfer, beside the budget"),
    }
    return tuple(_row(result, name, runs, meaning) for name, (runs, meaning) in parts.items() if runs)


def unspent(result: SearchResult) -> str:
    """What is left of the last session's budget: ``1 of 40 trials``; empty if nothing is, or if it is wall time."""
    kind, amount = (result.sessions[-1].get("limit") or ("", 0)) if result.sessions else ("", 0)
    probed = sum(t.epochs for t in result.probing)
    used = {
        "trials": sum(t.counted for t in (*result.trials, *result.confirming)) + probed / result.epochs,
        result.counting.units: result.counting.at(sum(t.epochs for t in (*result.trials, *result.confirming)) + probed),
    }
    left = amount - used.get(kind, amount)
    if left < 1:  # a probe costs a part of a trial
        return ""
    return f"{int(left)} of {plural(int(amount), str(kind).removesuffix('s'))}"


def wall_seconds(result: SearchResult) -> float:
    """Wall time of all sessions: from the start of each to the end of its last run; 0 if unknown."""
    every = (*result.probing, *result.trials, *result.confirming)
    ended = sorted(t.ended.timestamp() for t in every if t.ended)
    total = 0.0
    for start, following in pairwise([*sorted(result.begun), math.inf]):
        mine = [e for e in ended if start <= e < following]
        total += max(mine) - start if mine else 0.0
    return total


def reasons(result: SearchResult) -> tuple[Reason, ...]:
    """Why trials diverged or failed, the most frequent first; pruning explains itself.

    Reasons that differ only in their numbers are one: ``train_loss rose far above its start, after epoch 1 to 5``.
    """
    by_reason: dict[tuple[str, str], list[TrialRecord]] = {}
    for t in result.trials:
        if t.outcome in ("diverged", "failed", "interrupted", "out of budget"):
            text = t.reason or "no reason was recorded"
            key = re.sub(r"\d[\d.e+-]*", "#", text) if t.outcome == "diverged" else text
            by_reason.setdefault((t.outcome, key), []).append(t)
    rows = [
        Reason(o, _together(trials, result.counting), tuple(t.number for t in trials))
        for (o, _), trials in by_reason.items()
    ]
    return tuple(sorted(rows, key=lambda r: (-len(r.trials), r.trials)))


def _together(trials: Sequence[TrialRecord], counting: Counting) -> str:
    """One reason for trials that have the same but for its numbers."""
    texts = list(dict.fromkeys(t.reason or "no reason was recorded" for t in trials))
    rose = re.match(r"(\S+) rose to ", texts[0])
    if len(texts) == 1:
        return texts[0]
    what = f"{rose[1]} rose far above its start" if rose else re.sub(r" after (epoch|step) \d+.*", "", texts[0])
    ends = sorted({counting.at(t.epochs) for t in trials})
    return f"{what}, after {counting.unit} {ends[0]}{f' to {ends[-1]}' if len(ends) > 1 else ''}"


def _row(result: SearchResult, name: str, trials: Sequence[TrialRecord], meaning: str) -> OutcomeRow:
    every = (*result.probing, *result.trials, *result.confirming, *result.transfer)
    total = sum(t.epochs for t in every)
    epochs = sum(t.epochs for t in trials)
    seconds = math.fsum(s for t in trials for s in t.seconds)
    return OutcomeRow(name, len(trials), result.counting.at(epochs), epochs / total if total else 0.0, seconds, meaning)
