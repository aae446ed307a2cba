"""Whether worker processes side by side train a user's own loop faster than one process does alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import psutil
from joblib import cpu_count

from ...objectives import Measurement, Objective, UserObjective
from ...spaces import Schedule
from ..trial.settings import Terms
from .choice import WORTHWHILE, worth
from .engine import Engine
from .pool import Worker, WorkerPool, dismiss, worker_pool
from .worker import set_up_worker

JOBS = 2
"""Processes that are tried."""
LEAST_S = 180.0
"""A search that takes less is over before the measurement has paid."""
EPOCHS = 3
"""Epochs of the measurement: one to warm up, one alone, one side by side."""
PATIENCE_S = 60.0
"""Seconds that a process may take, beyond 10 times its epochs', before the measurement is given up."""


def crowd_or_alone(
    objective: Objective, schedule: Schedule, terms: Terms, trials: float, seconds: float, alone: Engine
) -> Engine:
    """Two processes if they are worth it, else one trial after another.

    On a CPU alone: whether a GPU has the memory for two is not known beforehand.

    Args:
        objective: What to train.
        schedule: What it is tried with.
        terms: What all trials share.
        trials: How many full trials are left, about.
        seconds: What a full trial takes alone, about; 0 if that is unknown.
        alone: The engine for one trial after another.
    """
    suits = isinstance(objective, UserObjective) and not objective.owns_loop and terms.device == "cpu"
    if not suits or cpu_count() < JOBS or terms.epochs <= EPOCHS or trials * seconds < LEAST_S:
        return alone
    if psutil.virtual_memory().available < JOBS * psutil.Process().memory_info().rss:
        return Engine("single", 1, "there is no memory for a second process")
    pool: WorkerPool[Any, float] = worker_pool(JOBS, set_up_worker)
    try:
        gain = _gain(
            pool,
            partial(_begin, objective, schedule, replace(terms, told=None)),
            PATIENCE_S + 10 * seconds / terms.epochs,
        )
    except Exception as error:  # whatever a user's code raises in a process, or that it cannot go there
        return Engine("single", 1, f"processes are not possible ({' '.join(str(error).split())[:200]})")
    finally:
        for worker, _ in pool.busy:
            worker.kill()
    why = f"{JOBS} processes are {gain:.1f} times as fast as one trial at a time"
    if worth(gain, JOBS, trials) < WORTHWHILE:
        dismiss()
        return Engine("single", 1, why)
    return Engine("processes", JOBS, why)


def _gain(pool: WorkerPool[Any, float], begin: partial[float], patience: float) -> float:
    """How many times as many epochs all workers train together as one of them does with the whole machine."""
    first, *_ = pool.workers
    _all(pool.workers, begin, patience)
    (alone,) = _all([first], partial(_epoch, cpu_count(), last=False), patience)
    together = max(_all(pool.workers, partial(_epoch, max(1, cpu_count() // JOBS), last=True), patience))
    return min(JOBS, JOBS * alone / together)  # more is noise


def _all(workers: list[Worker[Any, float]], work: partial[float], patience: float) -> list[float]:
    for worker in workers:
        worker.start(_call, work)
    for worker in workers:
        if not worker.wait(patience):
            raise TimeoutError("they take too long")
    return [worker.result() for worker in workers]


def _call(work: partial[float]) -> float:
    return work()


_UNDER_WAY: list[Iterator[Measurement]] = []
"""In a worker process: the objective that is being measured."""


def _begin(objective: Objective, schedule: Schedule, terms: Terms) -> float:
    """Train the first epoch, in a worker process; seconds."""
    _UNDER_WAY[:] = [objective.run(schedule, epochs=terms.epochs, seed=terms.seed, device=terms.device)]
    return next(_UNDER_WAY[0]).seconds


def _epoch(threads: int, *, last: bool) -> float:
    """Train one more, in a worker process, with so many of PyTorch's threads; seconds."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(threads)
    measured = next(_UNDER_WAY[0]).seconds
    if torch:
        torch.set_num_threads(before)
    if last:
        with suppress(Exception):
            getattr(_UNDER_WAY.pop(), "close", lambda: None)()
    return measured
