"""How safe the confirmed schedule is: what its runs cannot exclude, and whether it is near rates that diverged."""

from __future__ import annotations

from typing import Any

from ...search import Confirmation, SearchResult
from .numbers import num


def safety(result: SearchResult) -> str:
    """Sentences about a finalist that is better; empty without one."""
    confirmation = result.confirmation
    if confirmation is None or confirmation.winner is None or confirmation.word != "better":
        return ""
    return " ".join(
        part
        for part in (_spikes(confirmation, confirmation.winner), _edge(result, confirmation, confirmation.winner))
        if part
    )


def nothing_confirmed(confirmation: Confirmation) -> bool:
    """Whether every fresh run of the recommended schedule diverged or failed."""
    best = confirmation.recommended
    return best is not None and 0 < len(confirmation.ended(best)) == len(confirmation.bad_runs(best))


def safety_facts(confirmation: Confirmation) -> dict[str, Any]:
    """The same for programs."""
    winner = confirmation.winner
    margin = None if winner is None else confirmation.margin(winner)
    return {
        "level": confirmation.contest.level,
        "bad_runs": {str(t): len(confirmation.bad_runs(t)) for t in (winner, *confirmation.rivals) if t is not None},
        "spiked_on": {str(t): list(seeds) for t, seeds in confirmation.spiked.items()},
        "unseen_risk": None if winner is None else round(confirmation.unseen_risk(winner), 4),
        "margin_to_divergence": margin if margin and margin < float("inf") else None,
        "near_edge": winner is not None and confirmation.near_edge(winner),
        "lower": list(confirmation.contest.lower),
    }


def _spikes(confirmation: Confirmation, winner: int) -> str:
    if seeds := confirmation.spiked.get(winner):
        return f"It spiked in {len(seeds)} of its {len(confirmation.ended(winner))} runs."
    risk = f"{confirmation.unseen_risk(winner):.0%}".replace("%", "\u00a0%")
    return f"No run of {len(confirmation.judged(winner))} spiked; a risk of up to {risk} cannot be excluded."


def _edge(result: SearchResult, confirmation: Confirmation, winner: int) -> str:
    if not confirmation.near_edge(winner):
        return ""
    factor = confirmation.margin(winner)
    rate = f"within a factor of {factor:.2g} of its base_lr" if factor > 1 else "at its base_lr or less"
    text = f"It is near the edge: a schedule {rate} diverged or spiked."
    lower = result.trial(confirmation.contest.lower[0]).schedule if confirmation.contest.lower else None
    if lower is None:
        return text
    if confirmation.safer is None:
        return f"{text} At base_lr {num(lower.base_lr)} it was judged, too: not proven better, or behind this one."
    return f"{text} At base_lr {num(lower.base_lr)} it beats the baseline, too: use that."
