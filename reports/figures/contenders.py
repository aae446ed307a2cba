"""Who is drawn on the first screen: the recommended trial, and the one that it is compared with."""

from __future__ import annotations

from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from ..facts.headline import headline
from ..facts.marks import recommended, title
from .theme import INK, family_color


class Contender(NamedTuple):
    """A trial with how it is drawn.

    Attributes:
        trial: The trial of the search.
        name: What it is called in legends.
        color: Of its line.
        dash: Of its line; "" for the recommended one.
        width: Of its line.
        runs: Its runs on the fresh seeds that judge, else the trial itself.
    """

    trial: TrialRecord
    name: str
    color: str
    dash: str
    width: float
    runs: tuple[TrialRecord, ...]


def contenders(result: SearchResult) -> tuple[Contender, ...]:
    """The recommended trial, then its rival if there is one; empty if no trial is complete."""
    best = recommended(result)
    if best is None or best.schedule is None:
        return ()
    shown = [Contender(best, _name(best, "recommended"), family_color(best.schedule.family), "", 3, runs(result, best))]
    rival = headline(result).rival
    other = None if rival is None else result.trial(rival)
    if other is not None and other.schedule is not None:
        shown.append(Contender(other, _name(other, _role(other)), INK, "5 4", 1.7, runs(result, other)))
    return tuple(shown)


def runs(result: SearchResult, trial: TrialRecord) -> tuple[TrialRecord, ...]:
    """The trial's complete runs on the fresh seeds that judge, else the trial itself."""
    confirmed = result.confirmation
    fresh = confirmed.runs if confirmed else ()
    judging = set(confirmed.contest.judging) if confirmed else set()
    kept = [t for t in fresh if t.confirms == trial.number and t.seed in judging and t.outcome == "complete"]
    return tuple(kept) or (trial,)


def _role(trial: TrialRecord) -> str:
    return "baseline" if trial.baseline else "best searched"


def _name(trial: TrialRecord, role: str) -> str:
    return f"{title(trial)}, trial {trial.number} ({role})"
