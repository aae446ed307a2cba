"""The verdict's tests: levels that add up, directions, ugly noise, runs that diverged or failed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from lrsearch.search.notes.contest import Look
from lrsearch.search.results.paired_tests import (
    ALPHA,
    FEWEST,
    contest_level,
    duel,
    next_look,
    planned_looks,
    unseen_risk,
)

SEEDS = list(range(30))
LEVEL = contest_level([])


def by_seed(values: Iterable[float]) -> dict[int, float]:
    return dict(zip(SEEDS, values, strict=False))


@pytest.mark.parametrize("seeds", [3, 4, 5, 7, 9, 20])
def test_the_looks_spend_the_level_and_no_more(seeds: int) -> None:
    looks = planned_looks(seeds, LEVEL)
    assert sum(look.level for look in looks) == pytest.approx(LEVEL)
    assert [look.seeds for look in looks] == sorted({look.seeds for look in looks})
    assert FEWEST <= looks[0].seeds <= looks[-1].seeds == seeds


def test_the_last_look_that_can_be_afforded_gets_all_that_is_left() -> None:
    first = next_look([], 9, 100, 0.05)
    assert first == planned_looks(9, 0.05)[0]
    assert next_look([Look(4, 0.01)], 9, 5, 0.05) == Look(5, 0.05 - 0.01)
    assert next_look([Look(4, 0.01)], 9, 4, 0.05) is None
    assert next_look([], 9, 2, 0.05) is None
    assert next_look([Look(4, 0.01), Look(9, 0.04)], 9, 100, 0.05) is None


def test_however_often_a_study_is_confirmed_its_level_is_not_used_up_and_never_passed() -> None:
    spent: list[float] = []
    for _ in range(40):
        spent.append(contest_level(spent))
    assert spent[0] == ALPHA / 4
    assert spent == sorted(spent, reverse=True)
    assert spent[-1] > 0
    assert sum(spent) < ALPHA
    assert contest_level([ALPHA]) == 0  # of a study that an older version confirmed


@pytest.mark.parametrize("seeds", [4, 7, 9])
def test_equal_schedules_are_called_better_or_worse_as_seldom_as_the_level_says(seeds: int) -> None:
    rng, trials = np.random.default_rng(0), 3000
    words = []
    for _ in range(trials):
        winner, other = rng.standard_normal((2, seeds)) * [[1.0], [3.0]]  # unequal noise is allowed
        words.append(duel(0, by_seed(winner), by_seed(other), SEEDS, planned_looks(seeds, LEVEL)).result)
    slack = 3 * math.sqrt(LEVEL / trials)
    assert 0.4 * LEVEL < words.count("better") / trials < LEVEL + slack
    assert words.count("worse") / trials < LEVEL + slack


def test_a_skewed_winner_is_falsely_better_in_about_one_case_of_twenty_at_most() -> None:
    rng, trials = np.random.default_rng(1), 3000
    better = 0
    for _ in range(trials):
        winner, other = 3 * (rng.exponential(size=9) - 1), rng.standard_normal(9)
        better += duel(0, by_seed(winner), by_seed(other), SEEDS, planned_looks(9, LEVEL)).result == "better"
    assert better / trials < 0.056 + 3 * math.sqrt(0.056 / trials)


def test_two_noise_units_are_found_in_nine_of_ten_cases() -> None:
    rng, trials = np.random.default_rng(2), 2000
    better = 0
    for _ in range(trials):
        winner, other = rng.standard_normal((2, 9))
        better += duel(0, by_seed(winner - 2), by_seed(other), SEEDS, planned_looks(9, LEVEL)).result == "better"
    assert better / trials == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("maximize", [False, True])
def test_a_clear_difference_is_found_with_the_right_sign(maximize: bool) -> None:
    low, high = by_seed([1.0, 1.1, 0.9, 1.05]), by_seed([2.0, 2.2, 1.9, 2.1])
    outcome = duel(5, low, high, SEEDS, planned_looks(4, LEVEL), maximize=maximize)
    assert outcome.result == ("worse" if maximize else "better")
    assert outcome.low < outcome.difference < outcome.high < 0
    assert duel(5, high, low, SEEDS, planned_looks(4, LEVEL), maximize=maximize).result != outcome.result


@pytest.mark.parametrize("maximize", [False, True])
def test_a_winner_that_breaks_is_never_better_and_worse_if_it_breaks_significantly_more_often(maximize: bool) -> None:
    worst = -math.inf if maximize else math.inf
    ahead, behind = (5.0, 1.0) if maximize else (1.0, 5.0)
    fine = [behind + 0.1 * i for i in range(9)]
    looks = [Look(9, LEVEL)]
    for broken, word in ((1, "open"), (4, "open"), (5, "worse"), (9, "worse")):
        mine = [worst] * broken + [ahead] * (9 - broken)
        outcome = duel(0, by_seed(mine), by_seed(fine), SEEDS, looks, maximize=maximize)
        assert (outcome.result, outcome.seeds, math.isnan(outcome.difference)) == (word, 9, True)
    both = by_seed([worst] * 5 + [ahead] * 4)
    assert duel(0, both, both, SEEDS, looks, maximize=maximize).result == "open"


def test_a_baseline_that_breaks_counts_as_the_worst_value_that_was_seen() -> None:
    against = duel(0, by_seed([1.0, 1.1, 0.9, 1.05]), by_seed([1.0, math.inf, 0.9, 1.05]), SEEDS, [Look(4, LEVEL)])
    assert against.result == "open"
    assert against.difference == pytest.approx(0.0)
    clear = duel(0, by_seed([1.0, 1.1, 0.9, 1.05]), by_seed([5.0, math.inf, 5.1, 5.0]), SEEDS, [Look(4, LEVEL)])
    assert clear.result == "better"


def test_schedules_that_both_diverge_in_one_run_of_ten_are_seldom_called_worse() -> None:
    rng, trials = np.random.default_rng(3), 1000
    worse = 0
    for _ in range(trials):
        values = np.where(rng.random((2, 9)) < 0.1, np.inf, rng.standard_normal((2, 9)))
        worse += duel(0, by_seed(values[0]), by_seed(values[1]), SEEDS, planned_looks(9, LEVEL)).result == "worse"
    assert worse / trials < LEVEL + 3 * math.sqrt(LEVEL / trials)


def test_a_look_at_too_few_pairs_says_nothing_and_the_next_one_counts() -> None:
    winner, other = by_seed([1.0, 1.1, 0.9, 1.05, 1.0, 0.95]), by_seed([2.0, 2.2, 1.9, 2.1, 2.0, 2.05])
    late = {s: v for s, v in other.items() if s > 1}  # the first two seeds' runs were cut off
    outcome = duel(0, winner, late, SEEDS, [Look(3, 0.001), Look(6, 0.01)])
    assert (outcome.result, outcome.seeds) == ("better", 4)


def test_without_a_look_everything_is_open() -> None:
    outcome = duel(0, {}, {}, SEEDS, [])
    assert (outcome.result, outcome.seeds) == ("open", 0)
    assert math.isnan(outcome.difference)


def test_the_risk_that_runs_without_an_event_leave_open_is_the_one_they_would_miss_in_a_twentieth_of_cases() -> None:
    assert unseen_risk(9) == pytest.approx(0.283, abs=0.001)
    assert (1 - unseen_risk(3)) ** 3 == pytest.approx(0.05)
    assert unseen_risk(0) == 1.0
