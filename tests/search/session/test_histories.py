"""Histories of a search that simulated processes share: whatever happens to them, the books are exact at its end.

``LRSEARCH_HISTORIES=10000`` sets the number of histories; failures are minimised.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from simulated import Machine, Process, World
from simulated_search import NAME, session, shared

from lrsearch.search.budget.kinds import kind_of
from lrsearch.search.budget.shared import read_spending
from lrsearch.search.notes.trial import TrialNotes
from lrsearch.search.storage.leases import LEASE_S, SKEW_S
from lrsearch.search.storage.reading import load_result

HISTORIES = int(os.environ.get("LRSEARCH_HISTORIES", "30"))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_connection_that_is_dropped_three_times_in_a_trial_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Whether the trial can be ended at once, by a process that ends, or later, by one that lives on."""
    drops = 3

    def drop(process: Process, name: str, args: Any) -> None:
        nonlocal drops
        if drops and name == "set_trial_intermediate_value":
            if process.world.storage.get_trial_user_attrs(args["trial_id"]).get("baseline") != "constant":
                return
            drops -= 1
            process.dropped = "" if at_once else "before"  # so that the call after this one fails, too
            raise StorageInternalError("the connection was dropped")

    world, machine = World(monkeypatch, drop), Machine("one")
    for _ in range(4 if at_once else 1):
        world.start(machine, session(shared(world, "4", 1.0, 0)), stubborn=not at_once)
        world.finish(1000)
    trials = load_result(world.storage, NAME).trials
    assert [t.outcome for t in trials if t.baseline == "constant"] == ["interrupted"] * 3 + ["complete"]
    assert sum(t.counted for t in trials) == 4


@pytest.mark.parametrize("seconds", [5.0, 12.0, 100.0])
def test_what_was_cut_off_runs_again_although_another_process_could_take_the_last_of_the_budget(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Whether its process queues it again at once, or so late that the other one does so."""

    def cut_off(process: Process, name: str, args: Any) -> None:
        if process is not first:
            return
        if name == "set_trial_intermediate_value":
            process.interrupted = True
        elif "repeats" in getattr(args.get("template_trial"), "user_attrs", ()):
            process.sleep(seconds)  # it has ended, and is not queued yet

    world = World(monkeypatch, cut_off)
    plan = shared(world, "4", 1.0, 0)
    first = world.start(Machine("one"), session(plan))
    world.let(first, 1000)  # until it sleeps in the first epoch of the first baseline
    world.start(Machine("two"), session(plan))
    world.finish(1000)
    assert isinstance(first.ended, KeyboardInterrupt)
    counted = [t.baseline for t in load_result(world.storage, NAME).trials if t.counted]
    assert sorted(map(str, counted)) == ["None", "constant", "cosine to zero", "linear to zero"]


class Histories(RuleBasedStateMachine):
    """Processes come and go, are killed, stopped and cut off, and clocks are set, while they share a search."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.world = World(self.patch, self.check)
        self.machines = [Machine(f"machine-{i}") for i in range(3)]
        self.owners: dict[int, Process] = {}
        self.renewed: dict[int, float] = {}
        self.looked: dict[tuple[Process, int], tuple[float, dict[int, float]]] = {}
        self.ends: Counter[int] = Counter()
        self.died: dict[int, int] = {}

    @initialize(
        budget=st.sampled_from(["4", "5", "13ep", "8", "60s"]),
        epoch=st.sampled_from([1.0, 12.0, 50.0]),
        confirm=st.sampled_from([0, 0, 3]),
    )
    def begin(self, budget: str, epoch: float, confirm: int) -> None:
        self.plan = shared(self.world, budget, epoch, confirm)
        self.start(0, stubborn=False)

    @precondition(lambda self: len(self.world.living) < 4)
    @rule(machine=st.integers(0, 2), stubborn=st.booleans())
    def start(self, machine: int, stubborn: bool) -> None:
        self.world.start(self.machines[machine], session(self.plan), stubborn=stubborn)

    @rule(machine=st.integers(0, 2))
    def rename(self, machine: int) -> None:
        """A container is killed, and another one with its work starts under another name."""
        for process in list(self.machines[machine].processes.values()):
            process.kill()
        self.machines[machine] = Machine(f"{self.machines[machine].name}'")
        self.start(machine, stubborn=False)

    @precondition(lambda self: self.world.living)
    @rule(turns=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=12))
    def go_on(self, turns: list[tuple[int, int]]) -> None:
        for which, calls in turns:
            if self.world.living:
                self.world.let(self.pick(which), calls)

    @precondition(lambda self: self.world.living)
    @rule(which=st.integers(0, 3))
    def kill(self, which: int) -> None:
        self.pick(which).kill()

    @precondition(lambda self: self.world.living)
    @rule(which=st.integers(0, 3))
    def interrupt(self, which: int) -> None:
        self.pick(which).interrupted = True

    @precondition(lambda self: self.world.living)
    @rule(which=st.integers(0, 3))
    def stop_or_continue(self, which: int) -> None:
        process = self.pick(which)
        process.stopped = not process.stopped

    @precondition(lambda self: self.world.living)
    @rule(which=st.integers(0, 3), when=st.sampled_from(["before", "after"]))
    def drop_connection(self, which: int, when: str) -> None:
        self.pick(which).dropped = when

    @precondition(lambda self: self.world.living)
    @rule(which=st.integers(0, 3))
    def cut_off_or_mend(self, which: int) -> None:
        process = self.pick(which)
        process.offline = not process.offline

    @rule(seconds=st.sampled_from([1.0, 11.0, 40.0, 130.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(machine=st.integers(0, 2), seconds=st.sampled_from([5.0, 200.0, 4000.0]))
    def sleep(self, machine: int, seconds: float) -> None:
        """A laptop is closed and opened again."""
        self.world.pass_time(seconds, asleep=self.machines[machine])

    @rule(machine=st.integers(0, 2), share=st.sampled_from([-0.5, -0.1, 0.0, 0.1, 0.5]))
    def set_clock(self, machine: int, share: float) -> None:
        """Two clocks differ by an hour at most, before and after."""
        self.machines[machine].ahead = share * SKEW_S

    def pick(self, which: int) -> Process:
        return self.world.living[which % len(self.world.living)]

    def check(self, process: Process, name: str, args: Any) -> None:
        """What may not be done is not done."""
        storage, now = self.world.storage, self.world.now
        trial = args.get("trial_id", -1)
        if name == "get_all_trials" and args["states"] == (TrialState.RUNNING,):
            self.looked[process, args["study_id"]] = now, dict(self.renewed)
        elif name == "set_trial_user_attr":
            key = args["key"]
            if key == "owner":
                assert trial not in self.owners, "a trial is signed once"
                self.owners[trial], self.renewed[trial] = process, now
            elif key == "lease" and process is self.owners.get(trial):
                self.renewed[trial] = now
        elif name == "set_trial_intermediate_value":
            assert self.owners[trial] is process, "a trial is trained by its owner"
        elif name == "set_trial_state_values" and args["state"].is_finished():
            owner = self.owners.get(trial)
            if storage.get_trial(trial).state.is_finished():
                return  # which the storage refuses
            self.ends[trial] += 1
            if owner is not None and owner is not process and owner.alive and self.holds(owner, trial):
                study, _ = storage._trial_id_to_study_id_and_number[trial]
                looked, renewed = self.looked[process, study]
                late = looked - renewed.get(trial, looked)
                unsigned = storage.get_trial(trial).user_attrs["reason"].endswith("before it began")
                assert late >= LEASE_S or unsigned, f"a living owner lost its trial after {late} s"

    def holds(self, owner: Process, trial: int) -> bool:
        return any(trial == held for _, held in owner.heart.held())

    def teardown(self) -> None:
        try:
            if self.world.processes:
                self.come_to_an_end()
                self.verify()
        finally:
            self.world.end()
            self.patch.undo()

    def come_to_an_end(self) -> None:
        """All faults are mended, and processes go on until one has ended with success after all others."""
        for process in self.world.living:
            process.stopped = process.offline = process.interrupted = False
            process.dropped = ""
        self.world.finish(25)
        self.world.start(Machine("last"), session(self.plan))
        self.world.finish(1000)
        for process in self.world.processes:
            if process.ended is not None:
                assert isinstance(process.ended, (StorageInternalError, KeyboardInterrupt)), process.ended
        assert self.world.processes[-1].ended is None

    def verify(self) -> None:
        """The books are exact."""
        storage, plan = self.world.storage, self.plan
        study = optuna.load_study(study_name=NAME, storage=storage)
        trials = study.get_trials()
        result = load_result(storage, NAME)
        running = [t for t in trials if t.state == TrialState.RUNNING]
        if plan.budget.kind == "seconds":  # which is over before a lease is: the next session takes it
            running = [t for t in running if t._trial_id not in self.owners or self.owners[t._trial_id].alive]
        assert not [t.number for t in running]
        assert set(self.ends.values()) <= {1}
        spending = read_spending(study, kind_of(plan.budget, plan.epochs))
        assert spending.running == () or plan.budget.kind == "seconds"
        if plan.confirm or plan.budget.kind == "seconds":
            assert spending.ended <= plan.budget.amount
        else:
            assert spending.ended == plan.budget.amount
        repeats = Counter(n for t in trials if (n := TrialNotes.read(t.user_attrs).repeats) is not None)
        outcomes = {t.number: t.outcome for t in result.trials}
        kept = [t for t in result.trials if t.outcome not in ("withdrawn", "running")]
        assert not [n for n in repeats if outcomes[n] != "interrupted"], "only what was cut off runs again"
        counted = [t for t in kept if t.counted]
        if not repeats:  # else two that join at once may know of another number of interrupted trials for a moment
            assert len({str(t.schedule) for t in counted}) == len(counted), "no schedule is trained twice"
        if plan.budget.kind == "trials":
            assert {"constant", "linear to zero", "cosine to zero"} <= {t.baseline for t in counted}
        dead = sum(p.killed or p.ended is not None for p in self.world.processes)
        assert not [t.number for t in kept if t.outcome == "failed" and (dead < 3 or "killed 3 times" not in t.reason)]


Histories.TestCase.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=HISTORIES <= 30,
    print_blob=True,
)
TestHistories = Histories.TestCase
