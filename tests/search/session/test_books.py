"""What a session may spend: alone, of a search that others share, and for trials that are queued."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from bowl import Bowl
from results import made_trial

from lrsearch.search import Plan, TrialRecord, open_storage, search
from lrsearch.search.budget.ledger import Ledger
from lrsearch.search.notes.study import StudyNotes
from lrsearch.search.session.books import OwnBooks, Queued, Searching
from lrsearch.search.session.shared import SharedBooks
from lrsearch.search.storage.ending import end
from lrsearch.search.storage.leases import let_go, take
from lrsearch.search.storage.studies import note_study
from lrsearch.spaces import Schedule

MakePlan = Callable[..., Plan]


def own(plan: Plan) -> OwnBooks:
    return OwnBooks(Ledger(plan.budget, plan.epochs, 0.0, time.time()))


def test_a_search_leaves_the_confirmations_part_alone(make_plan: MakePlan) -> None:
    books = own(make_plan("10"))
    searching = Searching(books, lambda: 4.0)
    reserved = [searching.reserve() for _ in range(8)]
    assert sum(allowance is not None for allowance in reserved) == 6
    books.keep_back(0.0)
    assert books.available == 4


def test_a_queued_trial_whose_process_was_killed_is_run_again(make_plan: MakePlan) -> None:
    queued = Queued(own(make_plan("10")), 2)
    assert [queued.reserve() is None for _ in range(3)] == [False, False, True]
    schedule = Schedule("constant", 0.1, 5)
    queued.ended(made_trial(0, schedule, "interrupted"))
    queued.ended(made_trial(1, schedule))
    assert [queued.reserve() is None for _ in range(2)] == [False, True]


class TestSharedBooks:
    """Books of a search of five trials, of which three are spent."""

    @pytest.fixture
    def study(self, make_plan: MakePlan, tmp_path: Path) -> optuna.Study:
        plan = make_plan("3", objective=Bowl(), storage=f"sqlite:///{tmp_path}/db")
        search(plan)
        return optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))

    @pytest.fixture
    def told(self) -> list[TrialRecord]:
        return []

    @pytest.fixture
    def books(self, study: optuna.Study, make_plan: MakePlan, told: list[TrialRecord]) -> SharedBooks:
        ledger = Ledger(make_plan("5").budget, 5, 0.0, time.time())
        return SharedBooks(ledger, study, "me", "val_loss", range(3), told.append)

    def test_what_others_run_and_have_run_is_not_available(
        self, study: optuna.Study, books: SharedBooks, told: list[TrialRecord]
    ) -> None:
        assert books.available == 2
        running = take(study, "another")
        assert books.available == 1
        end(study, running, "complete", value=1.0)
        let_go(study, running)
        assert books.available == 1
        assert [r.number for r in told] == [3], "its end is told once"

    def test_what_this_process_runs_counts_as_reserved_not_twice(self, study: optuna.Study, books: SharedBooks) -> None:
        assert books.reserve()
        mine = take(study, "me")
        assert books.available == 1
        end(study, mine, "withdrawn", "test")
        let_go(study, mine)

    def test_a_closed_search_gives_no_allowance(self, study: optuna.Study, books: SharedBooks) -> None:
        note_study(study, StudyNotes(closed=True))
        assert Searching(books, lambda: 0.0).reserve() is None
        assert Queued(books, 1).reserve()

    def test_members_that_are_told_to_stop_do_so(self, study: optuna.Study, books: SharedBooks) -> None:
        note_study(study, StudyNotes(stop=True))
        with pytest.raises(KeyboardInterrupt):
            books.reserve()
