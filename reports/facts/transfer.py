"""What runs over longer horizons say, in words and as table rows."""

from __future__ import annotations

import math
from statistics import fmean
from typing import NamedTuple

from ...errors import StudyError
from ...search import Outlook, SearchResult, Transfer
from .marks import title
from .numbers import num, together

COLLAPSE = 2.0
"""A mean this many times as bad is a collapse."""


class LongerRow(NamedTuple):
    """One schedule: its mean at every horizon, NaN where it was not trained; at another base_lr, `factor` is not 1."""

    name: str
    trial: int
    factor: float
    means: tuple[float, ...]


class Longer(NamedTuple):
    """The section: horizons in `units`, a row for each schedule, seeds, and sentences."""

    horizons: tuple[int, ...]
    rows: tuple[LongerRow, ...]
    seeds: int
    sentences: tuple[str, ...]
    units: str


def longer(result: SearchResult, epochs: float | None = None) -> Longer | None:
    """What is known of longer trainings, looked at for so many epochs, by default the longest measured.

    None if nothing was measured.
    """
    try:
        transfer = Transfer(result)
    except StudyError:
        return None
    if not result.transfer or not transfer.horizons:
        return None
    epochs = epochs or transfer.horizons[-1]
    arms = [
        (transfer.winner, 1.0),
        *((t, 1.0) for t in transfer.others),
        (transfer.winner, 0.5),
        (transfer.winner, 2.0),
    ]
    rows = tuple(
        LongerRow(title(result.trial(t)), t, f, tuple(_mean(transfer, t, h, f) for h in transfer.horizons))
        for t, f in arms
    )
    sentences = [outlook_sentence(transfer.outlook(t, epochs), result) for t in transfer.others]
    sentences += [drift_sentence(transfer), *filter(None, [length_sentence(transfer)])]
    return Longer(tuple(transfer.horizons), rows, len(transfer.seeds), tuple(sentences), result.counting.units)


def outlook_sentence(o: Outlook, result: SearchResult) -> str:
    """What to expect of the finalist against another schedule after so many epochs."""
    rival = _named(result, o.rival)
    if o.word == "diverges":
        return f"The finalist is not safe at longer trainings: it diverged in one. Use {rival}."
    if not math.isfinite(o.low):
        measured = ", ".join(f"{gap:+.2g} at {result.counting.many(horizon)}" for horizon, gap in o.gaps.items())
        return f"Against {rival}, too few runs to say how it goes on; measured: {measured}."
    word = {
        "holds": "the finalist should stay ahead",
        "turns round": f"{rival} should be ahead: use that one",
        "closes": "the lead is predicted to be gone, though it was there at every length measured",
        "open": "either could win",
    }[o.word]
    against = "" if o.word == "turns round" else f", against {rival},"
    return (
        f"At {result.counting.many(o.epochs)}{against} {word}: predicted difference in {result.metric} "
        f"{o.expected:+.2g} ({o.low:+.2g} to {o.high:+.2g})."
    )


def drift_sentence(transfer: Transfer) -> str:
    """Which multiple of the finalist's base_lr did best at the lengths measured, and what to do."""
    factors = transfer.best_factors()
    if len(factors) < 2:
        return "Too few runs to say whether base_lr has to change with the length."
    return f"{_advice(transfer, factors)}{_collapse(transfer)}"


def _advice(transfer: Transfer, factors: dict[int, float]) -> str:
    many, units = transfer.result.counting.many, transfer.result.counting.units
    first, *_, last = factors.values()
    if set(factors.values()) == {1.0}:
        return "Keep base_lr: half and double were worse at every length."
    if len(set(factors.values())) == 1:
        gains = [f"{_shown(transfer, h, first)} against {_shown(transfer, h, 1.0)} at {many(h)}" for h in factors]
        return f"Take {first:g} times its base_lr, which did best at every length ({', '.join(gains)})."
    shown = ", ".join(f"{factor:g} times at {horizon}" for horizon, factor in factors.items())
    if last == first:
        return f"No trend: the base_lr that did best went up and down ({shown} {units})."
    way, advice = ("lower", "less") if last < first else ("higher", "more")
    return f"The longer the training, the {way} the base_lr that did best ({shown} {units}): try {advice}."


def _collapse(transfer: Transfer) -> str:
    """Whether twice the base_lr makes training collapse at any length."""
    collapsed = {}
    for horizon in transfer.horizons:
        mean, double = (_mean(transfer, transfer.winner, horizon, f) for f in (1.0, 2.0))
        worse = double < mean / COLLAPSE if transfer.result.maximize else double > COLLAPSE * mean > 0
        if worse:
            collapsed[horizon] = num(double) if math.isfinite(double) else "diverged"
    shown = ", ".join(f"{value} at {horizon}" for horizon, value in collapsed.items())
    return f" Double it and training collapses ({shown} {transfer.result.counting.units})." if collapsed else ""


def _shown(transfer: Transfer, horizon: int, factor: float) -> str:
    return num(_mean(transfer, transfer.winner, horizon, factor))


def length_sentence(transfer: Transfer) -> str:
    """Whether the finalist gets worse with the length, which is overfitting as a rule; empty if it does not."""
    means = {h: m for h in transfer.horizons if not math.isnan(m := _mean(transfer, transfer.winner, h, 1.0))}
    if len(means) < 2:
        return ""
    first, *_, last = means.values()
    if last >= first if transfer.result.maximize else last <= first:
        return ""
    start, end = together(first, last, apart=last - first)
    metric, shortest = transfer.result.metric, transfer.result.counting.many(min(means))
    return f"Longer is not better here: {metric} {start} at {shortest}, {end} at {max(means)}."


def _named(result: SearchResult, trial: int) -> str:
    record = result.trial(trial)
    return f"{title(record)} (trial {trial})"


def caution(result: SearchResult, epochs: float) -> str:
    """A sentence for whoever takes a schedule to another length; empty at the search's own."""
    if epochs == result.horizon:
        return ""
    if table := longer(result, epochs):
        return " ".join(table.sentences)
    return (
        f"It was searched over {result.counting.many(result.horizon)}; whether it is as good over {epochs:.10g} was "
        f"not measured (lrsearch transfer does that)."
    )


def _mean(transfer: Transfer, trial: int, horizon: int, factor: float) -> float:
    values = transfer.values(trial, horizon, factor).values()
    return fmean(values) if values else math.nan


def text_table(table: Longer) -> list[str]:
    """The rows as aligned lines for a terminal."""
    names = [f"{r.name} (trial {r.trial})" + (f", base_lr x {r.factor:g}" if r.factor != 1 else "") for r in table.rows]
    wide = max(map(len, names))
    head = " " * wide + "".join(f"{h:>10}" for h in table.horizons) + f"  {table.units}"
    lines = ["".join(f"{num(m):>10}" for m in row.means) for row in table.rows]
    return [head, *(f"{name:<{wide}}{line}" for name, line in zip(names, lines, strict=True))]
