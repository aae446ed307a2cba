"""Confirmation: tests that stay valid when repeated, verdicts on tasks with a known truth, budgets, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bowl import Ahead, Behind, Bowl, Noisy, StopAfter

from lrsearch.errors import InputError
from lrsearch.objectives import Measurement
from lrsearch.reports.facts import confirmed
from lrsearch.reports.facts.answer import answer
from lrsearch.reports.page.page import report_html
from lrsearch.search import Plan, SearchResult, load_result, open_storage, search
from lrsearch.search.finals.size import LEAST, SHAPES, held_back, shape_for
from lrsearch.search.results.paired_tests import ALPHA, FEWEST, Look, duel, next_look, planned_looks
from lrsearch.spaces import Schedule

MakePlan = Callable[..., Plan]
SEEDS = list(range(30))


def by_seed(values: Sequence[float]) -> dict[int, float]:
    return dict(zip(SEEDS, values, strict=False))


# The statistics.


@pytest.mark.parametrize("seeds", [3, 4, 5, 7, 9, 20])
def test_the_looks_spend_alpha_and_no_more(seeds: int) -> None:
    looks = planned_looks(seeds)
    assert sum(look.level for look in looks) == pytest.approx(ALPHA)
    assert [look.seeds for look in looks] == sorted({look.seeds for look in looks})
    assert FEWEST <= looks[0].seeds <= looks[-1].seeds == seeds


def test_the_last_look_that_can_be_afforded_gets_all_that_is_left() -> None:
    first = next_look([], 9, 100)
    assert first == planned_looks(9)[0]
    last = next_look([Look(4, 0.01)], 9, 5)
    assert last is not None
    assert last.seeds == 5
    assert last.level == pytest.approx(0.04)
    assert next_look([Look(4, 0.01)], 9, 4) is None
    assert next_look([], 9, 2) is None
    assert next_look([Look(4, 0.01), Look(9, 0.04)], 9, 100) is None


@pytest.mark.parametrize("seeds", [4, 7, 9])
def test_equal_schedules_are_called_better_in_at_most_alpha_of_the_cases(seeds: int) -> None:
    rng, trials = np.random.default_rng(0), 3000
    words = []
    for _ in range(trials):
        winner, other = rng.standard_normal((2, seeds)) * [[1.0], [3.0]]  # unequal noise is allowed
        words.append(duel(0, by_seed(winner), by_seed(other), SEEDS, planned_looks(seeds)).result)
    slack = 3 * math.sqrt(ALPHA / trials)
    assert 0.5 * ALPHA < words.count("better") / trials < ALPHA + slack
    assert words.count("worse") / trials < ALPHA + slack


@pytest.mark.parametrize("maximize", [False, True])
def test_a_clear_difference_is_found_with_the_right_sign(maximize: bool) -> None:
    low, high = by_seed([1.0, 1.1, 0.9, 1.05]), by_seed([2.0, 2.2, 1.9, 2.1])
    found = duel(5, low, high, SEEDS, planned_looks(4), maximize=maximize)
    assert found.result == ("worse" if maximize else "better")
    assert found.low < found.difference < found.high < 0
    assert duel(5, high, low, SEEDS, planned_looks(4), maximize=maximize).result != found.result


def test_divergence_counts_against_whoever_diverges_but_never_for_the_winner() -> None:
    fine, broken = [1.0, 1.1, 0.9, 1.05], [1.0, math.inf, 0.9, 1.05]
    assert duel(0, by_seed(broken), by_seed(fine), SEEDS, planned_looks(4)).result == "worse"
    against = duel(0, by_seed(fine), by_seed(broken), SEEDS, planned_looks(4))
    assert against.result == "open"
    assert against.difference == pytest.approx(0.0)


def test_without_a_look_everything_is_open() -> None:
    found = duel(0, {}, {}, SEEDS, [])
    assert (found.result, found.seeds) == ("open", 0)
    assert math.isnan(found.difference)


# How much of the budget is kept.


@pytest.mark.parametrize("budget", [1, 10, 17, 18, 25, 40, 60, 100, 1000])
def test_what_is_held_back_is_enough_for_a_confirmation_or_nothing(budget: int) -> None:
    held = held_back(budget, 9, 0)
    assert held <= 0.4 * budget
    assert (shape_for(held, 0) is not None) == (held > 0) == (0.4 * budget >= 7) == (budget >= LEAST)


def test_nothing_is_held_back_without_confirmation() -> None:
    assert held_back(60, 0, 0) == 0
    assert held_back(1000, 9, 0) == next(iter(SHAPES)).runs(9, 0)


def test_one_or_two_seeds_are_refused(make_plan: MakePlan) -> None:
    with pytest.raises(InputError, match="confirm must be 0 or at least 3 seeds, got 2"):
        make_plan("60", confirm=2)


# Whole searches.


def confirmed_search(make_plan: MakePlan, objective: Bowl, budget: str = "60", **changes: Any) -> SearchResult:
    given = {"sampler": "random", "pruner": "none", "confirm": 9, **changes}
    return search(make_plan(budget, objective=objective, **given))


def test_a_search_on_noise_is_not_distinguishable_and_recommends_the_baseline(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Noisy())
    found = result.confirmation
    assert found is not None
    assert found.word == "not distinguishable"
    assert result.best.baseline is not None
    assert result.best.number in found.rivals
    assert "not distinguishable from" in answer(result).verdict
    assert "use the baseline" in answer(result).verdict


def test_a_real_difference_is_found_early_and_leaves_budget_over(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Behind())
    found = result.confirmation
    assert found is not None
    assert found.word == "better"
    assert len(found.contest.looks) <= 2
    assert result.best.number == found.winner
    assert found.closest is not None
    assert found.closest.difference == pytest.approx(-0.1, abs=0.03)
    assert found.closest.low < -0.1 < found.closest.high
    assert sum(t.counted for t in (*result.trials, *found.every)) < 60


def test_a_winner_worse_than_a_baseline_is_said_to_be(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Ahead())
    assert result.confirmation is not None
    assert result.confirmation.word == "worse"
    assert result.best.baseline is not None
    assert "is worse than the baseline" in answer(result).verdict


@pytest.mark.parametrize("budget", ["60", "18", "300ep"])
def test_trials_and_epochs_are_kept_with_confirmation_in_them(make_plan: MakePlan, budget: str) -> None:
    result = confirmed_search(make_plan, Noisy(), budget)
    found = result.confirmation
    assert found is not None
    every = (*result.trials, *found.every)
    amount = int(budget.removesuffix("ep"))
    spent = sum(t.epochs for t in every) if budget.endswith("ep") else sum(t.counted for t in every)
    assert 0.9 * amount <= spent <= amount
    assert all(t.outcome == "complete" for t in found.every)
    assert search(make_plan(budget, objective=Noisy(), confirm=9, sampler="random", pruner="none")) == result


def test_a_budget_too_small_for_confirmation_is_spent_on_the_search(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Noisy(), "12")
    assert result.confirmation is None
    assert len(result.trials) == 12


def test_wall_time_is_kept_to_an_epoch_and_confirmation_fits_in(make_plan: MakePlan) -> None:
    class Timed(Noisy):
        """A run of a tenth of a second."""

        def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
            for measurement in super().run(schedule, **how):
                time.sleep(0.02)
                yield replace(measurement, seconds=0.02)

    begun = time.time()
    result = confirmed_search(make_plan, Timed(), "15s")
    assert time.time() - begun < 15 * 1.02 + 0.02 + 1.0  # reading everything back at the end
    assert result.confirmation is not None
    assert result.confirmation.word != "open"


def test_fresh_seeds_are_fresh_and_shared_and_the_test_data_judge_once(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Noisy(), seed=3)
    found = result.confirmation
    assert found is not None
    assert found.winner is not None
    contest = found.contest
    assert 3 not in {t.seed for t in found.every}
    assert not set(contest.choosing) & set(contest.judging)
    assert found.judged(found.winner).keys() == found.judged(found.rivals[0]).keys()
    assert all(not t.test for t in result.trials)
    assert found.test(found.winner)["test_loss"] == pytest.approx(found.mean(found.winner) + 0.5)


def test_the_baselines_are_tuned_and_stand_among_the_trials(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Bowl(), sampler="curve")  # base_lr 0.1 is best, the plain baselines have 0.032
    assert result.confirmation is not None
    tuned = [result.trial(n) for n in result.confirmation.contest.baselines]
    assert [str(t.baseline).endswith(", tuned") for t in tuned] == [True, True]
    assert all(t.schedule is not None and 0.04 < t.schedule.base_lr < 0.2 for t in tuned)


def test_an_objective_that_ignores_its_seed_is_told_so(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Bowl(), sampler="curve")
    assert "the very same value for every seed" in answer(result).verdict


def test_ones_own_schedule_is_compared_as_it_is(make_plan: MakePlan) -> None:
    own = Schedule("step", 0.05, 50, {"step_size": 20, "gamma": 0.3})
    result = confirmed_search(make_plan, Noisy(), baseline=own)
    found = result.confirmation
    assert found is not None
    assert result.trial(found.rivals[0]).baseline == "your own"
    assert result.trial(found.rivals[0]).schedule == own.stretched(5)
    assert len(found.duels) == 2


class StopsIn(Noisy):
    """Is interrupted in the middle of its fifth run on fresh seeds, as by Ctrl-C."""

    runs = 0

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        type(self).runs += bool(how.get("test"))
        for measurement in super().run(schedule, **how):
            if type(self).runs == 5 and measurement.epoch == 2:
                type(self).runs += 1
                raise KeyboardInterrupt
            yield measurement


def test_a_confirmation_cut_off_by_ctrl_c_goes_on_where_it_was(make_plan: MakePlan) -> None:
    whole = confirmed_search(make_plan, Noisy(), study="whole")
    with pytest.raises(KeyboardInterrupt):
        confirmed_search(make_plan, StopsIn())
    result = confirmed_search(make_plan, StopsIn())
    assert whole.confirmation is not None
    assert result.confirmation is not None
    assert result.confirmation.duels == whole.confirmation.duels
    assert [t.outcome for t in result.confirmation.every].count("interrupted") == 1


def test_a_larger_budget_searches_on_and_confirms_anew_on_other_seeds(make_plan: MakePlan) -> None:
    first = confirmed_search(make_plan, Noisy(), "30")
    second = confirmed_search(make_plan, Noisy(), "80")
    assert first.confirmation is not None
    assert second.confirmation is not None
    old, new = first.confirmation.contest, second.confirmation.contest
    assert len(second.trials) > len(first.trials)
    assert not {*old.choosing, *old.judging} & {*new.choosing, *new.judging}
    assert sum(t.counted for t in (*second.trials, *second.confirming)) <= 80


def test_worker_processes_confirm_as_one_does(make_plan: MakePlan) -> None:
    alone = confirmed_search(make_plan, Behind(), "30", study="alone")
    together = confirmed_search(make_plan, Behind(), "30", jobs=2)
    assert alone.confirmation is not None
    assert together.confirmation is not None
    assert together.confirmation.word == alone.confirmation.word == "better"


def test_a_confirmation_is_read_from_storage_alone_and_the_study_is_found_beside_it(make_plan: MakePlan) -> None:
    plan = make_plan("30", objective=Noisy(), confirm=9, sampler="random")
    result = search(plan)
    again = load_result(open_storage(plan.where), None, str(plan.folder))
    assert again == result
    facts = confirmed.facts(again)
    assert facts is not None
    assert facts["verdict"] == "not distinguishable"
    assert facts["against"][0]["seeds"] == max(r["seeds"] for r in facts["runs"])
    page = report_html(again)
    assert "On fresh seeds" in page
    assert "test_loss" in page


def test_notes_say_what_is_confirmed_and_how_it_went(make_plan: MakePlan) -> None:
    progress = StopAfter(999)
    search(replace(make_plan("30", objective=Behind(), confirm=9, sampler="random", pruner="none")), progress)
    assert any("Confirming on fresh seeds: trial" in note for note in progress.notes)
    assert progress.notes[-1].endswith("fresh seeds: better.")
