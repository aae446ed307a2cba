"""Two processes for a user's own loop, where they pay."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from filelock import FileLock
from joblib import cpu_count

from lrsearch.objectives import Run, UserObjective
from lrsearch.search import Plan, search
from lrsearch.search.engines import crowd
from lrsearch.search.engines.crowd import crowd_or_alone
from lrsearch.search.engines.engine import Engine
from lrsearch.search.engines.pool import dismiss
from lrsearch.search.trial.settings import Terms
from lrsearch.spaces import Schedule, default_space

pytestmark = [pytest.mark.slow, pytest.mark.skipif(cpu_count() < 2, reason="needs two cores")]
ALONE = Engine("single", 1, "as ever")
EPOCHS = 5
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import it


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(crowd, "LEAST_S", 1.0)
    yield
    dismiss()


def waits(run: Run) -> Iterator[dict[str, float]]:
    """Needs no core, so that two at once take as long as one."""
    for _ in range(run.epochs):
        time.sleep(0.3)
        yield {"val_loss": run.schedule.base_lr}


def queues(lock: Path) -> Callable[[Run], Iterator[dict[str, float]]]:
    """What only one process can do at a time."""

    def objective(run: Run) -> Iterator[dict[str, float]]:
        for _ in range(run.epochs):
            with FileLock(str(lock)):
                time.sleep(0.3)
            yield {"val_loss": run.schedule.base_lr}

    return objective


def stays(run: Run) -> Iterator[dict[str, float]]:
    """What no other process can do."""
    if os.getpid() != HERE:
        raise OSError("only one process may use it")
    yield {"val_loss": 1.0}


HERE = os.getpid()


def choice(objective: Any, *, trials: float = 40, seconds: float = 1.5, device: str = "cpu") -> Engine:
    terms = Terms(default_space("sgd", EPOCHS), "val_loss", False, EPOCHS, 0, device, told=print)
    schedule = Schedule("constant", 0.1, EPOCHS)
    return crowd_or_alone(UserObjective(objective, "sgd", EPOCHS), schedule, terms, trials, seconds, ALONE)


def test_two_processes_are_used_where_they_are_faster() -> None:
    chosen = choice(waits)
    assert (chosen.name, chosen.width) == ("processes", 2)
    assert "2 processes are" in chosen.why


def test_one_process_is_used_where_two_wait_for_each_other(tmp_path: Path) -> None:
    chosen = choice(queues(tmp_path / "lock"))
    assert chosen.name == "single"
    assert "times as fast" in chosen.why


def test_a_loop_that_cannot_go_to_a_process_stays_here() -> None:
    chosen = choice(stays)
    assert chosen.name == "single"
    assert "processes are not possible" in chosen.why
    assert "only one process may use it" in chosen.why


@pytest.mark.parametrize("given", [{"trials": 2, "seconds": 0.4}, {"seconds": 0.0}, {"device": "cuda"}])
def test_what_is_soon_over_or_runs_on_a_gpu_is_not_measured(given: dict[str, Any]) -> None:
    assert choice(stays, **given) is ALONE


def test_a_search_uses_what_was_measured(make_plan: Callable[..., Plan]) -> None:
    objective = UserObjective(waits, "sgd", EPOCHS)
    given = {"engine": "auto", "jobs": 0, "sampler": "random", "pruner": "none", "space": default_space("sgd", EPOCHS)}
    result = search(make_plan("8", objective=objective, **given))
    assert result.sessions[-1]["engine"] == "processes"
    assert result.sessions[-1]["width"] == 2
    assert result.counts() == {"complete": 8}
