"""What a worker process does: one trial after another, with its share of the machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from joblib.externals.loky import process_executor
from optuna.study import Study

from ...objectives import Objective, device_count
from ...spaces import Schedule
from ..budget.ledger import Allowance
from ..plan import Plan
from ..results.trial import TrialRecord
from ..sampling.pruners import make_pruner
from ..sampling.samplers import make_sampler
from ..sampling.scale import Scale
from ..storage.ending import end_interrupted
from ..storage.leases import held_trials
from ..storage.opening import open_storage
from ..trial.run import run_trial, start
from ..trial.settings import Terms
from .signals import end_with_parent, on_sigterm


def check_one(objective: Objective, terms: Terms, schedule: Schedule) -> None:
    """Run the first epoch of the objective in a worker process; raises what `start` raises."""
    start(objective, schedule, terms)


def work_one(plan: Plan, terms: Terms, name: str, stop: str, allowance: Allowance) -> TrialRecord:
    """Run one trial of the study `name` in a worker process."""
    device = _own_device(plan.device, plan.jobs, str(plan.folder))
    return run_trial(
        _study(plan, name, terms.skipped, terms.scale),
        plan.objective,
        replace(terms, device=device),
        allowance,
        stop=lambda: os.path.exists(stop),
    )


def set_up_worker(parent: int) -> None:
    """What a worker process does once: it leaves signals and standard output to its parent, and ends with it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; it leaves the stop file
        on_sigterm(lambda number, frame: None)
    os.dup2(sys.stderr.fileno(), 1)  # what the objective prints must not come between lines of JSON
    process_executor._USE_PSUTIL = False  # or loky takes a model larger than the first for a leak, and ends the worker
    multiprocessing.set_start_method(None, force=True)  # loky's own starts no process but loky's, no DataLoader's
    end_with_parent(parent, lambda: [end_interrupted(*held, "its parent process ended") for held in held_trials()])


@lru_cache(maxsize=1)
def _own_device(device: str, jobs: int, folder: str) -> str:
    """This process's device, chosen once: workers take turns over the GPUs."""
    devices = device_count(device) if device == "cuda" and jobs > 1 else 1  # asking imports torch
    return device if devices < 2 else f"cuda:{_slot(jobs, folder) % devices}"


def _slot(jobs: int, folder: str) -> int:
    """A number that no other live worker of this run has; its lock is freed when the process ends."""
    for number in range(jobs):
        lock = FileLock(Path(folder) / f".worker-{number}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        _LOCKS.append(lock)
        return number
    return os.getpid()


_LOCKS: list[FileLock] = []


def _study(plan: Plan, name: str, skipped: int, scale: Scale | None) -> Study:
    """The study `name` of a plan, opened once per process; the sampler keeps what it remembers of the trials."""
    key = (plan.where, name, plan.pruner, skipped, scale)
    if key not in _STUDIES:
        sampler = make_sampler(plan.sampler, plan.seed, plan.space, skipped, scale)
        pruner = make_pruner(plan.pruner, plan.space, sampler)
        _STUDIES.clear()
        _STUDIES[key] = optuna.load_study(
            study_name=name, storage=open_storage(plan.where), sampler=sampler, pruner=pruner
        )
    return _STUDIES[key]


_STUDIES: dict[tuple[str, str, str, int, Scale | None], Study] = {}
