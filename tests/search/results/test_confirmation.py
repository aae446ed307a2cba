"""Which schedule a confirmation recommends, and what it says of one that broke on a fresh seed."""

from __future__ import annotations

import math
from dataclasses import replace

from results import contested

from lrsearch.reports.facts.verdict import verdict_of
from lrsearch.search import Confirmation, SearchResult
from lrsearch.search.notes.contest import Contest
from lrsearch.spaces import Schedule


def confirmation(result: SearchResult) -> Confirmation:
    assert result.confirmation is not None
    return result.confirmation


def schedule_of(result: SearchResult, trial: int) -> Schedule:
    schedule = result.trial(trial).schedule
    assert schedule is not None
    return schedule


def breaking(result: SearchResult, trial: int, *seeds: int, outcome: str = "failed") -> SearchResult:
    """The same with some runs of a trial that broke."""
    confirmed = confirmation(result)
    value = math.inf if outcome == "diverged" else None
    runs = [
        replace(r, outcome=outcome, value=value) if r.confirms == trial and r.seed in seeds else r  # type: ignore[arg-type]
        for r in confirmed.every
    ]
    return replace(result, confirmation=replace(confirmed, every=tuple(runs)))


def test_of_schedules_that_cannot_be_told_apart_the_baseline_is_recommended() -> None:
    result = contested(0.0)
    confirmed = confirmation(result)
    assert confirmed.word == "not distinguishable"
    assert result.best.number in confirmed.rivals


def test_unless_the_baseline_is_near_rates_that_diverged() -> None:
    result = contested(0.0)
    confirmed = confirmation(result)
    assert confirmed.winner is not None
    mine, other = schedule_of(result, confirmed.winner), schedule_of(result, confirmed.rivals[0])
    near_other, near_mine = other.rescaled(1.2 * other.base_lr), mine.rescaled(1.2 * mine.base_lr)
    risky = replace(result, confirmation=replace(confirmed, diverged=(near_other,)))
    assert confirmation(risky).near_edge(confirmed.rivals[0])
    assert not confirmation(risky).near_edge(confirmed.winner)
    assert risky.best.number == confirmed.winner
    both = replace(result, confirmation=replace(confirmed, diverged=(near_other, near_mine)))
    assert both.best.number == confirmed.rivals[0]


def test_unless_the_baseline_broke_more_often() -> None:
    result = contested(0.0)
    confirmed = confirmation(result)
    broken = breaking(result, confirmed.rivals[0], 4, 5, outcome="diverged")
    assert confirmation(broken).word == "not distinguishable"
    assert broken.best.number == confirmed.winner
    assert "Use the searched one" in verdict_of(broken)


def test_a_winner_that_failed_on_one_fresh_seed_is_not_better_however_good_the_others_are() -> None:
    result = contested(0.05)
    confirmed = confirmation(result)
    assert confirmed.winner is not None
    assert confirmed.word == "better"
    assert "No run of 9 spiked; a risk of up to 28\u00a0% cannot be excluded." in verdict_of(result)
    broken = breaking(result, confirmed.winner, 4)
    assert confirmation(broken).word == "not distinguishable"
    assert broken.best.number in confirmed.rivals
    assert "diverged or failed on 1 of 9 fresh seeds" in verdict_of(broken)


def test_candidates_that_all_failed_on_the_seeds_that_choose_still_have_a_winner_which_is_never_better() -> None:
    result = contested(0.05)
    confirmed = confirmation(result)
    for trial in confirmed.contest.candidates:
        result = breaking(result, trial, *confirmed.contest.choosing)
    assert confirmation(result).winner in confirmed.contest.candidates
    assert confirmation(result).word != "better"
    assert result.best.number in confirmed.rivals


def test_a_contest_of_an_older_version_has_the_level_it_was_run_at() -> None:
    contest = confirmation(contested()).contest
    stored = {k: v for k, v in contest.to_attrs().items() if k not in ("level", "lower")}
    assert Contest.read(stored) == replace(contest, level=0.05, lower=())
    assert Contest.read(replace(contest, level=0.0125, lower=(7,)).to_attrs()) == replace(
        contest, level=0.0125, lower=(7,)
    )
