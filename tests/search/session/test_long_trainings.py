"""Trainings of more epochs than Optuna is told of, and of lengths between two epochs."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from bowl import Bowl
from optuna.trial import TrialState

from lrsearch.reports.page.page import report_html
from lrsearch.search import Plan, load_result, open_storage, search
from lrsearch.search.budget.kinds import Epochs
from lrsearch.search.budget.shared import read_spending
from lrsearch.search.notes.trial import TrialNotes
from lrsearch.search.storage.ending import end
from lrsearch.search.storage.trial_notes import note_trial
from lrsearch.spaces import Schedule, default_space

MakePlan = Callable[..., Plan]
EPOCHS, MOST = 25, 10


class Long(Bowl):
    """Of 25 epochs."""

    epochs = EPOCHS


@pytest.fixture(autouse=True)
def few_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with thousands of epochs."""
    monkeypatch.setattr("lrsearch.search.trial.running.MOST_REPORTS", MOST)


@pytest.mark.parametrize("sampler", ["random", "curve"])
def test_optuna_is_told_a_selection_of_epochs_and_the_record_has_all(make_plan: MakePlan, sampler: str) -> None:
    plan = make_plan("15", objective=Long(), sampler=sampler, pruner="auto")
    result = search(plan)
    study = optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert {tuple(t.intermediate_values) for t in complete if len(t.intermediate_values) > 1} == {
        (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)
    }
    assert {len(t.metrics["val_loss"]) for t in result.trials if t.outcome == "complete"} == {EPOCHS}
    assert any(t.outcome == "pruned" and 3 <= t.epochs < EPOCHS for t in result.trials)


def test_of_a_killed_trial_its_epochs_are_known_and_no_curve(make_plan: MakePlan) -> None:
    plan = make_plan("5", objective=Long(), sampler="random")
    result = search(plan)
    study = optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))
    killed = study.ask()
    note_trial(killed, TrialNotes(schedule=plan.space.suggest(killed).to_dict()))
    for epoch in (3, 5, 8):
        killed.report(1.0, epoch)
    end(study, killed, "interrupted", "its process was killed")
    again = load_result(open_storage(plan.where), plan.study)
    left = again.trials[-1]
    assert (left.number, left.epochs, left.metrics) == (killed.number, 8, {})
    assert read_spending(study, Epochs(EPOCHS)).ended == sum(t.epochs for t in (*result.trials, left))
    assert "its process was killed" in report_html(again)


def test_a_space_whose_length_is_no_whole_number_is_searched(make_plan: MakePlan) -> None:
    result = search(make_plan("4", space=default_space("sgd", 4.5), baseline=Schedule("exp", 0.1, 9, {"gamma": 0.9})))
    assert {t.schedule.horizon for t in result.trials if t.schedule} == {4.5}
