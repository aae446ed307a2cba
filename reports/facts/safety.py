"""How safe the confirmed schedule is: what its runs cannot exclude, and whether it is near rates that diverged."""

from __future__ import annotations

from typing import Any

from ...search import Confirmation, SearchResult
from .numbers import num


def safety(result: SearchResult) -> str:
    """Sentences about a finalist that is better; empty without one."""
    found = result.confirmation
    if found is None or found.winner is None or found.word != "better":
        return ""
    return " ".join(part for part in (_spikes(found, found.winner), _edge(result, found, found.winner)) if part)


def nothing_confirmed(found: Confirmation) -> bool:
    """Whether every fresh run of the recommended schedule diverged or failed."""
    best = found.recommended
    return best is not None and 0 < len(found.ended(best)) == len(found.bad_runs(best))


def safety_facts(found: Confirmation) -> dict[str, Any]:
    """The same for programs."""
    winner = found.winner
    margin = None if winner is None else found.margin(winner)
    return {
        "level": found.contest.level,
        "bad_runs": {str(t): len(found.bad_runs(t)) for t in (winner, *found.rivals) if t is not None},
        "spiked_on": {str(t): list(seeds) for t, seeds in found.spiked.items()},
        "unseen_risk": None if winner is None else round(found.unseen_risk(winner), 4),
        "margin_to_divergence": margin if margin and margin < float("inf") else None,
        "near_edge": winner is not None and found.near_edge(winner),
        "lower": list(found.contest.lower),
    }


def _spikes(found: Confirmation, winner: int) -> str:
    if seeds := found.spiked.get(winner):
        return f"It spiked in {len(seeds)} of its {len(found.ended(winner))} runs."
    risk = f"{found.unseen_risk(winner):.0%}".replace("%", "\u00a0%")
    return f"No run of {len(found.judged(winner))} spiked; a risk of up to {risk} cannot be excluded."


def _edge(result: SearchResult, found: Confirmation, winner: int) -> str:
    if not found.near_edge(winner):
        return ""
    factor = found.margin(winner)
    rate = f"within a factor of {factor:.2g} of its base_lr" if factor > 1 else "at its base_lr or less"
    text = f"It is near the edge: a schedule {rate} diverged or spiked."
    lower = result.trial(found.contest.lower[0]).schedule if found.contest.lower else None
    if lower is None:
        return text
    if found.safer is None:
        return f"{text} At base_lr {num(lower.base_lr)} it was judged, too: not proven better, or behind this one."
    return f"{text} At base_lr {num(lower.base_lr)} it beats the baseline, too: use that."
