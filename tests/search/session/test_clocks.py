"""Clocks that are set while a search runs: budgets of time, leases and time limits go on as if nothing had been."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from bowl import Clock, Jump, StopAfter
from kills import SERVER, run_session

from lrsearch.search import Plan, load_result, open_storage, search
from lrsearch.search.storage.ending import end, queue_interrupted
from lrsearch.search.storage.leases import clear_unsigned, recover

MakePlan = Callable[..., Plan]
HOUR = 3600.0
_time = time.time


@contextmanager
def clock_set(by: float) -> Iterator[None]:
    """The system's clock is set forward by so many seconds, or back."""
    before, time.time = time.time, lambda: _time() + by
    try:
        yield
    finally:
        time.time = before


@pytest.fixture(autouse=True)
def real_clock(make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes what a test has set; what a first search imports takes seconds, and is imported before."""
    monkeypatch.setattr(time, "time", _time)
    search(make_plan("1", study="first", sampler="random", pruner="none"))


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_budget_of_time_does_not_follow_a_clock_that_is_set(make_plan: MakePlan, clock: Clock, by: float) -> None:
    begun, objective = time.monotonic(), Jump(by, sleep=clock.sleep)
    result = search(make_plan("3s", objective=objective, pruner="none", sampler="random"), None, begun)
    assert 3 <= time.monotonic() - begun < 60
    assert result.counts()["out of budget"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_nor_do_worker_processes(make_plan: MakePlan, by: float) -> None:
    plan = make_plan("8", objective=Jump(by), engine="processes", jobs=2, pruner="none", sampler="random")
    search(plan)  # their start takes seconds
    begun = time.monotonic()
    plan = replace(plan, study="timed", objective=Jump(by), budget=replace(plan.budget, kind="seconds", amount=4.0))
    result = search(plan, None, begun)
    assert 4 <= time.monotonic() - begun < 60
    assert sum(t.counted for t in result.trials) >= 2


@pytest.mark.slow
def test_a_worker_that_dies_after_its_clock_was_put_back_is_missed(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("4", objective=Jump(-HOUR, tmp_path), engine="processes", jobs=1, pruner="none", sampler="random")
    progress = StopAfter(99)
    result = search(plan, progress)
    assert "running" not in result.counts()
    assert result.counts()["interrupted"] == 1
    assert sum(t.counted for t in result.trials) == 4
    assert any("died" in note and note.endswith("runs again.") for note in progress.notes)


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_resumed_search_has_the_seconds_that_are_left_whatever_the_clock_says(
    make_plan: MakePlan, clock: Clock, by: float
) -> None:
    plan = make_plan("4s", objective=Jump(0.0, sleep=clock.sleep), pruner="none", sampler="random")
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        search(plan, StopAfter(1), begun)
    first = time.monotonic() - begun
    assert first > 1.2
    with clock_set(by):
        begun = time.monotonic()
        search(replace(plan, objective=Jump(by, sleep=clock.sleep)), None, begun)
    assert 4 - 0.5 < first + time.monotonic() - begun < 60


@pytest.mark.slow
@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_one_that_joins_on_a_machine_with_another_clock_has_the_rest_of_the_time(
    make_plan: MakePlan, postgres_url: str, by: float
) -> None:
    plan = make_plan("8s", objective=Jump(0.0), storage=postgres_url, sampler="random", pruner="none")
    first = SERVER.Process(target=run_session, args=(plan,))
    first.start()
    try:
        while not _sessions(plan):
            time.sleep(0.05)
        begun = time.monotonic()
        with clock_set(by):
            search(replace(plan, joins=True, objective=Jump(by)))
        assert 1 < time.monotonic() - begun < 8 + 60
        first.join(300)
        assert first.exitcode == 0
    finally:
        first.kill()
        first.join()


def _sessions(plan: Plan) -> int:
    try:
        return len(load_result(open_storage(plan.where), plan.study).sessions)
    except Exception:
        return 0


def test_what_a_dead_process_left_is_found_although_the_clock_was_put_back(make_plan: MakePlan) -> None:
    plan = make_plan("3")
    search(plan)
    study = optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))
    begun = time.monotonic()
    unsigned, stopped = study.ask(), study.ask()
    stopped.set_user_attr("schedule", {})
    end(study, stopped, "interrupted", "stopped by the user")  # and killed before it was queued again
    with clock_set(-HOUR):
        assert recover(study, grace=0.5) == []
        clear_unsigned(study, grace=0.5)
        queue_interrupted(study, grace=0.5)
    assert time.monotonic() - begun < 300
    assert study.get_trials()[unsigned.number].state == optuna.trial.TrialState.FAIL
    assert [t.user_attrs["repeats"] for t in study.get_trials(states=(optuna.trial.TrialState.WAITING,))] == [
        stopped.number
    ]
