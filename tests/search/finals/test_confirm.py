"""Confirmation: tests that stay valid when repeated, verdicts on tasks with a known truth, budgets, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import optuna
import pytest
from bowl import Ahead, Behind, Bowl, Clock, Noisy, StopAfter
from results import lr_trial

from lrsearch.errors import InputError
from lrsearch.objectives import Measurement
from lrsearch.reports.facts import fresh_seeds
from lrsearch.reports.facts.answer import answer
from lrsearch.reports.page.page import report_html
from lrsearch.search import Plan, SearchResult, load_result, open_storage, search
from lrsearch.search.budget.ledger import Ledger
from lrsearch.search.finals.candidates import reason_for
from lrsearch.search.finals.confirm import Confirmer
from lrsearch.search.finals.size import SHAPES, held_back, least_budget, shape_for, too_small
from lrsearch.search.results.paired_tests import ALPHA
from lrsearch.spaces import Schedule

MakePlan = Callable[..., Plan]

# How much of the budget is kept.


@pytest.mark.parametrize("budget", [1, 10, 17, 18, 25, 40, 60, 100, 1000])
def test_what_is_held_back_is_enough_for_a_confirmation_or_nothing(budget: int) -> None:
    held = held_back(budget, 9, 0)
    assert held <= 0.4 * budget
    assert (shape_for(held, 0) is not None) == (held > 0) == (0.4 * budget >= 7) == (budget >= least_budget(0))


@pytest.mark.parametrize("own", [0, 1])
def test_the_least_budget_is_the_first_that_something_is_held_back_of(own: int) -> None:
    least = least_budget(own)
    assert least == {0: 18, 1: 25}[own]
    assert held_back(least - 1, 9, own) == 0 < held_back(least, 9, own)


@pytest.mark.parametrize(("budget", "baselines"), [(18, 1), (29, 1), (30, 2), (40, 2), (60, 2), (100, 3)])
def test_a_budget_of_thirty_trials_has_more_than_one_baseline_tuned(budget: int, baselines: int) -> None:
    shape = shape_for(held_back(budget, 9, 0), 0)  # of one alone, the surrogate may have chosen a poor one
    assert shape is not None
    assert shape.baselines == baselines


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
    confirmation = result.confirmation
    assert confirmation is not None
    assert confirmation.word == "not distinguishable"
    assert result.best.baseline is not None
    assert result.best.number in confirmation.rivals
    assert "use the simpler one" in answer(result).verdict


def test_a_real_difference_is_found_early_and_leaves_budget_over(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Behind())
    confirmation = result.confirmation
    assert confirmation is not None
    assert confirmation.word == "better"
    assert len(confirmation.contest.looks) <= 2
    assert result.best.number == confirmation.winner
    assert confirmation.closest is not None
    assert confirmation.closest.difference == pytest.approx(-0.1, abs=0.03)
    assert confirmation.closest.low < -0.1 < confirmation.closest.high
    assert sum(t.counted for t in (*result.trials, *confirmation.every)) < 60


def test_a_winner_worse_than_a_baseline_is_said_to_be(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Ahead())
    assert result.confirmation is not None
    assert result.confirmation.word == "worse"
    assert result.best.baseline is not None
    assert answer(result).verdict.startswith("Use the best tuned baseline")


@pytest.mark.parametrize("budget", ["60", "18", "300ep"])
def test_trials_and_epochs_are_kept_with_confirmation_in_them(make_plan: MakePlan, budget: str) -> None:
    result = confirmed_search(make_plan, Noisy(), budget)
    confirmation = result.confirmation
    assert confirmation is not None
    every = (*result.trials, *confirmation.every)
    amount = int(budget.removesuffix("ep"))
    spent = sum(t.epochs for t in every) if budget.endswith("ep") else sum(t.counted for t in every)
    assert 0.9 * amount <= spent <= amount
    assert all(t.outcome == "complete" for t in confirmation.every)
    assert search(make_plan(budget, objective=Noisy(), confirm=9, sampler="random", pruner="none")) == result


def test_a_budget_too_small_for_confirmation_is_spent_on_the_search(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Noisy(), "12")
    assert result.confirmation is None
    assert len(result.trials) == 12


def test_wall_time_is_kept_to_an_epoch_and_confirmation_fits_in(make_plan: MakePlan, clock: Clock) -> None:
    class Timed(Noisy):
        """A run of a tenth of a second."""

        def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
            for measurement in super().run(schedule, **how):
                clock.sleep(0.02)
                yield replace(measurement, seconds=0.02)

    begun = time.monotonic()
    result = confirmed_search(make_plan, Timed(), "12s")
    assert time.monotonic() - begun <= 12 + 0.02
    assert result.confirmation is not None
    assert result.confirmation.word != "open"


class Fragile(Noisy):
    """What was searched is far ahead of its baselines, and raises in some of its runs on fresh seeds."""

    gap, every, baselines_too = 10.0, 5, False

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        searched = self.baselines_too or schedule.params or schedule.family not in ("constant", "linear", "cosine")
        if how.get("test") and how["seed"] % self.every == 0 and searched:
            raise ValueError(f"no run with seed {how['seed']}")
        yield from super().run(schedule, **how)


class Broken(Fragile):
    """Every run on fresh seeds raises."""

    every, baselines_too = 1, True


def test_a_winner_that_fails_on_one_fresh_seed_in_five_is_not_better_and_that_is_said(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Fragile())
    confirmation = result.confirmation
    assert confirmation is not None
    assert confirmation.winner is not None
    assert confirmation.word == "not distinguishable"
    assert confirmation.decided
    failed = [t for t in confirmation.every if t.outcome == "failed"]
    assert len({(t.confirms, t.seed) for t in failed}) == len(failed)  # none is run again
    assert result.best.baseline is not None
    assert "diverged or failed on 1 of 6 fresh seeds: use the best tuned baseline" in answer(result).verdict


@pytest.mark.parametrize("budget", ["18", "60"])
def test_if_every_fresh_run_fails_nothing_is_recommended_without_a_word(make_plan: MakePlan, budget: str) -> None:
    result = confirmed_search(make_plan, Broken(), budget)
    confirmation = result.confirmation
    assert confirmation is not None
    assert {t.outcome for t in confirmation.every} == {"failed"}
    assert confirmation.word == "not distinguishable"
    assert answer(result).verdict.startswith("Nothing is confirmed: every fresh run")
    assert result.best.baseline is not None
    facts = fresh_seeds.facts(result)
    assert facts is not None
    assert set(facts["bad_runs"].values()) <= {3, 6, 8}


def test_a_budget_too_small_for_confirmation_says_so_at_the_start(make_plan: MakePlan) -> None:
    progress = StopAfter(1)
    with pytest.raises(KeyboardInterrupt):
        search(make_plan("12", objective=Noisy(), confirm=9), progress)
    assert any("too small to confirm" in note and "about 18 full trials" in note for note in progress.notes)


@pytest.mark.parametrize("budget", ["12", "65ep"])
def test_that_a_budget_is_too_small_for_confirmation_is_told_once(make_plan: MakePlan, budget: str) -> None:
    progress = StopAfter(999)
    search(make_plan(budget, objective=Noisy(), confirm=9), progress)
    assert [n for n in progress.notes if "fresh seeds" in n] == [too_small(0)]


def test_as_long_as_nobody_knows_what_a_trial_takes_nothing_is_confirmed(make_plan: MakePlan) -> None:
    plan = make_plan("20s", objective=Noisy(), confirm=9)
    search(make_plan("6", objective=Noisy(), sampler="random", pruner="none"))
    storage, notes = open_storage(plan.where), list[str]()
    study = optuna.load_study(study_name=plan.study, storage=storage)
    ledger = Ledger(plan.budget, plan.epochs, 0.0, time.time())
    confirmer = Confirmer(plan, study, storage, ledger, lambda *_: None, lambda: 0.0, notes.append)
    confirmer.run(load_result(storage, "bowl"))
    assert notes == ["The winner is not confirmed on fresh seeds: that takes a budget of about 18 full trials."]


def test_ones_own_schedule_that_is_a_tuned_baseline_is_met_once(make_plan: MakePlan) -> None:
    first = confirmed_search(make_plan, Noisy(), study="first")
    own = first.best.schedule
    assert own is not None
    assert first.best.baseline is not None
    progress = StopAfter(999)
    plan = make_plan("60", objective=Noisy(), confirm=9, sampler="random", pruner="none", baseline=own)
    confirmation = search(plan, progress).confirmation
    assert confirmation is not None
    assert len(set(confirmation.rivals)) == len(confirmation.rivals)
    assert not any("your own or your own" in note for note in progress.notes)


class Walled(Noisy):
    """The higher base_lr the better, up to a wall at 0.1; baselines are far behind."""

    gap = 30.0

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for measurement in super().run(schedule, **how):
            gain = 0.1 * math.log10(schedule.base_lr)
            loss = math.nan if schedule.base_lr > 0.1 else measurement.metrics["val_loss"] - gain
            yield replace(measurement, metrics={**measurement.metrics, "val_loss": loss})


def test_a_winner_near_the_edge_is_judged_at_a_lower_rate_too_which_is_recommended_if_it_is_better(
    make_plan: MakePlan,
) -> None:
    plan = make_plan("80", objective=Walled(), sampler="random", pruner="none", confirm=6)
    progress = StopAfter(999)
    result = search(plan, progress)
    confirmation = result.confirmation
    assert confirmation is not None
    assert confirmation.winner is not None
    assert confirmation.word == "better"
    assert confirmation.near_edge(confirmation.winner)
    assert any("judging it at base_lr" in note for note in progress.notes)
    winner, lower = result.trial(confirmation.winner).schedule, result.trial(confirmation.contest.lower[0]).schedule
    assert winner is not None
    assert lower is not None
    assert winner.base_lr / lower.base_lr == pytest.approx(1.5, rel=1e-3)
    assert "near the edge" in answer(result).verdict
    assert result.best.number in (confirmation.winner, confirmation.safer)
    assert sum(t.counted for t in (*result.trials, *confirmation.every)) <= 80
    assert search(plan) == result  # nothing is left to do


def test_confirmations_of_one_study_share_one_level(make_plan: MakePlan) -> None:
    for budget in ("30", "60", "90"):
        result = confirmed_search(make_plan, Noisy(), budget)
    confirming = optuna.load_study(
        study_name="bowl:confirmation", storage=open_storage(make_plan("90", objective=Noisy()).where)
    )
    levels = [contest["level"] for contest in confirming.user_attrs["contests"]]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == len(levels) == 3
    assert sum(levels) < ALPHA
    assert result.confirmation is not None
    assert result.confirmation.contest.level == levels[-1]


def test_why_the_best_value_is_not_confirmed_is_said() -> None:
    ranking = [lr_trial(17, 0.1), lr_trial(16, 0.11)]
    assert "Trial 17 had the best value" in reason_for([16], ranking)
    assert reason_for([17, 16], ranking) == ""


def test_fresh_seeds_are_fresh_and_shared_and_the_test_data_judge_once(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Noisy(), seed=3)
    confirmation = result.confirmation
    assert confirmation is not None
    assert confirmation.winner is not None
    contest = confirmation.contest
    assert 3 not in {t.seed for t in confirmation.every}
    assert not set(contest.choosing) & set(contest.judging)
    assert confirmation.judged(confirmation.winner).keys() == confirmation.judged(confirmation.rivals[0]).keys()
    assert all(not t.test for t in result.trials)
    assert confirmation.test(confirmation.winner)["test_loss"] == pytest.approx(
        confirmation.mean(confirmation.winner) + 0.5
    )


def test_the_baselines_are_tuned_and_stand_among_the_trials(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Bowl(), sampler="curve")  # base_lr 0.1 is best, the plain baselines have 0.032
    assert result.confirmation is not None
    tuned = [t for t in result.baselines if str(t.baseline).endswith(", tuned")]
    assert len(tuned) == 2
    best = min(tuned, key=lambda t: t.value or 0.0)
    assert result.confirmation.contest.baselines == (best.number,)
    assert all(t.schedule is not None and 0.04 < t.schedule.base_lr < 0.2 for t in tuned)


def test_an_objective_that_ignores_its_seed_is_told_so(make_plan: MakePlan) -> None:
    result = confirmed_search(make_plan, Bowl(), sampler="curve")
    assert "the very same value for every seed" in answer(result).verdict


def test_ones_own_schedule_is_compared_as_it_is(make_plan: MakePlan) -> None:
    own = Schedule("step", 0.05, 50, {"step_size": 20, "gamma": 0.3})
    result = confirmed_search(make_plan, Noisy(), baseline=own)
    confirmation = result.confirmation
    assert confirmation is not None
    assert result.trial(confirmation.rivals[0]).baseline == "your own"
    assert result.trial(confirmation.rivals[0]).schedule == own.stretched(5)
    assert len(confirmation.duels) == 2


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
    facts = fresh_seeds.facts(again)
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
