"""A search as simulated processes run it: its sessions, an objective, and a plan that they share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import optuna
from bowl import Bowl
from optuna.storages import BaseStorage
from simulated import World

from lrsearch.objectives import Measurement
from lrsearch.search import Budget, Plan, SearchResult, Silent
from lrsearch.search.engines.engine import Engine
from lrsearch.search.engines.single import run_alone
from lrsearch.search.session.runner import OnEnd, Reserve
from lrsearch.search.session.session import Session
from lrsearch.search.storage.access import Access, _recovered
from lrsearch.search.storage.leases import GRACE_S
from lrsearch.search.storage.members import Members
from lrsearch.search.storage.studies import CONFIRMATION, PROBE
from lrsearch.search.trial.settings import Terms
from lrsearch.spaces import Schedule, default_space

NAME = "shared"


class Slow(Bowl):
    """An epoch takes so many seconds, in which its process is doing something else than the storage."""

    epochs = 3

    def __init__(self, world: World, seconds: float) -> None:
        self.world, self.seconds = world, seconds

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for measurement in super().run(schedule, **how):
            assert self.world.current
            self.world.current.sleep(self.seconds)
            yield measurement


class InOrder:
    """Runs the trials of a session one after another."""

    leads_only = False

    def prove(self, plan: Plan, schedule: Schedule, terms: Terms) -> None:
        """Nothing to prove."""

    def choose(self, plan: Plan, terms: Terms, trials: float, seconds: float) -> Engine:
        """No choice."""
        return Engine("single", 1, "")

    def at_work(self, plan: Plan, study: optuna.Study) -> AbstractContextManager[None]:
        """Nothing is needed."""
        return nullcontext()

    def run(self, study: optuna.Study, plan: Plan, terms: Terms, reserve: Reserve, on_end: OnEnd) -> None:
        """See `Runner`."""
        for allowance, record in run_alone(study, plan, terms, reserve, None):
            on_end(allowance, record)


def session(plan: Plan, told: Callable[[SearchResult], object] = id) -> Callable[[BaseStorage], None]:
    """What a process does that works on the search: `search`, without files; what comes of it is `told`."""

    def job(storage: BaseStorage) -> None:
        begun = time.monotonic()
        studies = (plan.study, plan.study + CONFIRMATION, plan.study + PROBE)
        access = Access(storage, GRACE_S, sum(_recovered(storage, name, GRACE_S, alone=False) for name in studies))
        told(Session(plan, access, Members(storage, plan.study), InOrder(), begun, Silent()).run())

    return job


def shared(world: World, budget: str, epoch: float, confirm: int) -> Plan:
    """A search whose epochs take so many seconds."""
    return Plan(
        Slow(world, epoch),
        default_space("sgd", Slow.epochs),
        Budget.parse(budget),
        NAME,
        sampler="random",
        pruner="none",
        probe="off",
        confirm=confirm,
        device="cpu",
        storage="simulated://",
    )
