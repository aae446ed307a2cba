"""The answer in words: what won, by how much, how sure that is, and what to be careful about."""

from __future__ import annotations

from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from ...spaces import get_family
from .confirmed import ConfirmedRow, confirmed_rows, sureness, verdict_of
from .marks import recommended
from .tables import CLOSE, Comparison, Edge, Setting, close_calls, comparisons, edges, num, settings


class Answer(NamedTuple):
    """The first section of the report; `family` is empty when no trial is complete."""

    family: str
    summary: str
    trial: int | None
    value: str
    settings: tuple[Setting, ...]
    verdict: str
    certainty: str
    tally: str
    comparisons: tuple[Comparison, ...]
    confirmed: tuple[ConfirmedRow, ...]
    edges: tuple[Edge, ...]


def answer(result: SearchResult) -> Answer:
    """The answer of a search in words and numbers; says so plainly when there is none."""
    best = recommended(result)
    if best is None or best.schedule is None:
        return Answer("", "", None, "–", (), _no_answer(result), "", tally(result), (), (), ())
    found = comparisons(result)
    return Answer(
        best.schedule.family,
        get_family(best.schedule.family).summary,
        best.number,
        num(best.value),
        settings(best.schedule),
        verdict_of(result) or verdict(result, best, found),
        sureness(result) or certainty(result),
        tally(result),
        found,
        confirmed_rows(result),
        edges(result),
    )


def verdict(result: SearchResult, best: TrialRecord, found: tuple[Comparison, ...]) -> str:
    """One sentence: the recommended trial's value against the best baseline."""
    reached = f"{result.metric} {num(best.value)} after {_plural(best.epochs, 'epoch')}"
    known = [c for c in found if c.value is not None]
    if best.baseline:
        return f"{reached}. No searched schedule beat this baseline ({best.baseline}), so it is the best trial."
    if not known:
        why = "no baseline finished" if found else "the study has no baselines"
        return f"{reached}. There is nothing to compare it with: {why}."
    sign = -1 if result.maximize else 1
    rival = min(known, key=lambda c: sign * (c.value or 0.0))
    if not rival.difference:
        return f"{reached}, the same as the best baseline ({rival.name}, {num(rival.value)})."
    word = "higher" if rival.difference > 0 else "lower"
    amount = (
        f"{abs(rival.percent):.3g} % {word}" if rival.percent is not None else f"{num(abs(rival.difference))} {word}"
    )
    return f"{reached}: {amount} than the best baseline ({rival.name}, {num(rival.value)})."


def certainty(result: SearchResult) -> str:
    """How far the answer can be trusted, in plain words."""
    seed = f"seed {result.settings['seed']}" if "seed" in result.settings else "a single seed"
    text = f"Every value comes from one run with {seed} and is not yet confirmed on fresh seeds."
    tried = len(result.ranking)
    if tried > 1:
        text += f" The best of {tried} noisy trials is partly lucky, so expect a smaller gap when you train again."
    if near := close_calls(result):
        verb = "comes" if near == 1 else "come"
        text += f" {_plural(near, 'other trial')} {verb} within {CLOSE:.0%} of it.".replace("%", "\u00a0%")
    return text


def tally(result: SearchResult) -> str:
    """How many trials ended which way: ``30 trials: 12 complete, 18 pruned``."""
    counts = ", ".join(f"{n} {outcome}" for outcome, n in result.counts().items())
    epochs = sum(t.epochs for t in result.trials)
    fresh = sum(t.epochs for t in result.confirming)
    runs = f"; {_plural(len(result.confirming), 'run')} on fresh seeds" if result.confirming else ""
    counted = f"{_plural(len(result.trials), 'trial')}{f': {counts}' if counts else ''}"
    return f"{counted}{runs}; {_plural(epochs + fresh, 'epoch')} trained"


def _no_answer(result: SearchResult) -> str:
    counts = result.counts()
    if not counts:
        return "There is no answer yet: the study has no trials."
    if set(counts) == {"diverged"}:
        return "There is no answer: every trial diverged. Lower the range of base_lr and search again."
    if set(counts) == {"failed"}:
        return "There is no answer: every trial failed. The reasons are listed below."
    return "There is no answer yet: no trial has trained to the end. A larger budget, or no pruner, gives one."


def _plural(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"
