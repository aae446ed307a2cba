"""Searches that several processes share through a database: the budget holds, and any of them may go."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import pytest
from bowl import LongBowl, Slow
from kills import SERVER, Quick, run_session
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler

from lrsearch.api import work
from lrsearch.cli import main
from lrsearch.errors import InputError, StudyError
from lrsearch.search import Plan, SearchResult, load_result, open_storage, search
from lrsearch.search.budget.kinds import KINDS
from lrsearch.search.budget.ledger import Allowance
from lrsearch.search.budget.shared import Quota, Withdrawn, read_spending
from lrsearch.search.finals.size import held_back
from lrsearch.search.notes.study import StudyNotes
from lrsearch.search.storage.ending import end, end_interrupted
from lrsearch.search.storage.leases import recover, take
from lrsearch.search.storage.members import Members
from lrsearch.search.storage.studies import CONFIRMATION, TEAM, note_study, open_study

pytestmark = pytest.mark.slow

MakePlan = Callable[..., Plan]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database for a few processes."""
    return f"sqlite:///{tmp_path}/shared.db"


@contextmanager
def started(plans: list[Plan]) -> Iterator[Sequence[BaseProcess]]:
    """Each plan in a process of its own."""
    processes = [SERVER.Process(target=run_session, args=(plan,)) for plan in plans]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.join()


def members(plan: Plan, count: int) -> list[Plan]:
    """The plan of a search and those of processes that join it."""
    return [plan, *[replace(plan, joins=True) for _ in range(count - 1)]]


def loaded(plan: Plan) -> SearchResult:
    return load_result(open_storage(plan.where), plan.study)


def begun(plan: Plan, trials: int, study: str = "") -> None:
    """Wait until a study has so many trials."""
    storage, end = open_storage(plan.where), time.time() + 300
    while time.time() < end:
        try:
            if len(optuna.load_study(study_name=plan.study + study, storage=storage).trials) >= trials:
                return
        except KeyError:
            pass
        time.sleep(0.05)
    raise AssertionError("nothing began")


def hosts(result: SearchResult, plan: Plan) -> set[str]:
    """The members that ran trials of the search."""
    study = optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))
    return {t.user_attrs["owner"]["member"] for t in study.trials if "owner" in t.user_attrs}


def spent(result: SearchResult) -> int:
    return sum(t.counted for t in (*result.trials, *result.confirming))


def test_two_processes_share_a_budget_and_confirm_together(make_plan: MakePlan, url: str) -> None:
    plan = make_plan("30", objective=Slow(), storage=url, confirm=9)
    with started([plan]) as (first,):
        begun(plan, 4)
        with started(members(plan, 3)[1:]) as others:
            for process in (first, *others):
                process.join(600)
                assert process.exitcode == 0
    result = loaded(plan)
    assert spent(result) <= 30
    assert sum(t.counted for t in result.trials) >= 30 - held_back(30, 9, 0)
    assert result.counts().keys() <= {"complete", "pruned", "diverged"}
    assert len(hosts(result, plan)) == 3
    assert result.confirmation is not None
    assert result.confirmation.decided or spent(result) >= 28


@pytest.mark.parametrize("budget", ["24", "97ep"])
def test_eight_workers_on_postgresql_spend_the_budget_exactly(
    make_plan: MakePlan, postgres_url: str, budget: str
) -> None:
    plan = make_plan(budget, objective=Quick(), storage=postgres_url, sampler="random", pruner="none")
    with started([plan]) as (first,):
        begun(plan, 1)
        with started(members(plan, 8)[1:]) as others:
            for process in (first, *others):
                process.join(600)
                assert process.exitcode == 0
    result = loaded(plan)
    used = sum(t.epochs for t in result.trials) if budget.endswith("ep") else spent(result)
    assert used == plan.budget.amount
    assert "running" not in result.counts()
    assert "interrupted" not in result.counts()


def test_members_that_are_killed_leave_the_rest_to_the_others(make_plan: MakePlan, postgres_url: str) -> None:
    plan = make_plan("40", objective=Quick(), storage=postgres_url, sampler="random", pruner="none", confirm=9)
    dice = random.Random(0)
    with started(members(plan, 4)) as processes:
        for victim in (processes[0], processes[1]):  # the first is the leader
            begun(plan, 8)
            time.sleep(dice.uniform(0, 0.3))
            victim.kill()
        begun(plan, 3, CONFIRMATION)
        processes[2].kill()  # most likely the leader by now
        processes[3].join(600)
        assert processes[3].exitcode == 0
    result = loaded(plan)
    assert "running" not in result.counts()
    assert spent(result) <= 40
    assert result.confirmation is not None
    assert result.confirmation.decided or spent(result) >= 38
    interrupted = [t for t in result.trials if t.outcome == "interrupted" and t.schedule]
    assert {str(t.schedule) for t in interrupted} <= {str(t.schedule) for t in result.trials if t.counted}


def test_one_that_joins_goes_on_where_the_first_died_before_its_session_was_noted(
    make_plan: MakePlan, url: str
) -> None:
    plan = make_plan("4", objective=Quick(), storage=url, sampler="random", pruner="none")
    open_study(open_storage(url), plan.study, plan.settings(), RandomSampler(), NopPruner())
    result = search(replace(plan, joins=True))
    assert not result.sessions
    assert spent(result) == 4


def test_processes_that_share_a_search_probe_once(make_plan: MakePlan, url: str) -> None:
    plan = make_plan("16", objective=LongBowl(), storage=url, probe="auto")
    with started(members(plan, 2)) as processes:
        for process in processes:
            process.join(600)
            assert process.exitcode == 0
    result = loaded(plan)
    assert len(result.probing) == 6
    assert result.probe is not None
    assert result.probe.scale is not None
    assert sum(t.counted for t in result.trials) == 15
    assert sorted(str(t.baseline) for t in result.baselines) == ["constant", "cosine to zero", "linear to zero"]


def test_many_may_open_a_fresh_database_at_once(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(open_storage, [url] * 8))) == 8


def test_a_second_run_elsewhere_joins_in(make_plan: MakePlan, url: str, tmp_path: Path) -> None:
    plan = make_plan("16", objective=Slow(), storage=url, sampler="random", pruner="none")
    with started([plan]) as (first,):
        begun(plan, 2)
        here = search(replace(plan, out=str(tmp_path / "elsewhere")))
        first.join(600)
    assert spent(here) == spent(loaded(plan)) == 16
    assert len(here.sessions) == 2
    assert len(hosts(here, plan)) == 2


def test_runs_that_begin_at_once_are_all_noted(make_plan: MakePlan, url: str, tmp_path: Path) -> None:
    plan = make_plan("12", objective=Quick(), storage=url, sampler="random", pruner="none")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(search, [replace(plan, out=str(tmp_path / f"{n}")) for n in range(8)]))
    result = loaded(plan)
    assert len(result.sessions) == 8
    assert spent(result) == 12
    baselines = sorted(str(t.baseline) for t in result.baselines if t.counted)
    assert baselines == ["constant", "cosine to zero", "linear to zero"]


def test_a_larger_budget_opens_the_search_again(make_plan: MakePlan, url: str) -> None:
    plan = make_plan("20", objective=Quick(), storage=url, confirm=9)
    few = search(plan)
    assert few.confirmation is not None
    many = search(replace(plan, budget=replace(plan.budget, amount=40)))
    assert sum(t.counted for t in many.trials) > sum(t.counted for t in few.trials)
    assert many.confirmation is not None
    assert many.confirmation.contest.after > few.confirmation.contest.after


def test_a_trial_that_died_unsigned_leaves_its_place_to_another(
    make_plan: MakePlan, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrsearch.search.storage.members.recover", partial(recover, grace=2.0))
    plan = make_plan("4", objective=Quick(), storage=url, sampler="random", pruner="none")
    search(plan)
    optuna.load_study(study_name=plan.study, storage=open_storage(url)).ask()  # its process dies at this moment
    result = search(replace(plan, budget=replace(plan.budget, amount=6)))
    assert spent(result) == 6


class TestQuota:
    """What a process may use of what is left."""

    @pytest.fixture
    def study(self, make_plan: MakePlan, url: str) -> optuna.Study:
        plan = make_plan("3", objective=Quick(), storage=url)
        search(plan)
        return optuna.load_study(study_name=plan.study, storage=open_storage(url))

    def quota(self, kind: str, amount: float, *, queued: bool = False) -> Quota:
        return Quota(KINDS[kind](5), amount, "me", queued)

    def test_the_last_trial_of_a_budget_is_admitted(self, study: optuna.Study) -> None:
        assert self.quota("trials", 4).admit(study, take(study), Allowance(5)) == Allowance(5)

    def test_others_that_run_count_whoever_came_first(self, study: optuna.Study) -> None:
        mine, other = take(study, "me"), take(study, "other")
        for trial in (mine, other):
            with pytest.raises(Withdrawn, match="rest of the budget"):
                self.quota("trials", 4).admit(study, trial, Allowance(5))
        assert self.quota("trials", 5).admit(study, mine, Allowance(5)) == Allowance(5)

    def test_what_was_queued_meanwhile_comes_before_a_new_proposal(self, study: optuna.Study) -> None:
        proposed, quota = take(study, "me"), self.quota("trials", 4)
        study.enqueue_trial({}, user_attrs={"schedule": {}})
        with pytest.raises(Withdrawn, match="queued"):
            quota.admit(study, proposed, Allowance(5))
        assert self.quota("trials", 5).admit(study, proposed, Allowance(5)) == Allowance(5)
        end(study, proposed, "withdrawn")
        assert quota.admit(study, take(study, "me"), Allowance(5)) == Allowance(5)

    def test_a_trial_gets_the_epochs_that_are_left(self, study: optuna.Study) -> None:
        mine = take(study, "me")
        assert self.quota("epochs", 17).admit(study, mine, Allowance(5)) == Allowance(2)
        assert self.quota("epochs", 22).admit(study, take(study, "me"), Allowance(5)) == Allowance(5)
        with pytest.raises(Withdrawn):
            self.quota("epochs", 22).admit(study, take(study, "me"), Allowance(5))

    def test_a_trial_that_runs_again_is_not_held_to_the_epochs_of_its_first_run(self, study: optuna.Study) -> None:
        mine = take(study, "me")
        mine.set_user_attr("schedule", {})
        assert self.quota("epochs", 17).admit(study, mine, Allowance(5)) == Allowance(2)
        end_interrupted(study, mine, "stopped")
        again = take(study, "me")
        assert self.quota("epochs", 100).admit(study, again, Allowance(5)) == Allowance(5)
        ((_, reserved),) = read_spending(study, KINDS["epochs"](5)).running
        assert reserved == 5

    def test_a_search_that_is_over_admits_nothing(self, study: optuna.Study) -> None:
        note_study(study, StudyNotes(closed=True))
        with pytest.raises(Withdrawn, match="was over"):
            self.quota("seconds", 100).admit(study, take(study), Allowance(5))

    def test_only_queued_trials_are_run_if_so_asked(self, study: optuna.Study) -> None:
        quota = self.quota("trials", 100, queued=True)
        study.enqueue_trial({}, user_attrs={"schedule": {}})
        assert quota.admit(study, take(study), Allowance(5)) == Allowance(5)
        with pytest.raises(Withdrawn, match="another process has"):
            quota.admit(study, take(study), Allowance(5))

    def test_what_was_withdrawn_is_no_trial_of_the_search(self, make_plan: MakePlan, url: str) -> None:
        plan = make_plan("4", objective=Quick(), storage=url)
        search(plan)
        study = optuna.load_study(study_name=plan.study, storage=open_storage(url))
        take(study, "other")  # another process runs the last one of a larger budget
        from lrsearch.search.trial.run import run_trial
        from lrsearch.search.trial.settings import Terms

        terms = Terms(plan.space, "val_loss", False, 5, 0, "cpu", quota=self.quota("trials", 5))
        record = run_trial(study, Quick(), terms)
        assert record.outcome == "withdrawn"
        assert len(loaded(plan).trials) == 5


def test_the_member_with_the_lowest_number_leads(url: str) -> None:
    storage = open_storage(url)
    with Members(storage, "s") as first:
        with Members(storage, "s") as second:
            assert first.leads()
            assert not second.leads()
            assert not second.finished
            first.finish()
            assert second.finished
            assert second.leads(), "the first one has left"
        with Members(storage, "s") as third:
            assert third.leads()
            assert not third.finished
    assert [t.user_attrs["outcome"] for t in optuna.load_study(study_name="s" + TEAM, storage=storage).trials] == [
        "complete",
        "withdrawn",
        "withdrawn",
    ]


def test_a_worker_ends_with_the_time_of_the_search(make_plan: MakePlan, url: str) -> None:
    plan = make_plan("15s", objective=Quick(), storage=url, sampler="random", pruner="none")
    with started([plan]) as (first,):
        begun(plan, 2)
        while first.is_alive() and not loaded(plan).sessions:
            time.sleep(0.05)
        left = loaded(plan).sessions[0]["deadline"] - time.time()
        result = work_on(plan)
        assert loaded(plan).sessions[0]["deadline"] <= time.time() < loaded(plan).sessions[0]["deadline"] + 60
        first.join(600)
    assert left > 0
    assert len(result.sessions) == 1
    assert len(hosts(result, plan)) == 2


def work_on(plan: Plan) -> SearchResult:
    return work(plan.study, plan.where, objective=Quick(), device="cpu")


def test_a_worker_finds_nothing_to_do_after_the_end(make_plan: MakePlan, url: str) -> None:
    plan = make_plan("4", objective=Quick(), storage=url)
    before = search(plan)
    assert work_on(plan).trials == before.trials


def test_a_worker_needs_what_was_searched(make_plan: MakePlan, url: str) -> None:
    plan = make_plan("4", objective=Quick(), storage=url)
    search(plan)
    with pytest.raises(InputError, match="name the objective with --objective"):
        work(plan.study, url)
    with pytest.raises(InputError, match="this is not what was searched: objective"):
        work(plan.study, url, objective="digits", device="cpu")


def test_a_worker_waits_for_a_search_only_so_long(url: str) -> None:
    begun = time.time()
    with pytest.raises(StudyError, match="there is no study 'nobody' there"):
        work("nobody", url, wait=0.5)
    assert time.time() - begun < 120


def test_a_worker_says_which_database_it_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LRSEARCH_STORAGE", raising=False)
    assert main(["worker", "--study", "digits"]) == 2
    assert "--storage" in capsys.readouterr().err
    assert main(["worker", "--study", "digits", "--storage", "runs/digits/journal.log"]) == 2
    assert "needs the URL of a database" in capsys.readouterr().err
