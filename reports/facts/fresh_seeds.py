"""What the runs on fresh seeds say, as table rows, as JSON-ready facts, and of a single trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import stdev
from typing import Any, Literal, NamedTuple

from ...search import ALPHA, Confirmation, SearchResult, TrialRecord
from .comparison import Paired
from .marks import finalist, label, title
from .safety import safety_facts
from .verdict import deciding, expected, findings, judged, verdict_of

Role = Literal["finalist", "lower", "baseline", "dropped"]


class Mean(NamedTuple):
    """A mean over seeds: NaN without any, infinite after a divergence; the sd is NaN for fewer than two."""

    value: float
    sd: float
    seeds: int


class ConfirmedRow(NamedTuple):
    """One schedule of the comparison.

    Attributes:
        name: The baseline's name, or its family.
        trial: Its trial in the search.
        label: Its marks in words.
        role: "lower" is the finalist at a lower base_lr, "dropped" did worse on the selection seeds.
        searched: Its value in the search.
        selection: Over the seeds that picked the finalists.
        deciding: Over the seeds that decided.
        difference: Finalist minus this one over equal seeds with its interval, in words; empty for the finalist.
        test: Mean test metrics by name.
    """

    name: str
    trial: int
    label: str
    role: Role
    searched: float | None
    selection: Mean
    deciding: Mean
    difference: str
    test: dict[str, float]

    @property
    def mean(self) -> float:
        """Over the seeds that decided, else over those that picked the finalists."""
        return (self.deciding if self.deciding.seeds else self.selection).value

    @property
    def seeds(self) -> int:
        """How many seeds `mean` is over."""
        return self.deciding.seeds or self.selection.seeds


def standing(result: SearchResult, trial: TrialRecord) -> str:
    """What the search says of one trial: the verdict if it was judged, else that it was not; and which one to use."""
    confirmation = result.confirmation
    best = result.best if result.ranking else None
    chosen = (
        f"The search recommends trial {best.number} ({title(best)})." if best and best.number != trial.number else ""
    )
    said = ""
    if confirmation is not None and confirmation.winner is not None:
        if trial.number in (confirmation.winner, *confirmation.contest.lower, *confirmation.rivals):
            said = verdict_of(result)
        elif trial.number in (*confirmation.contest.candidates, *confirmation.contest.baselines):
            said = f"Trial {trial.number} was dropped after {len(confirmation.contest.choosing)} selection seeds."
        else:
            said = f"Trial {trial.number} was not confirmed on fresh seeds."
    return " ".join(part for part in (said, chosen) if part)


def confirmed_rows(result: SearchResult) -> tuple[ConfirmedRow, ...]:
    """The finalist, itself at a lower base_lr, the baselines it met, and those that were dropped."""
    confirmation = result.confirmation
    if confirmation is None or confirmation.winner is None:
        return ()
    met = {p.baseline: p for p, _ in findings(result)}
    contest = confirmation.contest
    order = dict.fromkeys(
        [confirmation.winner, *contest.lower, *confirmation.rivals, *contest.candidates, *contest.baselines]
    )
    return tuple(_row(result, confirmation, trial, met.get(trial)) for trial in order)


def _row(result: SearchResult, confirmation: Confirmation, trial: int, met: Paired | None) -> ConfirmedRow:
    record = result.trial(trial)
    roles: dict[int, Role] = {
        **dict.fromkeys(confirmation.contest.lower, "lower"),
        **dict.fromkeys(confirmation.rivals, "baseline"),
        **({} if confirmation.winner is None else {confirmation.winner: "finalist"}),
    }
    role = roles.get(trial, "dropped")
    gap = f"dropped after {len(confirmation.contest.choosing)} selection seeds" if role == "dropped" else ""
    return ConfirmedRow(
        title(record),
        trial,
        label(result, record),
        role,
        record.value,
        _mean(confirmation.values(trial, confirmation.contest.choosing)),
        _mean(confirmation.judged(trial)),
        _gap(met) if met and met.seeds else gap,
        confirmation.test(trial),
    )


def _gap(p: Paired) -> str:
    """The difference in words: ``12 % lower (2 to 22 %)``."""
    return "the searched schedule diverged" if math.isnan(p.difference) else f"{p.amount()} ({p.reach()})"


def _mean(by_seed: Mapping[int, float]) -> Mean:
    values = list(by_seed.values())
    finite = all(map(math.isfinite, values))
    mean = math.fsum(values) / len(values) if values else math.nan
    return Mean(mean, stdev(values) if finite and len(values) > 1 else math.nan, len(values))


def facts(result: SearchResult) -> dict[str, Any] | None:
    """The verdict for programs; None if nothing was confirmed."""
    confirmation, duel, best = result.confirmation, deciding(result), expected(result)
    if confirmation is None or duel is None or not judged(result):
        return None
    known = findings(result)
    chosen = finalist(result)
    return {
        "verdict": confirmation.word,
        "finding": known[0][1],
        "in_words": verdict_of(result),
        "finalist": chosen.number if chosen else None,
        "recommended": confirmation.recommended,
        "expected": {"mean": _finite(best.mean), "sd": _finite(best.sd), "seeds": best.seeds} if best else None,
        "alpha": ALPHA,
        **safety_facts(confirmation),
        "against": [
            {
                "baseline": result.trial(p.baseline).baseline,
                "trial": p.baseline,
                "seeds": p.seeds,
                "difference": _finite(p.difference),
                "low": _finite(p.low),
                "high": _finite(p.high),
                "result": next(d.result for d in confirmation.duels if d.rival == p.baseline),
                "finding": what,
            }
            for p, what in known
        ],
        "runs": [_run(r) for r in confirmed_rows(result)],
    }


def _run(row: ConfirmedRow) -> dict[str, Any]:
    return {
        "trial": row.trial,
        "mean": _finite(row.mean),
        "seeds": row.seeds,
        "searched": _finite(row.searched),
        "test": {name: _finite(value) for name, value in row.test.items()},
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
