"""The answer in words: what won, by how much, how sure that is, and what to be careful about."""

from __future__ import annotations

from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from ...spaces import get_family, in_unit
from .edges import Edge, edges
from .fresh_seeds import ConfirmedRow, confirmed_rows
from .headline import Headline, headline, no_answer
from .marks import recommended
from .numbers import num, plural
from .tables import CLOSE, Comparison, Setting, close_calls, comparisons, settings
from .verdict import sureness, verdict_of


class Answer(NamedTuple):
    """The answer; `family` is empty when no trial is complete. What the first screen says is in `headline`."""

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
    headline: Headline


def answer(result: SearchResult) -> Answer:
    """The answer of a search in words and numbers; says so plainly when there is none."""
    best = recommended(result)
    if best is None or best.schedule is None:
        return Answer("", "", None, "–", (), no_answer(result), "", tally(result), (), (), (), headline(result))
    compared, first = comparisons(result), headline(result)
    early = first.title if first.state == "too early" else ""
    return Answer(
        best.schedule.family,
        in_unit(get_family(best.schedule.family).summary, best.schedule.unit),
        best.number,
        num(best.value),
        settings(best.schedule),
        early or verdict_of(result) or verdict(result, best, compared),
        sureness(result) or certainty(result),
        tally(result),
        compared,
        confirmed_rows(result),
        edges(result),
        first,
    )


def verdict(result: SearchResult, best: TrialRecord, compared: tuple[Comparison, ...]) -> str:
    """One sentence: the recommended trial's value against the best baseline."""
    reached = f"{result.metric} {num(best.value)} after {result.counting.trained(best.epochs)}"
    known = [c for c in compared if c.value is not None]
    if best.baseline:
        return f"{reached}. No searched schedule has beaten this baseline ({best.baseline}) yet."
    if not known:
        why = "no baseline finished" if compared else "the study has no baselines"
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
    text = f"Every value comes from one run with {seed} and is not confirmed on fresh seeds."
    tried = len(result.ranking)
    if tried > 1:
        text += f" The best of {tried} noisy trials is partly lucky: expect a smaller gap when you train again."
    if near := close_calls(result):
        verb = "comes" if near == 1 else "come"
        text += f" {plural(near, 'other trial')} {verb} within {CLOSE:.0%} of it.".replace("%", "\u00a0%")
    return text


def tally(result: SearchResult) -> str:
    """How many trials ended which way: ``30 trials: 12 complete, 18 pruned``."""
    counts = ", ".join(f"{n} {outcome}" for outcome, n in result.counts().items())
    epochs = sum(t.epochs for t in result.trials)
    fresh = sum(t.epochs for t in result.confirming)
    runs = f"; {plural(len(result.confirming), 'run')} on fresh seeds" if result.confirming else ""
    counted = f"{plural(len(result.trials), 'trial')}{f': {counts}' if counts else ''}"
    settled = "; settled early" if result.settled else ""
    return f"{counted}{runs}; {result.counting.trained(epochs + fresh)} trained{settled}"
