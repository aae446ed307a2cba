"""The first screen in facts: what to use, what to expect of it, how sure that is, and where the gain comes from."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ...search import SearchResult, TrialRecord
from ...search.results.latitude import latitude
from ...spaces import amount
from .cautions import Caution, cautions
from .comparison import Finding, Paired
from .gain import Gain, gain
from .marks import finalist, recommended
from .numbers import param, plural, rate
from .verdict import Expected, OnTestData, checks_on_test_data, expected, findings, verdict_of

TOO_FEW = 5
"""With fewer searched trials than this that ended, it is too early to say anything."""

State = Literal["no trial", "too early", "not confirmed"] | Finding


class Headline(NamedTuple):
    """The first screen.

    Attributes:
        state: What is known: a finding of the confirmation, or why there is none.
        title: What to do, in one sentence.
        trial: The recommended trial; None if no trial is complete.
        rival: The trial that it is shown beside: the finalist if a baseline is recommended, else the baseline that
            comes closest; None if there is none.
        expected: What to expect of the recommended trial; None if no trial is complete.
        verdict: The verdict in a sentence or two, or why there is none.
        paired: Finalist minus baseline, with an interval and a difference for every seed; None without a verdict.
        tests: The same for every test metric.
        cautions: What to be careful about, the gravest first.
        latitude: That the schedule hardly matters here, and the base_lr that does; empty if it matters, or who knows.
        gain: Where the gain comes from; None if no untuned schedule was trained.
    """

    state: State
    title: str
    trial: int | None
    rival: int | None
    expected: Expected | None
    verdict: str
    paired: Paired | None
    tests: tuple[OnTestData, ...]
    cautions: tuple[Caution, ...]
    latitude: str
    gain: Gain | None


def headline(result: SearchResult) -> Headline:
    """The first screen of a search."""
    best, known = recommended(result), findings(result)
    if best is None:
        return Headline("no trial", no_answer(result), None, None, None, "", None, (), (), "", None)
    if early := too_early(result):
        return Headline("too early", early, best.number, None, expected(result), "", None, (), (), "", None)
    return Headline(
        known[0][1] if known else "not confirmed",
        use(best),
        best.number,
        _rival(result, best),
        expected(result),
        verdict_of(result) or "Not confirmed on fresh seeds: every value comes from one run.",
        known[0][0] if known else None,
        checks_on_test_data(result),
        cautions(result),
        hardly_matters(result),
        gain(result),
    )


def use(best: TrialRecord) -> str:
    """What to do: ``Use a poly schedule, base_lr 0.39 (warm-up 2 of 20 epochs).``"""
    schedule = best.schedule
    assert schedule is not None
    family = schedule.family
    noun = "constant rate" if family == "constant" else f"{family} schedule"
    warmup = f"warm-up {param(schedule.warmup)} of" if schedule.warmup else "no warm-up,"
    article = "an" if noun[0] in "aeiou" else "a"
    shares = "".join(f", {rate(share)} times that for {group}" for group, share in schedule.multipliers.items())
    length = amount(schedule.horizon, schedule.unit)
    return f"Use {article} {noun}, base_lr {rate(schedule.base_lr)}{shares} ({warmup} {length})."


def too_early(result: SearchResult) -> str:
    """Why nothing can be said yet; empty if something can."""
    if result.confirmation is not None:
        return ""
    searched = [t for t in result.trials if not t.baseline and t.outcome in ("complete", "pruned", "diverged")]
    if len(searched) >= TOO_FEW:
        return ""
    ended = [t for t in result.trials if t.outcome in ("complete", "pruned", "diverged")]
    if not searched:
        what = "the untuned baseline" if len(ended) == 1 else "all of them baselines"
        return f"Too early to say: {plural(len(ended), 'trial')}, {what}."
    return f"Too early to say: {plural(len(searched), 'searched trial')}."


def no_answer(result: SearchResult) -> str:
    """Why there is no answer at all."""
    counts = result.counts()
    if not counts:
        return "There is no answer yet: the study has no trials."
    if set(counts) == {"diverged"}:
        return "There is no answer: every trial diverged. Lower the range of base_lr and search again."
    if set(counts) == {"failed"}:
        return "There is no answer: every trial failed. The reasons are listed below."
    return "There is no answer yet: no trial has trained to the end. A larger budget, or no pruner, gives one."


def hardly_matters(result: SearchResult) -> str:
    """Whether any schedule does, within a range of base_lr; empty if the schedule matters, or nobody knows."""
    around = latitude(result)
    if around is None:
        return ""
    return (
        f"Here the schedule hardly matters beyond base_lr: the {len(around.trials)} schedules that were tried from "
        f"{rate(around.low)} to {rate(around.high)}, some that hold their rate and some that decay, differ "
        "little more than seeds do."
    )


def _rival(result: SearchResult, best: TrialRecord) -> int | None:
    known, searched = findings(result), finalist(result)
    if searched is not None and searched.number != best.number:
        return searched.number
    if known:
        return known[0][0].baseline
    others = [t.number for t in result.ranking if t.baseline and t.number != best.number]
    return next(iter(others), None)
