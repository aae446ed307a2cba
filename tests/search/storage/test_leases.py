"""Leases: trials of dead processes run again, those of living ones are left alone, whoever looks."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from bowl import Bowl, StopAfter
from optuna.trial import TrialState

from lrsearch.objectives import TaskObjective, get_task
from lrsearch.search import Budget, Plan, SearchResult, load_result, open_storage, search
from lrsearch.search.budget.kinds import kind_of
from lrsearch.search.budget.ledger import Allowance
from lrsearch.search.budget.shared import Quota
from lrsearch.search.engines.engine import Engine
from lrsearch.search.engines.lanes import run_lanes
from lrsearch.search.storage.ending import end, end_interrupted, queue_interrupted
from lrsearch.search.storage.leases import (
    LEASE_S,
    SKEW_S,
    _Heart,
    clear_unsigned,
    end_abandoned,
    held_trials,
    let_go,
    recover,
    take,
)
from lrsearch.search.storage.members import Members
from lrsearch.search.storage.owners import _ticks, this_process
from lrsearch.search.trial.running import begin_trial
from lrsearch.search.trial.settings import Terms
from lrsearch.spaces import default_space

MakePlan = Callable[..., Plan]
DEAD = {"pid": 2**22 + 1, "start": 0.0}  # no system gives out such an id
ELSEWHERE = {"host": "another", "place": "another"}


@pytest.fixture
def study(make_plan: MakePlan) -> optuna.Study:
    """The study of a search of three trials."""
    plan = make_plan("3")
    search(plan)
    return opened(plan)


def opened(plan: Plan) -> optuna.Study:
    return optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))


def begin(study: optuna.Study, **owner: Any) -> optuna.Trial:
    """A running trial as another process would leave it, with a schedule."""
    trial = take(study)
    let_go(study, trial)
    trial.set_user_attr("schedule", default_space("sgd", 5).suggest(trial).to_dict())
    trial.set_user_attr("owner", {**trial.user_attrs["owner"], **owner})
    return trial


def state(study: optuna.Study, number: int) -> TrialState:
    return study.get_trials(deepcopy=False)[number].state


def waiting(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(states=(TrialState.WAITING,))


def test_a_trial_of_a_dead_process_is_queued_again_as_it_was(study: optuna.Study) -> None:
    trial = begin(study, **DEAD)
    trial.set_user_attr("seed", 7)
    assert recover(study) == [trial.number]
    (again,) = waiting(study)
    assert again.system_attrs["fixed_params"] == trial.params
    kept = {"schedule": trial.user_attrs["schedule"], "seed": 7, "crashes": 1, "repeats": trial.number}
    assert again.user_attrs == kept
    assert recover(study) == []
    assert len(waiting(study)) == 1


@pytest.mark.parametrize("clock", ["as it was", "changed", "unknown ticks"])
def test_a_trial_of_a_living_process_is_left_alone(study: optuna.Study, clock: str) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    import psutil

    process = psutil.Process(sleeper.pid)
    start = process.create_time() + (3600 if clock == "changed" else 0)
    ticks = None if clock == "unknown ticks" else _ticks(sleeper.pid)
    trial = begin(study, pid=sleeper.pid, start=start, ticks=ticks, lease=0.0)
    try:
        assert recover(study) == []
    finally:
        sleeper.kill()
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert recover(study) == [trial.number], "a zombie is dead"
    sleeper.wait()


def test_an_id_that_was_given_out_again_is_another_process(study: optuna.Study) -> None:
    trial = begin(study, pid=os.getppid(), start=this_process().start - 3600, ticks=1)
    assert recover(study) == [trial.number]


def test_on_another_machine_the_lease_counts(study: optuna.Study) -> None:
    kept = begin(study, **ELSEWHERE, lease=time.time() + 60)
    gone = begin(study, **ELSEWHERE, lease=time.time() - SKEW_S - 1)
    renewed = begin(study, **ELSEWHERE, lease=time.time() - SKEW_S - 1)
    renewed.set_user_attr("lease", time.time() + LEASE_S)
    assert recover(study) == [gone.number]
    assert state(study, kept.number) == state(study, renewed.number) == TrialState.RUNNING


def test_a_lease_of_a_machine_whose_clock_is_behind_is_watched_before_it_is_taken(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    renewed = begin(study, **ELSEWHERE, lease=time.time() - 60)
    dead = begin(study, **ELSEWHERE, lease=time.time() - 60)
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        for late in (59, 58, 57):
            assert recover(study) == []
            renewed.set_user_attr("lease", time.time() - late)
            now += LEASE_S / 3
        now += 1
        assert recover(study) == [dead.number]


@pytest.mark.parametrize("when", ["before the storage answers", "after"])
def test_a_process_that_is_stopped_while_it_looks_takes_no_living_owner_for_dead(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The owner renews its lease all the while; what was read before the stop is old after it."""
    trial = begin(study, **ELSEWHERE, lease=time.time() + LEASE_S)
    read, clocks = optuna.Study.get_trials, {"time": time.time, "monotonic": time.monotonic}
    passed = 0.0

    def stopped(study: optuna.Study, *args: Any, **how: Any) -> Any:
        nonlocal passed
        found = read(study, *args, **how) if when == "after" else None
        passed += 2 * SKEW_S
        trial.set_user_attr("lease", clocks["time"]() + passed - 0.9 * LEASE_S)
        return found if found is not None else read(study, *args, **how)

    for name, clock in clocks.items():
        monkeypatch.setattr(time, name, lambda clock=clock: clock() + passed)
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "get_trials", stopped)
        assert recover(study) == []
    passed += 0.2 * LEASE_S
    assert recover(study) == [], "it is watched from when it was read"
    passed += LEASE_S
    assert recover(study) == [trial.number]


def test_where_no_other_machine_can_train_its_trials_are_not_waited_for(study: optuna.Study) -> None:
    """As when a container is killed and started again under another name."""
    trial = begin(study, **ELSEWHERE, lease=time.time() + 60)
    assert recover(study) == []
    assert recover(study, alone=True) == [trial.number]


def test_a_process_knows_which_trials_it_runs_itself(study: optuna.Study) -> None:
    trial = take(study)
    assert recover(study) == []
    let_go(study, trial)
    assert recover(study) == [trial.number]


def test_trials_of_two_storages_that_have_the_same_ids_are_told_apart(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a script searches in two folders at once."""
    monkeypatch.setattr("lrsearch.search.storage.leases._HEART", _Heart())  # whatever other tests hold
    studies = []
    for name in ("one", "other"):
        plan = make_plan("3", out=str(tmp_path / name))
        search(plan)
        studies.append(opened(plan))
    first, second = studies
    trial = take(first)
    assert take(second)._trial_id == trial._trial_id
    assert len(held_trials()) == 2
    let_go(second, trial)
    assert recover(second) == [trial.number]
    assert recover(first) == [], "it still runs"
    again = opened(make_plan(out=str(tmp_path / "one")))
    assert recover(again) == [], "whoever looks"
    let_go(first, trial)
    assert recover(again) == [trial.number]


class Full(OSError):
    """What a storage raises on a disk that is full."""


@pytest.mark.parametrize(
    ("note", "what"),
    [("owner", "trial"), ("schedule", "trial"), ("outcome", "no budget"), ("outcome", "member"), ("outcome", "lanes")],
)
def test_what_the_storage_refuses_to_note_is_not_held_for_ever(
    study: optuna.Study, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch, note: str, what: str
) -> None:
    """Or nobody would run it again as long as this process lives."""
    quota = Quota(kind_of(Budget.parse("1"), 5), 0.0, "me") if what == "no budget" else None
    terms = Terms(make_plan().space, "val_loss", False, 5, 0, "cpu", quota=quota)
    set_note = type(study._storage).set_trial_user_attr

    def refuse(storage: Any, trial: int, key: str, value: Any) -> None:
        if key == note:
            raise Full
        set_note(storage, trial, key, value)

    def act() -> None:
        if what == "member":
            with Members(study._storage, study.study_name):
                pass
        elif what == "lanes":
            allowances = [None, Allowance(5), Allowance(5)]
            list(run_lanes(study, TaskObjective(get_task("digits")), terms, Engine("lanes", 2, ""), allowances.pop))
        else:
            begin_trial(study, Bowl(), terms)

    monkeypatch.setattr("lrsearch.search.storage.leases._HEART", _Heart())
    monkeypatch.setattr(type(study._storage), "set_trial_user_attr", refuse)
    with pytest.raises(Full):
        act()
    assert held_trials() == []


def test_leases_are_renewed_while_an_epoch_lasts(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrsearch.search.storage.leases.RENEW_S", 0.05)
    monkeypatch.setattr("lrsearch.search.storage.leases._HEART._beating", 0)
    trial = take(study)
    for _ in range(100):
        if "lease" in study.get_trials(deepcopy=False)[trial.number].user_attrs:
            break
        time.sleep(0.05)
    assert study.get_trials()[trial.number].user_attrs["lease"] > trial.user_attrs["owner"]["lease"]
    let_go(study, trial)


def test_a_trial_that_nobody_signed_is_left_alone_for_a_moment(study: optuna.Study) -> None:
    trial = study.ask()
    assert recover(study) == []
    assert recover(study, grace=0.0) == [trial.number]
    assert waiting(study) == [], "without a schedule there is nothing to repeat"


def test_the_third_crash_is_a_failure(study: optuna.Study) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(begin(study, **DEAD).number)
        recover(study)
    trials = study.get_trials()
    assert [trials[n].user_attrs["outcome"] for n in numbers] == ["interrupted", "interrupted", "failed"]
    assert trials[numbers[-1]].user_attrs["reason"] == "its process was killed 3 times (out of memory, perhaps)"
    assert len({str(trials[n].params) for n in numbers}) == 1
    assert waiting(study) == []


def test_a_stop_by_the_user_is_no_crash(study: optuna.Study) -> None:
    for _ in range(5):
        end_interrupted(study, begin(study), "stopped by the user")
    killed = begin(study, **DEAD).number
    end_abandoned(study, study.get_trials()[killed])
    (again,) = waiting(study)
    assert again.user_attrs["crashes"] == 1


def test_of_many_recover_alls_one_queues_a_trial_again(make_plan: MakePlan, study: optuna.Study) -> None:
    dead = {begin(study, **DEAD).number for _ in range(4)}
    studies = [opened(make_plan()) for _ in range(8)]
    together = threading.Barrier(len(studies))
    ended: list[int] = []

    def work(own: optuna.Study) -> None:
        together.wait()
        ended.extend(recover(own))

    threads = [threading.Thread(target=work, args=[s]) for s in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == sorted(dead)
    assert sorted(t.user_attrs["repeats"] for t in waiting(study)) == sorted(dead)


def test_a_kill_between_ending_and_queuing_loses_no_trial(study: optuna.Study) -> None:
    trial = begin(study)
    end(study, trial, "interrupted", "stopped by the user")
    queue_interrupted(study, grace=60)
    assert waiting(study) == [], "it may be about to be queued"
    queue_interrupted(study)
    queue_interrupted(study)
    assert [t.user_attrs["repeats"] for t in waiting(study)] == [trial.number]


def test_a_trial_that_two_processes_queued_again_runs_once(study: optuna.Study) -> None:
    trial = begin(study)
    end_interrupted(study, trial, "stopped by the user")
    (again,) = waiting(study)
    study.enqueue_trial(trial.params, user_attrs=again.user_attrs)
    first, second = take(study), take(study)
    assert first.number == again.number
    assert "repeats" not in second.user_attrs
    dropped = study.get_trials()[again.number + 1]
    assert (dropped.state, dropped.user_attrs["outcome"]) == (TrialState.FAIL, "withdrawn")
    queue_interrupted(study)
    assert waiting(study) == []


def test_a_baseline_that_two_processes_queued_runs_once(make_plan: MakePlan) -> None:
    plan = make_plan("3", confirm=0, sampler="random")
    search(plan)
    study = opened(plan)
    study.enqueue_trial({}, user_attrs={k: study.trials[1].user_attrs[k] for k in ("baseline", "schedule")})
    assert "baseline" not in take(study).user_attrs
    assert study.trials[3].user_attrs["outcome"] == "withdrawn"


def test_a_kill_while_baselines_are_queued_loses_none(make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    enqueue, calls = optuna.Study.enqueue_trial, itertools.count()

    def killed(study: optuna.Study, *args: Any, **how: Any) -> None:
        if next(calls):
            raise KeyboardInterrupt
        enqueue(study, *args, **how)

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "enqueue_trial", killed)
        with pytest.raises(KeyboardInterrupt):
            search(make_plan("5", confirm=0, sampler="random"))
    result = search(make_plan("5", confirm=0, sampler="random"))
    assert [t.baseline for t in result.trials] == ["constant", "linear to zero", "cosine to zero", None, None]


class Suspended(Bowl):
    """Another process takes its fourth trial for dead, as after a laptop's sleep."""

    def __init__(self, recover_all: Callable[[], None]) -> None:
        self.recover_all, self.trials = recover_all, 0

    def run(self, *args: Any, **how: Any) -> Any:
        self.trials += 1
        for measurement in super().run(*args, **how):
            if self.trials == 4 and measurement.epoch == 3:
                self.recover_all()
            yield measurement


def test_an_owner_that_lost_its_trial_goes_on_with_the_next(make_plan: MakePlan) -> None:
    def recover_all() -> None:
        study = opened(plan)
        (running,) = study.get_trials(states=(TrialState.RUNNING,))
        end_interrupted(study, running, "its lease ran out")

    plan = make_plan("6", objective=Suspended(recover_all), sampler="random", pruner="none")
    result = search(plan)
    assert [t.outcome for t in result.trials if t.number != 3] == [t.outcome for t in result.trials if t.counted]
    assert result.trials[3].reason == "its lease ran out"
    assert result.trials[4].params == result.trials[3].params
    assert sum(t.counted for t in result.trials) == 6


def test_a_running_trial_is_not_counted_whatever_its_notes_say(make_plan: MakePlan, study: optuna.Study) -> None:
    begin(study).set_user_attr("outcome", "complete")  # killed just before the state was written
    result: SearchResult = load_result(open_storage(make_plan().where), "bowl")
    assert result.counts() == {"complete": 3, "running": 1}


def test_the_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    code = f"""
import os
from lrsearch.search.storage.locks import journal_lock
journal_lock({str(tmp_path / "journal.log")!r}).acquire()
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    from lrsearch.search.storage.locks import journal_lock

    begun = time.time()
    lock = journal_lock(str(tmp_path / "journal.log"))
    lock.acquire()
    lock.release()
    assert time.time() - begun < 1


def test_a_search_begins_with_what_dead_processes_left(make_plan: MakePlan, study: optuna.Study) -> None:
    left = begin(study, **DEAD)
    plan = make_plan("5")
    progress = StopAfter(99)
    result = search(plan, progress)
    assert progress.notes[0].startswith("1 trial(s) were cut off")
    assert result.trials[left.number + 1].params == left.params
    assert sum(t.counted for t in result.trials) == 5


def test_what_the_workers_of_a_killed_session_still_end_is_counted(make_plan: MakePlan, study: optuna.Study) -> None:
    code = f"""
import time, optuna
from lrsearch.search.storage.leases import take
from lrsearch.search.storage.ending import end
from lrsearch.search.storage.opening import open_storage
from lrsearch.spaces import default_space
study = optuna.load_study(study_name="bowl", storage=open_storage({make_plan().where!r}))
trial = take(study)
trial.set_user_attr("schedule", default_space("sgd", 5).suggest(trial).to_dict())
print("begun", flush=True)
time.sleep(1.5)
end(study, trial, "complete", value=0.5)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "begun\n"
        result = search(make_plan("5"))
    assert worker.returncode == 0
    assert sum(t.counted for t in result.trials) == 5
    assert result.trials[3].value == 0.5


def test_no_trial_that_nobody_signed_outlives_a_search(study: optuna.Study) -> None:
    unsigned, signed = study.ask(), take(study)
    clear_unsigned(study, grace=0.3)
    assert state(study, unsigned.number) == TrialState.FAIL
    assert state(study, signed.number) == TrialState.RUNNING
    assert waiting(study) == []
