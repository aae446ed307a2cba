"""What runs over longer horizons say, in words and as table rows."""

from __future__ import annotations

import math
from statistics import fmean
from typing import NamedTuple

from ...errors import StudyError
from ...search import Outlook, SearchResult, Transfer
from .numbers import num


class LongerRow(NamedTuple):
    """One schedule: its mean at every horizon, NaN where it was not trained; at another base_lr, `factor` is not 1."""

    name: str
    trial: int
    factor: float
    means: tuple[float, ...]


class Longer(NamedTuple):
    """The section: horizons in epochs, a row for each schedule, seeds, and sentences."""

    horizons: tuple[int, ...]
    rows: tuple[LongerRow, ...]
    seeds: int
    sentences: tuple[str, ...]


def longer(result: SearchResult, epochs: float | None = None) -> Longer | None:
    """What is known of longer trainings, looked at for so many epochs, by default twice the longest measured.

    None if nothing was measured.
    """
    try:
        found = Transfer(result)
    except StudyError:
        return None
    if not result.transfer or not found.horizons:
        return None
    epochs = epochs or 2 * found.horizons[-1]
    arms = [(found.winner, 1.0), *((t, 1.0) for t in found.others), (found.winner, 0.5), (found.winner, 2.0)]
    rows = tuple(
        LongerRow(result.trial(t).baseline or "searched", t, f, tuple(_mean(found, t, h, f) for h in found.horizons))
        for t, f in arms
    )
    sentences = [outlook_sentence(found.outlook(t, epochs), result) for t in found.others]
    return Longer(tuple(found.horizons), rows, len(found.seeds), (*sentences, drift_sentence(found)))


def outlook_sentence(o: Outlook, result: SearchResult) -> str:
    """What to expect of the winner against another schedule after so many epochs."""
    rival = result.trial(o.rival).baseline or f"trial {o.rival}"
    measured = ", ".join(f"{gap:+.2g} at {horizon}" for horizon, gap in o.gaps.items())
    if not math.isfinite(o.low) and o.word != "diverges":
        return f"Against {rival}: too few runs to say what becomes of {measured} epochs."
    word = {
        "holds": "the ranking should hold",
        "turns round": "the ranking turns round: use the other one",
        "closes": "the lead is foretold to be gone, which no horizon showed yet",
        "diverges": "the searched schedule is not safe: it diverged at a longer horizon; use the other one",
        "open": "the ranking cannot be told",
    }[o.word]
    return (
        f"Against {rival}, at {o.epochs:g} epochs {word}: {result.metric} {o.expected:+.2g} is expected "
        f"({o.low:+.2g} to {o.high:+.2g}), after {measured} epochs."
    )


def drift_sentence(found: Transfer) -> str:
    """Where the winner's base_lr drifts, and what to do."""
    factors = found.best_factors()
    shown = ", ".join(f"{factor:g} times at {horizon}" for horizon, factor in factors.items())
    if len(factors) < 2:
        return "Too few runs to say whether base_lr drifts."
    first, *_, last = factors.values()
    if last < first:
        return f"The longer the training, the lower the base_lr that suits best ({shown} epochs): try less."
    if last > first:
        return f"The longer the training, the higher the base_lr that suits best ({shown} epochs): try more."
    if last != 1:
        horizon = max(factors)
        values = [num(_mean(found, found.winner, horizon, factor)) for factor in (last, 1.0)]
        return (
            f"Another base_lr suits longer trainings better ({shown} epochs; at {horizon}, {found.result.metric} "
            f"{values[0]} against {values[1]} at its own): try {last:g} times as much."
        )
    return f"The best base_lr stays where it is, within a factor of two ({shown} epochs)."


def caution(result: SearchResult, epochs: float) -> str:
    """A sentence for whoever takes a schedule to another length; empty at the search's own."""
    if epochs == result.epochs:
        return ""
    if found := longer(result, epochs):
        return " ".join(found.sentences)
    return (
        f"It was searched over {result.epochs} epochs; whether it is as good over {epochs:g} was not measured "
        f"(lrsearch transfer does that)."
    )


def _mean(found: Transfer, trial: int, horizon: int, factor: float) -> float:
    values = found.values(trial, horizon, factor).values()
    return fmean(values) if values else math.nan


def text_table(found: Longer) -> list[str]:
    """The rows as aligned lines for a terminal."""
    names = [f"{r.name} (trial {r.trial})" + (f", base_lr x {r.factor:g}" if r.factor != 1 else "") for r in found.rows]
    wide = max(map(len, names))
    head = " " * wide + "".join(f"{h:>10}" for h in found.horizons) + "  epochs"
    lines = ["".join(f"{num(m):>10}" for m in row.means) for row in found.rows]
    return [head, *(f"{name:<{wide}}{line}" for name, line in zip(names, lines, strict=True))]
