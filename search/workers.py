"""Worker processes, joblib's: each runs one trial after another with its share of the machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from filelock import FileLock, Timeout
from joblib import Parallel, cpu_count, delayed
from optuna.study import Study

from ..objectives import device_count
from .budget import Grant
from .guard import stop_file_on_interrupt
from .pruners import make_pruner
from .records import TrialRecord
from .samplers import make_sampler
from .store import open_storage, requeue_stale
from .trial import Terms, run_trial

if TYPE_CHECKING:
    from .plan import Plan


def run_processes(
    study: Study,
    plan: Plan,
    terms: Terms,
    jobs: int,
    allot: Callable[[], Grant | None],
    note: Callable[[str], None],
) -> Generator[tuple[Grant, TrialRecord], None, None]:
    """Run trials in `jobs` processes as long as `allot` grants any; yields each as it ends.

    Ctrl-C ends the running trials at their next epoch, and only then raises KeyboardInterrupt.
    """
    stop = plan.folder / ".stop"
    stop.unlink(missing_ok=True)
    work = partial(_work_one, replace(plan, jobs=jobs), terms, study.study_name, str(stop))
    try:
        with stop_file_on_interrupt(stop, note) as interrupted:
            yield from _rounds(work, lambda: None if stop.exists() else allot(), jobs)
    finally:
        stop.unlink(missing_ok=True)
        requeue_stale(study)
    if interrupted.is_set():
        raise KeyboardInterrupt


def _rounds(
    work: Callable[[Grant], tuple[Grant, TrialRecord]], allot: Callable[[], Grant | None], jobs: int
) -> Generator[tuple[Grant, TrialRecord], None, None]:
    """Epochs that a pruned trial gave back are granted in another round, so that a budget of epochs is used up."""
    while True:
        granted = iter(allot, None)
        found = False
        parallel = Parallel(n_jobs=jobs, batch_size=1, pre_dispatch=jobs, return_as="generator_unordered")
        for result in parallel(delayed(work)(grant) for grant in granted):
            found = True
            yield result
        if not found:
            return


def _work_one(plan: Plan, terms: Terms, name: str, stop: str, grant: Grant) -> tuple[Grant, TrialRecord]:
    """Run one trial of the study `name` in a worker process; returns its grant and its record."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; it leaves the stop file
    device = _own_device(plan.device, plan.jobs, str(plan.folder))
    study = _study(plan, name)
    record = run_trial(
        study,
        plan.objective,
        replace(terms, device=device),
        grant,
        stop=lambda: os.path.exists(stop),
    )
    return grant, record


@lru_cache(maxsize=1)
def _own_device(device: str, jobs: int, folder: str) -> str:
    """This process's device and share of the threads, settled once: workers take turns over the GPUs."""
    import torch

    torch.set_num_threads(max(1, cpu_count() // jobs))
    devices = device_count(device)
    if device != "cuda" or devices < 2:
        return device
    return f"cuda:{_slot(jobs, folder) % devices}"


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


def _study(plan: Plan, name: str) -> Study:
    """The study `name` of a plan, opened once per process; the sampler keeps what it remembers of the trials."""
    key = (plan.where, name, plan.pruner)
    if key not in _STUDIES:
        sampler = make_sampler(plan.sampler, plan.seed, plan.space)
        pruner = make_pruner(plan.pruner, plan.space, sampler)
        _STUDIES.clear()
        _STUDIES[key] = optuna.load_study(
            study_name=name, storage=open_storage(plan.where), sampler=sampler, pruner=pruner
        )
    return _STUDIES[key]


_STUDIES: dict[tuple[str, str, str], Study] = {}
