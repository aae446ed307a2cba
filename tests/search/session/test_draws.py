"""Which draw of the sampler a trial gets, in searches that are shared, interrupted and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from bowl import Slow
from optuna.study import Study
from optuna.trial import TrialState

from lrsearch.search import Plan, load_result, open_storage, search
from lrsearch.search.session.draws import skipped_numbers
from lrsearch.search.storage.ending import end, end_interrupted

pytestmark = pytest.mark.slow

MakePlan = Callable[..., Plan]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_processes_that_join_while_trials_run_train_no_schedule_twice(
    make_plan: MakePlan, tmp_path: Path, sampler: str
) -> None:
    plan = make_plan("20", objective=Slow(), storage=f"sqlite:///{tmp_path}/db", sampler=sampler, pruner="none")
    with ThreadPoolExecutor(3) as pool:
        members = [pool.submit(search, plan)]
        for trials in (2, 6):
            while _trials(plan) < trials:
                time.sleep(0.05)
            members.append(pool.submit(search, replace(plan, joins=True)))
        for member in members:
            member.result()
    result = load_result(open_storage(plan.where), plan.study)
    assert len({t.user_attrs["owner"]["member"] for t in _frozen(plan)}) == 3
    assert len({str(t.schedule) for t in result.trials}) == len(result.trials) == 20


def _trials(plan: Plan) -> int:
    try:
        return len(_frozen(plan))
    except KeyError:
        return 0


def _frozen(plan: Plan) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=plan.study, storage=open_storage(plan.where)).trials


@pytest.fixture
def study() -> Study:
    """A study of three trials that are complete: draws 0, 1, 2."""
    study = optuna.create_study()
    for _ in range(3):
        study.tell(study.ask(), 0.0)
    return study


def stopped(study: Study, outcome: str) -> None:
    """A trial that has a schedule and ends early."""
    trial = study.ask()
    trial.set_user_attr("schedule", {})
    if outcome == "interrupted":
        end_interrupted(study, trial, "stopped by the user")
    else:
        end(study, trial, outcome)


def draw(study: Study, *, alone: bool = True) -> int:
    """The draw of the next trial that is not queued."""
    skipped = skipped_numbers(study, alone=alone)
    return len(study.trials) - skipped


def test_a_search_without_interruptions_skips_nothing(study: Study) -> None:
    assert draw(study) == 3
    assert not study.user_attrs, "nothing to note"


def test_an_interrupted_trial_and_its_repetition_use_up_one_draw(study: Study) -> None:
    stopped(study, "interrupted")  # number 3, repeated as 4
    assert draw(study) == 4
    study.tell(study.ask(), 0.0)
    assert draw(study) == 4, "the repetition has draw 3"


def test_a_repetition_that_ran_out_of_budget_leaves_its_draw_to_the_next(study: Study) -> None:
    stopped(study, "interrupted")
    assert draw(study) == 4
    study.ask()  # the repetition
    end(study, study.trials[4], "out of budget")
    assert draw(study) == 3


def test_a_trial_without_budget_is_drawn_again_unless_a_later_one_has_ended(study: Study) -> None:
    stopped(study, "out of budget")
    assert draw(study) == 3
    study.tell(study.ask(), 0.0)  # number 4 has draw 3
    assert draw(study) == 4
    stopped(study, "out of budget")  # number 5 would have draw 4, but for a lane beside it
    study.tell(study.ask(), 0.0)  # number 6 has draw 5
    assert draw(study) == 6, "draw 5 must not be repeated"


def test_a_process_that_is_not_alone_takes_what_is_noted(study: Study) -> None:
    stopped(study, "interrupted")
    assert draw(study, alone=False) == 5, "the numbers of those that work already are not ahead"
    assert draw(study) == draw(study, alone=False) == 4


def test_draws_are_used_once_through_sessions_that_are_interrupted_anywhere() -> None:
    study, drawn = optuna.create_study(), list[int]()
    for session in range(6):
        skipped = skipped_numbers(study, alone=True)
        for number in range(session, session + 4):
            trial = study.ask()
            trial.set_user_attr("schedule", {})
            if "repeats" not in trial.user_attrs:
                drawn.append(trial.number - skipped)
            if number % 3:
                study.tell(trial, 0.0)
            else:
                end_interrupted(study, trial, "stopped by the user")
    assert len(drawn) == len(set(drawn))
    assert drawn == sorted(drawn)
    assert study.get_trials(states=(TrialState.RUNNING,)) == []
