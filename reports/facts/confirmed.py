"""What the runs on fresh seeds say of the winner, in words, as table rows and as JSON-ready facts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ...search import ALPHA, Confirmation, Duel, SearchResult, TrialRecord
from .marks import title
from .tables import num


class ConfirmedRow(NamedTuple):
    """One schedule of the comparison.

    Attributes:
        name: The baseline's name, or "searched".
        trial: Its trial in the search.
        role: "winner", "baseline", or "not chosen": it did worse on the seeds that choose.
        searched: Its value in the search.
        mean: Its mean over the seeds that judge, else over those that choose; NaN without any.
        seeds: How many seeds that are.
        difference: Winner minus this one over equal seeds with its interval, in words; empty for the winner.
        test: Mean test metrics by name.
    """

    name: str
    trial: int
    role: str
    searched: float | None
    mean: float
    seeds: int
    difference: str
    test: dict[str, float]


def verdict_of(result: SearchResult) -> str:
    """The verdict in a sentence or two; empty if nothing was confirmed."""
    found = result.confirmation
    if found is None or found.word == "open" or found.winner is None:
        return ""
    if found.ignores_seed:
        return (
            "Confirmation says nothing: the objective gave the very same value for every seed. "
            "Seed weights and batch order from run.seed."
        )
    duels = {"better": found.duels, "worse": [d for d in found.duels if d.result == "worse"]}.get(
        found.word, [d for d in found.duels if d.result == "open"]
    )
    against = " and ".join(f"{result.trial(d.rival).baseline} ({_gap(d, result)})" for d in duels)
    seeds = f"on {max(d.seeds for d in duels)} fresh seeds"
    if found.word == "better":
        return f"The searched schedule is better than {against}, {seeds}."
    if found.word == "worse":
        return f"The searched schedule is worse than the baseline {against}, {seeds}: use the baseline."
    return (
        f"The searched schedule is not distinguishable from {against}, {seeds}: "
        "use the baseline, which is simpler, at the rate that the search found for it, or search on."
    )


def sureness(result: SearchResult) -> str:
    """What the verdict rests on, in plain words; empty if nothing was confirmed."""
    found = result.confirmation
    if found is None or found.word == "open" or found.winner is None:
        return ""
    contest = found.contest
    chosen = (
        f"Seeds {contest.choosing[0]} to {contest.choosing[-1]} chose who is compared; other seeds judged. "
        if contest.choosing
        else ""
    )
    lucky = result.trial(found.winner).value
    return (
        f"{chosen}Every schedule was trained on the same seeds for weights and batch order, all new to it, "
        f'and the differences are paired. "Better" and "worse" are each wrong in at most {ALPHA:.0%} of cases, '
        "whenever one looks; the intervals are of that kind, and assume that the differences are about normal. "
        f"The value to expect of the searched schedule is {num(found.mean(found.winner))}, its mean on fresh seeds; "
        f"in the search it had {num(lucky)}, one run among many that could be lucky."
    ).replace("%", "\u00a0%")


def standing(result: SearchResult, trial: TrialRecord) -> str:
    """What the search says of one trial: the verdict if it was judged, else that it was not; and which one to use."""
    found, known = result.confirmation, result.ranking
    best = result.best if known else None
    chosen = (
        f"The search recommends trial {best.number} ({title(best)})." if best and best.number != trial.number else ""
    )
    said = ""
    if found is not None and found.winner is not None:
        if trial.number in (found.winner, *found.rivals):
            said = verdict_of(result)
        elif trial.number in (*found.contest.candidates, *found.contest.baselines):
            said = f"Trial {trial.number} was dropped after {len(found.contest.choosing)} selection seeds."
        else:
            said = f"Trial {trial.number} was not confirmed on fresh seeds."
    return " ".join(part for part in (said, chosen) if part)


def confirmed_rows(result: SearchResult) -> tuple[ConfirmedRow, ...]:
    """The winner, the baselines it met, and those that were not chosen."""
    found = result.confirmation
    if found is None or found.winner is None:
        return ()
    duels = {d.rival: d for d in found.duels}
    contest = found.contest
    order = [found.winner, *found.rivals, *contest.candidates, *contest.baselines]
    return tuple(_row(result, found, trial, duels.get(trial)) for trial in dict.fromkeys(order))


def facts(result: SearchResult) -> dict[str, Any] | None:
    """The verdict for programs; None if nothing was confirmed."""
    found = result.confirmation
    if found is None or found.word == "open":
        return None
    return {
        "verdict": found.word,
        "in_words": verdict_of(result),
        "finalist": found.winner,
        "recommended": found.recommended,
        "alpha": ALPHA,
        "against": [
            {
                "baseline": result.trial(d.rival).baseline,
                "trial": d.rival,
                "seeds": d.seeds,
                "difference": _finite(d.difference),
                "low": _finite(d.low),
                "high": _finite(d.high),
                "result": d.result,
            }
            for d in found.duels
        ],
        "runs": [
            {"trial": r.trial, "mean": _finite(r.mean), "seeds": r.seeds, "searched": r.searched, "test": r.test}
            for r in confirmed_rows(result)
        ],
    }


def _row(result: SearchResult, found: Confirmation, trial: int, duel: Duel | None) -> ConfirmedRow:
    judged = found.judged(trial)
    values = judged or found.values(trial, found.contest.choosing)
    record = result.trial(trial)
    role = "winner" if trial == found.winner else "baseline" if trial in found.rivals else "not chosen"
    mean = math.fsum(values.values()) / len(values) if values else math.nan
    gap = _gap(duel, result) if duel and duel.seeds else ""
    return ConfirmedRow(
        record.baseline or "searched", trial, role, record.value, mean, len(values), gap, found.test(trial)
    )


def _gap(d: Duel, result: SearchResult) -> str:
    """The difference in words: ``0.012 lower, 0.004 to 0.02``; both ends signed if zero lies between."""
    if not math.isfinite(d.difference):
        return "the searched schedule diverged"
    word = "higher" if d.difference > 0 else "lower"
    ends = sorted(map(abs, (d.low, d.high)))
    if d.low < 0 < d.high:
        between = f"from {-d.low:.2g} lower to {d.high:.2g} higher"
    else:
        between = f"{ends[0]:.2g} to {ends[1]:.2g}"
    return f"{result.metric} {abs(d.difference):.2g} {word}, {between}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
