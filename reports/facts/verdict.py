"""The verdict in sentences: which schedule, how much better, how sure, what to expect, and what test data say."""

from __future__ import annotations

import math
from statistics import stdev
from typing import NamedTuple

from ...search import ALPHA, Duel, SearchResult, TrialRecord
from .comparison import Finding, Paired, finding, on_test_data, paired
from .marks import recommended, title
from .numbers import listed, plural, together
from .safety import nothing_confirmed, safety

OWN = "your own"


class Expected(NamedTuple):
    """What to expect of a schedule: its mean over fresh seeds.

    Attributes:
        trial: Its trial.
        mean: Mean over the seeds that judge; NaN if it was not judged, or diverged on one.
        sd: Standard deviation over them; NaN for fewer than two.
        seeds: How many they are.
        searched: Its value in the search, one run among many.
        text: All this in a sentence or two.
    """

    trial: int
    mean: float
    sd: float
    seeds: int
    searched: float | None
    text: str


class OnTestData(NamedTuple):
    """One test metric of the finalist against the baseline.

    Attributes:
        paired: The numbers.
        contradicts: Whether it points away from the recommended trial: clearly, or at all against a proven verdict.
        text: In a sentence.
    """

    paired: Paired
    contradicts: bool
    text: str


def judged(result: SearchResult) -> bool:
    """Whether there is a verdict."""
    confirmation = result.confirmation
    return confirmation is not None and confirmation.word != "open" and confirmation.winner is not None


def deciding(result: SearchResult) -> Duel | None:
    """The duel of the answer: with the recommended baseline, else with the closest one; None without a verdict."""
    confirmation = result.confirmation
    if confirmation is None or not judged(result):
        return None
    with_recommended = [d for d in confirmation.duels if d.rival == confirmation.recommended]
    return next(iter(with_recommended), confirmation.closest or confirmation.duels[0])


def findings(result: SearchResult) -> tuple[tuple[Paired, Finding], ...]:
    """Every duel with what it says, the deciding one first; empty without a verdict."""
    first = deciding(result)
    if first is None or result.confirmation is None:
        return ()
    duels = [first, *(d for d in result.confirmation.duels if d is not first)]
    return tuple((p, finding(d.result, p)) for d in duels for p in [paired(result, d)])


def verdict_of(result: SearchResult) -> str:
    """The verdict in a sentence or two; empty if nothing was confirmed."""
    confirmation = result.confirmation
    if confirmation is None or not judged(result):
        return ""
    if confirmation.ignores_seed:
        return (
            "Confirmation says nothing: the objective gave the very same value for every seed. "
            "Seed weights and batch order from run.seed."
        )
    known = findings(result)
    if confirmation.word == "better":
        return f"{_better(result, known)} {safety(result)}"
    p, what = known[0]
    if nothing_confirmed(confirmation):
        return "Nothing is confirmed: every fresh run of the recommended schedule diverged or failed. See why."
    bad = _bad(result, p.finalist, p)
    if bad and confirmation.recommended != p.finalist:
        return (
            f"{_name(result, p.finalist)} diverged or failed on {bad} of {plural(p.seeds, 'fresh seed')}: "
            f"use {_rival(result, p.baseline)}."
        )
    return _worse(result, p) if what == "worse" else _open(result, p, what)


def _better(result: SearchResult, known: tuple[tuple[Paired, Finding], ...]) -> str:
    beaten = [f"{_rival(result, p.baseline)} ({_means(p)}, {p.amount()})" for p, _ in known[1:]]
    p = known[0][0]
    if bad := _bad(result, p.baseline, p):
        others = f"; {_means(p)} on the others" if p.runs else ""
        return (
            f"{_name(result, p.finalist)} beats {_rival(result, p.baseline)}, which diverged or failed on "
            f"{bad} of {plural(p.seeds, 'fresh seed')}{others}."
        )
    also = f" It also beats {listed(beaten)}." if beaten else ""
    return (
        f"{_name(result, p.finalist)} beats {_rival(result, p.baseline)}: {_means(p)} "
        f"on {plural(p.seeds, 'fresh seed')}, {p.said()}.{also}"
    )


def _worse(result: SearchResult, p: Paired) -> str:
    return (
        f"Use {_rival(result, p.baseline)}. The best searched schedule ({_short(result, p.finalist)}) is worse: "
        f"{_means(p)} on {plural(p.seeds, 'fresh seed')}, {p.said()}."
    )


def _open(result: SearchResult, p: Paired, what: Finding) -> str:
    mine, other = p.both()
    averages = (
        f"The best searched schedule ({_short(result, p.finalist)}) averages {result.metric} {mine}, "
        f"{_rival(result, p.baseline)} {other} on {plural(p.seeds, 'fresh seed')} "
        f"(interval of the difference: {p.reach()})."
    )
    begin, end = {
        "practically the same": ("Practically the same.", "So use the simpler one."),
        "too noisy to tell": (
            "Too noisy to tell.",
            "Until more seeds or less noise settle it, use the simpler one.",
        ),
    }.get(what, ("No gain proven.", "So use the simpler one; a larger budget may settle it."))
    if result.confirmation and result.confirmation.recommended == p.finalist:
        end = "Use the searched one: the baseline diverged or failed more often, or is nearer to rates that diverge."
    return f"{begin} {averages} {end}"


def sureness(result: SearchResult) -> str:
    """What the verdict rests on, in plain words; empty if nothing was confirmed."""
    confirmation = result.confirmation
    if confirmation is None or not judged(result):
        return ""
    contest = confirmation.contest
    seeds = [f"Seeds {contest.judging[0]} to {contest.judging[-1]} decided"]
    if contest.choosing:
        seeds = [f"Seeds {_span(contest.choosing)} picked the finalists, seeds {_span(contest.judging)} decided"]
    return (
        f"{seeds[0]}; none of them was used in the search. On each seed all schedules get the same weights and batch "
        f"order, so their differences are paired. A schedule is called better (or worse) only if the risk of error is "
        f"under {100 * contest.level:.3g}%, although we look more than once, and under {ALPHA:.0%} in all "
        "confirmations of this study together. This holds if one schedule's noise is about as skewed as the other's; "
        "if only one is skewed, and strongly, up to 5.7% were measured in simulations."
    ).replace("%", "\u00a0%")


def expected(result: SearchResult, trial: TrialRecord | None = None) -> Expected | None:
    """What to expect of a trial, by default the recommended one; None if no trial is complete."""
    record = trial or recommended(result)
    if record is None:
        return None
    confirmation = result.confirmation
    values = list(confirmation.judged(record.number).values()) if confirmation else []
    finite = len(values) > 0 and all(map(math.isfinite, values))
    mean = math.fsum(values) / len(values) if finite else math.nan
    sd = stdev(values) if finite and len(values) > 1 else math.nan
    text = _expectation(result, record, mean, sd, len(values))
    return Expected(record.number, mean, sd, len(values), record.value, text)


def _expectation(result: SearchResult, record: TrialRecord, mean: float, sd: float, seeds: int) -> str:
    value = record.value
    if math.isnan(mean):
        if value is None or not math.isfinite(value):
            return ""
        once = f"{result.metric} {together(value)[0]} in the search, in one run with one seed"
        lucky = len(result.ranking) > 1 and not record.baseline
        return f"{once}: expect it to be somewhat {'lower' if result.maximize else 'higher'}." if lucky else f"{once}."
    spread = f" ± {together(mean, sd)[1]}" if sd and not math.isnan(sd) else ""
    text = f"Expect {result.metric} {together(mean)[0]}{spread} ({plural(seeds, 'fresh seed')})."
    if value is None or not math.isfinite(value):
        return text
    searched = together(value, apart=mean - value)[0]
    fluke = not math.isnan(sd) and (value - mean if result.maximize else mean - value) > sd
    return f"{text} The {searched} of the search was a lucky run." if fluke else f"{text} In the search: {searched}."


def checks_on_test_data(result: SearchResult) -> tuple[OnTestData, ...]:
    """Every test metric of the finalist against the deciding baseline; empty without a verdict or test data."""
    confirmation, duel = result.confirmation, deciding(result)
    if confirmation is None or duel is None:
        return ()
    best = "baseline" if confirmation.recommended in confirmation.rivals else "finalist"
    val, proven = paired(result, duel), confirmation.word in ("better", "worse")
    rows = []
    for p in on_test_data(result, duel):
        against = bool(p.favours) and p.favours != best and (p.clear or proven)
        rows.append(OnTestData(p, against, _on_test(p, val, contradicts=against)))
    return tuple(rows)


def _on_test(p: Paired, val: Paired, *, contradicts: bool) -> str:
    mine, other = p.both()
    if not contradicts:
        return f"On test data: {p.metric} {mine} (searched) against {other} (baseline), {p.said()}."
    word = "higher" if p.difference > 0 else "lower"
    count = sum((gap > 0) == (p.difference > 0) and gap != 0 for _, gap in p.runs)
    val_word = "higher" if val.difference > 0 else "lower"
    val_count = sum((gap > 0) == (val.difference > 0) and gap != 0 for _, gap in val.runs)
    lead = (
        f"On test data: {p.metric} {mine} (searched) against {other} (baseline), {word} on {count} of "
        f"{plural(len(p.runs), 'seed')} ({val.metric}: {val_word} on {val_count} of {len(val.runs)})"
    )
    return f"{lead}: {'they contradict the verdict' if p.clear else 'the verdict is not confirmed there'}."


def _bad(result: SearchResult, trial: int, p: Paired) -> int:
    """How many of a trial's runs that were looked at diverged or failed."""
    confirmation = result.confirmation
    assert confirmation is not None
    return sum(not math.isfinite(v) for v in list(confirmation.judged(trial).values())[: p.seeds])


def _means(p: Paired) -> str:
    mine, other = p.both()
    return f"{p.metric} {mine} against {other}"


def _name(result: SearchResult, trial: int) -> str:
    name = title(result.trial(trial))
    return f"{name[0].upper()}{name[1:]} (trial {trial})"


def _short(result: SearchResult, trial: int) -> str:
    return f"{title(result.trial(trial))}, trial {trial}"


def _rival(result: SearchResult, trial: int) -> str:
    """A baseline as a noun: ``the best tuned baseline (constant)``."""
    name = title(result.trial(trial))
    if name == OWN:
        return "your own schedule"
    plain = name.removesuffix(", tuned")
    return f"the best tuned baseline ({plain})" if plain != name else f"the baseline ({name})"


def _span(seeds: tuple[int, ...]) -> str:
    return f"{seeds[0]} and {seeds[1]}" if len(seeds) == 2 else f"{seeds[0]} to {seeds[-1]}"
