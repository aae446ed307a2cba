"""Searches that are killed at random, and what their books must say afterwards."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from multiprocessing.process import BaseProcess
from typing import Any

import psutil
from bowl import Bowl
from optuna.storages import BaseStorage

from lrsearch.errors import StudyError
from lrsearch.objectives import Measurement, Run
from lrsearch.reports.export import read_best
from lrsearch.reports.facts import spending
from lrsearch.run_folder import write_outputs
from lrsearch.search import Plan, SearchResult, Silent, load_result, open_storage, search, train_longer
from lrsearch.spaces import Schedule

TARGETS = {"single": ("parent",), "processes": ("worker", "worker", "parent", "both")}
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["lrsearch.search", "lrsearch.run_folder", "torch", "bowl", "kills"])


class Quick(Bowl):
    """A hundredth of a second per epoch."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for measurement in super().run(schedule, **how):
            time.sleep(0.01)
            yield measurement


def pushes(run: Run) -> None:
    """A hundredth of a second per epoch in the push form, which the generator's books must hold for, too."""
    for epoch in range(run.epochs):
        time.sleep(0.01)
        if not run.report(epoch, val_loss=abs(run.schedule.base_lr - 0.1) + 1 / (epoch + 1)):
            return


def torment(plan: Plan, kills: int, dice: random.Random) -> tuple[Counter[str], SearchResult]:
    """Run a search until its budget is spent, killing so many times what runs it at random moments.

    Returns:
        How often what was killed, and what the search left; the books are checked after every kill.
    """
    done: Counter[str] = Counter()
    finished: dict[int, tuple[Any, ...]] = {}
    session = _start(plan)
    while True:
        seen = _progress(plan)
        while session.is_alive() and sum(done.values()) < kills and _progress(plan) == seen:
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 0.3))
        if session.is_alive() and sum(done.values()) < kills:
            target = dice.choice(TARGETS[plan.engine])
            if not _kill(session, target, dice):
                continue
            done[target] += 1
            finished = _check_kept(plan, finished)
            if target == "worker":
                continue
        session.join()
        if session.exitcode == 0:
            return done, _check_books(plan, finished)
        assert session.exitcode == -9, f"a session ended with {session.exitcode}"
        session = _start(plan)


def _start(plan: Plan) -> BaseProcess:
    session = SERVER.Process(target=run_session, args=(plan,))
    session.start()
    return session


def run_session(plan: Plan) -> None:
    """One session of a search, as a process runs it."""
    search(plan)


def _kill(session: BaseProcess, target: str, dice: random.Random) -> bool:
    """Kill the session, a worker of it, or all; whether there was one."""
    try:
        parent = psutil.Process(session.pid)
        workers = [c for c in parent.children() if "resource_tracker" not in " ".join(c.cmdline())]
    except psutil.NoSuchProcess:
        return False
    victims = {"parent": [parent], "worker": dice.sample(workers, min(1, len(workers))), "both": [parent, *workers]}[
        target
    ]
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return False
    return bool(victims)


def _load(plan: Plan) -> SearchResult | None:
    """The search as another process sees it; None before it has a study."""
    try:
        return load_result(_storage(plan.where), plan.study, str(plan.folder))
    except StudyError:
        return None


@lru_cache(maxsize=1)
def _storage(where: str) -> BaseStorage:
    return open_storage(where)


def _progress(plan: Plan) -> int:
    """How many trials there are by now."""
    if "://" not in plan.where and not os.path.exists(plan.where):
        return 0
    result = _load(plan)
    return 0 if result is None else len(result.trials)


def _facts(result: SearchResult) -> dict[int, tuple[Any, ...]]:
    return {t.number: (t.outcome, t.value, t.schedule, t.metrics, t.reason) for t in result.trials if t.counted}


def _check_kept(plan: Plan, finished: dict[int, tuple[Any, ...]]) -> dict[int, tuple[Any, ...]]:
    """What had finished before is still there, unchanged; returns what has finished by now."""
    result = _load(plan)
    stored = _facts(result) if result is not None else {}
    assert {n: stored.get(n) for n in finished} == finished
    return stored


def _check_books(plan: Plan, finished: dict[int, tuple[Any, ...]]) -> SearchResult:
    """Every budgeted trial has finished once, every interrupted one was repeated once, and the report says the same."""
    _check_kept(plan, finished)
    result = _load(plan)
    assert result is not None
    counted = [t for t in result.trials if t.counted]
    assert len(counted) == plan.budget.amount, [(t.number, t.outcome, t.reason) for t in result.trials]
    assert "running" not in result.counts()
    assert len({str(t.schedule) for t in counted}) == len(counted), "no schedule was counted twice"
    assert sorted(t.baseline for t in counted if t.baseline) == ["constant", "cosine to zero", "linear to zero"]
    cut_off = [t for t in result.trials if t.outcome == "interrupted" and t.schedule]
    assert {str(t.schedule) for t in cut_off} <= {str(t.schedule) for t in counted}, "what was cut off ran again"
    write_outputs(result)
    assert read_best(plan.folder / "best.json").schedule == result.best.schedule
    told = {o.outcome: o.trials for o in spending.outcomes(result)}
    assert told == result.counts()
    assert f"{len(result.trials)}" in (plan.folder / "report.html").read_text()
    return result


def harass(target: Any, args: tuple[Any, ...], kills: int, within: float, dice: random.Random) -> int:
    """Run a function in a process until it ends by itself, killing it, with its workers, so many times at most.

    Args:
        target: What to run; a process can import it.
        args: Its arguments.
        kills: How many times.
        within: Seconds after its start within which it is killed.
        dice: When.

    Returns:
        How many times it was killed.
    """
    done = 0
    while True:
        session = SERVER.Process(target=target, args=args)
        session.start()
        session.join(dice.uniform(0, within) if done < kills else 300)
        if session.is_alive() and done < kills and _kill(session, "both", dice):
            done += 1
        session.join(300)
        if session.exitcode == 0:
            return done
        assert session.exitcode == -9, f"a session ended with {session.exitcode}"


def train_longer_again(plan: Plan) -> None:
    """Follow a confirmed search to longer trainings, as a process runs it."""
    train_longer(plan, [2 * plan.epochs], 3, Silent())


def write_outputs_often(plan: Plan) -> None:
    """Write a run's outputs several times."""
    result = load_result(open_storage(plan.where), plan.study, str(plan.folder))
    for _ in range(20):
        write_outputs(result)
