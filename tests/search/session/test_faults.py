"""What a user's training job may do wrong: each fault ends its trial alone, with a name."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from bowl import Clock, StopAfter
from faults import keep

from lrsearch.errors import InputError, StudyError
from lrsearch.objectives import UserObjective
from lrsearch.search import Plan, parse_seconds, search
from lrsearch.search.budget.ledger import Ledger
from lrsearch.search.engines.pool import Worker, WorkerDied
from lrsearch.search.engines.worker import set_up_worker

pytestmark = pytest.mark.slow

MakePlan = Callable[..., Plan]

FAULTS = {
    "raises": ("failed", "ZeroDivisionError: integer division or modulo by zero"),
    "exits": ("failed", "SystemExit: 3 (the objective called sys.exit)"),
    "memory": ("failed", "MemoryError: no room for 99 GiB"),
    "cuda_memory": ("failed", "RuntimeError: CUDA out of memory. Tried to allocate 20.00 GiB."),
    "text": ("failed", "ObjectiveError: text gave '0.3' as val_loss, which is not a number"),
    "nothing": ("failed", "ObjectiveError: nothing gave no metric"),
    "nan": ("diverged", "val_loss was nan after epoch 2"),
    "short": ("failed", "the objective ended after 2 of 3 epochs"),
    "long": ("complete", ""),
    "stubborn": ("diverged", "val_loss was inf after epoch 2"),
    "forks": ("complete", ""),
    "prints": ("complete", ""),
}
KILLED = "its process was killed 3 times (out of memory, perhaps)"


@pytest.fixture
def faulty(make_plan: MakePlan) -> Callable[..., Plan]:
    """A plan of four trials with a fault in the second; ``push_x`` is the fault x in the push form."""

    def make(fault: str, **changes: Any) -> Plan:
        objective = UserObjective(f"{Path(__file__).parents[2] / 'faults.py'}:{fault}", "sgd", epochs=3)
        return make_plan("4", objective=objective, study=fault, pruner="none", sampler="random", **changes)

    return make


@pytest.mark.parametrize("engine", ["single", "processes"])
@pytest.mark.parametrize("form", ["", "push_"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_its_trial_alone(faulty: Callable[..., Plan], fault: str, engine: str, form: str) -> None:
    result = search(faulty(form + fault, engine=engine))
    outcome, reason = FAULTS[fault]
    assert result.trials[1].outcome == outcome
    assert result.trials[1].reason.replace("push_", "").startswith(reason)
    assert [t.outcome for t in result.trials if t.number != 1] == ["complete"] * 3


@pytest.mark.parametrize(("fault", "how"), [("dies", "SIGKILL"), ("push_dies", "SIGKILL"), ("leaves", "EXIT")])
def test_a_trial_that_kills_its_process_runs_twice_more_and_has_failed(
    faulty: Callable[..., Plan], fault: str, how: str
) -> None:
    progress = StopAfter(99)
    result = search(faulty(fault, engine="processes"), progress)
    tried = [t for t in result.trials if t.baseline == "linear to zero"]
    assert [(t.outcome, t.reason) for t in tried] == [("interrupted", "its process was killed")] * 2 + [
        ("failed", KILLED)
    ]
    assert len({str(t.schedule) for t in tried}) == 1
    assert sorted(t.outcome for t in result.trials if t.counted) == ["complete"] * 3 + ["failed"]
    said = [n for n in progress.notes if re.match(rf"The worker process of trial \d+ died \(.*{how}", n)]
    assert [n.rsplit("trial ")[-1] for n in said] == ["runs again.", "runs again.", f"has failed: {KILLED}."]


@pytest.mark.parametrize("fault", ["hangs", "push_hangs"])
def test_a_trial_that_hangs_has_failed_and_its_process_is_replaced(faulty: Callable[..., Plan], fault: str) -> None:
    begun = time.time()
    result = search(faulty(fault, trial_timeout=2.0))
    assert result.trials[1].reason == "it took longer than --trial-timeout, 2.0 s"
    assert [t.outcome for t in result.trials] == ["complete", "failed", "complete", "complete"]
    assert result.sessions[0]["engine"] == "processes"
    assert time.time() - begun < 120


@pytest.mark.parametrize("fault", ["never_starts", "push_never_starts"])
def test_a_job_that_never_starts_is_found_before_the_first_trial(
    faulty: Callable[..., Plan], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrsearch.search.engines.processes.STARTUP_S", 5.0)
    with pytest.raises(StudyError, match=r"did not finish its first epoch within --trial-timeout, 1\.0 s"):
        search(faulty(fault, trial_timeout=1.0))


def test_lanes_and_a_timeout_exclude_each_other(faulty: Callable[..., Plan]) -> None:
    with pytest.raises(InputError, match="--trial-timeout needs --engine processes, got --engine lanes"):
        search(faulty("hangs", trial_timeout=60.0, engine="lanes"))


def test_a_job_that_raises_at_once_is_answered_with_the_place(make_plan: MakePlan, tmp_path: Path) -> None:
    job = tmp_path / "broken.py"
    job.write_text("def objective(run):\n    {}['typo']\n    yield 1.0\n")
    plan = make_plan("3", objective=UserObjective(f"{job}:objective", "sgd"))
    with pytest.raises(InputError, match=r"failed in its first epoch: KeyError: 'typo' \(.*broken.py, line 2\)"):
        search(plan)


@pytest.mark.parametrize("engine", ["single", "processes"])
def test_nothing_but_json_reaches_standard_output(tmp_path: Path, engine: str) -> None:
    job = f"{Path(__file__).parents[2] / 'faults.py'}:prints"
    words = ["run", job, "--budget", "3", "--epochs", "3", "--out", str(tmp_path), "--json", "--engine", engine]
    words += ["--sampler", "random"]  # which begins with the three baselines: one of them prints
    done = subprocess.run([sys.executable, "-m", "lrsearch", *words], capture_output=True, text=True, check=True)
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert [event for event in events if event != "note"] == ["start", "trial", "trial", "trial", "result"]
    assert "note" in events
    assert all(text in done.stderr for text in ("{}" * 1000, "straight to the file", "from a child"))


def test_a_time_is_seconds_or_has_units() -> None:
    assert [parse_seconds(t, "--x") for t in (90, "90", "1.5", "5m", "1h30m")] == [90, 90, 1.5, 300, 5400]
    for wrong in ("0", "-3", "5 parsecs", "", "9ep"):
        with pytest.raises(InputError, match="--x is a time above 0"):
            parse_seconds(wrong, "--x")


def test_a_worker_whose_watching_thread_has_ended_counts_as_dead_and_is_replaced() -> None:
    worker: Worker[float, None] = Worker(1, print)
    worker.start(time.sleep, 100.0)
    assert not worker.wait(0.1)
    assert worker._pool is not None
    worker._pool._executor_manager_thread = threading.Thread()  # never started: not alive
    assert worker.wait(0.1)
    with pytest.raises(WorkerDied, match="what watched it has ended"):
        worker.result()
    worker.start(time.sleep, 0.0)
    assert worker.wait(60)
    worker.result()
    worker.kill()


def test_a_worker_that_is_ended_while_work_is_queued_leaves_its_thread_nothing_to_look_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda what: raised.append(what.exc_value))
    worker: Worker[float, None] = Worker(1, print)
    worker.start(time.sleep, 0.5)
    assert worker._pool is not None
    assert worker._future is not None
    watching, held, go_on = worker._pool._executor_manager_thread, threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        go_on.wait(60)

    worker._future.add_done_callback(hold)
    assert held.wait(60), "the thread hands over the first result now"
    worker.start(time.sleep, 0.0)
    end = threading.Thread(target=worker.kill)
    end.start()
    while not (watching.executor_flags.shutdown and watching.executor_flags.kill_workers):
        time.sleep(0.01)
    go_on.set()
    end.join(60)
    assert not watching.is_alive()
    assert raised == []


def test_a_worker_that_is_killed_while_it_has_no_work_is_replaced() -> None:
    worker: Worker[int, int] = Worker(1, print)  # any function of a process id
    worker.start(abs, -1)
    worker.wait(60)
    assert worker.result() == 1
    os.kill(worker.pid, signal.SIGKILL)
    end = time.time() + 30
    while psutil.pid_exists(worker.pid) and time.time() < end:
        time.sleep(0.1)
    time.sleep(0.5)  # until loky has noticed
    worker.start(abs, -2)
    worker.wait(60)
    assert worker.result() == 2
    worker.kill()


def test_a_worker_stays_although_its_second_trial_takes_much_more_memory_than_its_first() -> None:
    worker: Worker[int, int] = Worker(1, set_up_worker)
    pids = []
    for megabytes in (1, 1, 400, 1, 1):
        worker.start(keep, megabytes)
        assert worker.wait(60)
        pids.append(worker.result())
    worker.kill()
    assert len(set(pids)) == 1


def test_a_budget_of_time_that_ends_before_the_first_trial_gives_no_verdict(
    make_plan: MakePlan, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "reserve", lambda *_: clock.sleep(60))  # as if choosing the engine had taken all of it
    progress = StopAfter(99)
    result = search(make_plan("60s", confirm=9), progress)
    assert not result.trials
    assert result.confirmation is None
    assert progress.notes[-1].startswith("The winner is not confirmed on fresh seeds")
