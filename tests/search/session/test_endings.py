"""How processes that share a search end: none tells of a trial as running, whoever trained the last ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import Trial, TrialState
from simulated import Machine, Process, World
from simulated_search import NAME, session, shared

from lrsearch.search import SearchResult
from lrsearch.search.storage.ending import end, end_interrupted
from lrsearch.search.storage.leases import LEASE_S, take
from lrsearch.search.storage.members import Members
from lrsearch.search.storage.studies import CONFIRMATION


def unchecked(process: Process, name: str, args: Any) -> None:
    """Every call may be made."""


@pytest.mark.parametrize("budget", ["4", "13ep", "20s"])
def test_processes_wait_for_each_others_last_trials(monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    for seed in range(8):
        dice, ends, world = random.Random(seed), list[SearchResult](), World(monkeypatch, unchecked)
        for name in ("one", "two", "three"):
            world.start(Machine(name), session(shared(world, budget, 1.0, confirm=0), ends.append))
        while world.living:
            take_turns(world, dice)
        assert len(ends) == 3
        assert not [result.counts() for result in ends if "running" in result.counts()]


@pytest.mark.parametrize("budget", ["4", "20s"])
def test_and_for_the_lease_of_one_that_was_killed_elsewhere(monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    dice, ends, world = random.Random(0), list[SearchResult](), World(monkeypatch, unchecked)
    plan = shared(world, budget, 1.0, confirm=0)
    world.start(Machine("one"), session(plan, ends.append))
    killed = world.start(Machine("two"), session(plan))
    while not trains(killed):
        take_turns(world, dice)
    killed.kill()
    world.finish(20)
    assert world.now > LEASE_S
    assert ends[0].counts()["interrupted"] == 1
    assert "running" not in ends[0].counts()


def take_turns(world: World, dice: random.Random) -> None:
    """Let each process that is awake go on a little, and time pass until one is."""
    for process in [p for p in world.living if p.wake <= world.now]:
        world.let(process, dice.choice([1, 2, 5, 20]))
    world.pass_time(max(0.0, min((p.wake for p in world.living), default=0.0) - world.now))


def trains(process: Process) -> bool:
    """Whether a process has a trial under way."""
    with_me = {"host": process.machine.name}.items()
    study = study_in(process.world.storage)
    running = study.get_trials(states=(TrialState.RUNNING,)) if study else []
    return any(with_me <= t.user_attrs.get("owner", {}).items() for t in running)


def study_in(storage: BaseStorage, name: str = NAME) -> Study | None:
    """The study of that name, if there is one."""
    there = name in optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage) if there else None


OUTCOMES = {True: "withdrawn", False: "failed"}


def comes_and_goes(
    monkeypatch: pytest.MonkeyPatch, other: list[Trial], name: str, end_it: Callable[[Study, Trial, bool], object]
) -> list[bool]:
    """The other process's trial in the study of that name ends with the first look at who is busy, is taken again just
    after it, and ends for good with the third; returns the looks since it began, which may grow.
    """
    looks, busy_elsewhere = list[bool](), Members.busy_elsewhere

    def look(members: Members, study: Study) -> bool:
        if study.study_name != name or not (other or looks):
            return busy_elsewhere(members, study)
        if len(looks) in (0, 2):
            end_it(study, other.pop(), not looks)
        looks.append(busy_elsewhere(members, study))
        if len(looks) == 1:
            other.append(take(study, "other"))
        return looks[-1]

    monkeypatch.setattr(Members, "busy_elsewhere", look)
    return looks


def test_and_for_a_trial_that_began_when_none_seemed_to_be_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process gives its trial up, is seen to run none, and takes the last of the budget at once."""
    other, ends = list[Trial](), list[SearchResult]()

    def begin(process: Process, name: str, args: Any) -> None:
        if name == "set_trial_intermediate_value" and not other and (study := study_in(world.storage)):
            other.append(take(study, "other"))

    comes_and_goes(monkeypatch, other, NAME, lambda study, trial, first: end(study, trial, OUTCOMES[first]))
    world = World(monkeypatch, begin)
    world.start(Machine("one"), session(shared(world, "4", 1.0, confirm=0), ends.append))
    world.finish(20)
    assert ends[0].counts() == {"complete": 3, "failed": 1}


def test_a_confirmation_waits_for_a_run_that_began_when_none_seemed_to_be_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process gives a run back, is seen to run none, and takes it again at once."""
    other, ends = list[Trial](), list[SearchResult]()

    def begin(process: Process, name: str, args: Any) -> None:
        if name == "set_trial_intermediate_value" and not readings and not other:
            study = study_in(world.storage, NAME + CONFIRMATION)
            if study and study.get_trials(states=(TrialState.WAITING,)):
                other.append(take(study, "other"))

    readings = comes_and_goes(
        monkeypatch, other, NAME + CONFIRMATION, lambda study, trial, _: end_interrupted(study, trial, "given back")
    )
    world = World(monkeypatch, begin)
    world.start(Machine("one"), session(shared(world, "30", 1.0, confirm=3), ends.append))
    world.finish(20)
    assert len(readings) >= 3
    assert {run.outcome for run in ends[0].confirming} == {"complete", "interrupted"}
