"""What to be careful about: ends of ranges, rates close to divergence, test data that disagree."""

from __future__ import annotations

from typing import NamedTuple

from ...search import SearchResult, TrialRecord, changed_between
from .edges import every_edge
from .marks import recommended
from .numbers import num, plural
from .verdict import checks_on_test_data

NEAR = 2.0
"""A divergence at this many times the recommended base_lr, or less, is worth a word."""


class Caution(NamedTuple):
    """One thing to be careful about.

    Attributes:
        kind: "code", "test", "diverges", "edge".
        text: One or two sentences.
        toml: A line for a space file that mends it; empty if none does.
    """

    kind: str
    text: str
    toml: str


def cautions(result: SearchResult) -> tuple[Caution, ...]:
    """Everything to be careful about, the gravest first; empty if no trial is complete."""
    best = recommended(result)
    if best is None:
        return ()
    edges = [Caution("edge", edge.text, edge.toml) for edge in every_edge(result)]
    tests = [Caution("test", f.text, "") for f in checks_on_test_data(result) if f.contradicts]
    return (*_code(result), *tests, *_divergence(result, best), *edges)


def _code(result: SearchResult) -> list[Caution]:
    """Whether the trials ran different versions of the objective's code."""
    changed = changed_between(result)
    if not changed:
        return []
    text = (
        f"The code was changed between the sessions of this search ({', '.join(changed)}): its trials may not compare."
    )
    return [Caution("code", text, "")]


def _divergence(result: SearchResult, best: TrialRecord) -> list[Caution]:
    """Whether the schedule was seen to diverge, or a trial at a rate not much higher was."""
    assert best.schedule is not None
    base_lr = best.schedule.base_lr
    for factor in _factors(result, best):
        return [Caution("diverges", f"At {num(factor)} times this base_lr it diverges.", "")]
    near = [
        t.schedule.base_lr / base_lr
        for t in result.trials
        if t.outcome == "diverged" and t.schedule and base_lr <= t.schedule.base_lr <= NEAR * base_lr
    ]
    if not near:
        return []
    above = [t for t in result.trials if t.schedule and base_lr <= t.schedule.base_lr <= NEAR * base_lr]
    ended = sum(t.outcome in ("complete", "pruned") and t.number != best.number for t in above)
    text = (
        f"{plural(len(near), 'trial')} diverged at {num(NEAR)} times this base_lr or less "
        f"(the lowest at {min(near):.2g} times), {ended} did not: do not raise it."
    )
    return [Caution("diverges", text, "")]


def _factors(result: SearchResult, best: TrialRecord) -> list[float]:
    """At how many times its base_lr the trial's own schedule diverged in longer trainings, the smallest first."""
    assert best.schedule is not None
    diverged = [t for t in result.transfer if t.confirms == best.number and t.outcome == "diverged" and t.schedule]
    factors = {float(f"{t.schedule.base_lr / best.schedule.base_lr:.2g}") for t in diverged if t.schedule}
    return sorted(f for f in factors if f > 1)
