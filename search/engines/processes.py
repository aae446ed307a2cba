"""Worker processes, joblib's loky: kept busy with trials, care, replaced when they die."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ...errors import StudyError
from ...spaces import Schedule
from ..budget.amount import duration
from ..budget.ledger import Allowance
from ..plan import Plan
from ..results.trial import TrialRecord
from ..storage.ending import end, end_interrupted
from ..storage.leases import end_abandoned
from ..storage.owners import owner_of, since, this_process
from ..storage.trial_notes import to_record
from ..trial.settings import Terms
from .pool import Worker, WorkerDied, WorkerPool, worker_pool
from .signals import Interrupts, stop_file_on_interrupt
from .worker import check_one, set_up_worker, work_one

POLL_S = 1.0
"""Seconds between two checks of the workers while none has ended."""
STARTUP_S = 60.0
"""Seconds that a worker may take to start."""
MOST_UNBEGUN = 6
"""After this many workers in a row that died before they took a trial, something else is wrong."""


def run_processes(
    study: Study,
    plan: Plan,
    terms: Terms,
    jobs: int,
    reserve: Callable[[], Allowance | None],
    note: Callable[[str], None],
) -> Generator[tuple[Allowance, TrialRecord], None, None]:
    """Run trials in `jobs` processes as long as `reserve` gives an allowance; yields each as it ends.

    Ctrl-C ends the running trials at their next epoch, and only then raises KeyboardInterrupt. A process that dies is
    replaced and its trial queued again.
    """
    stop = plan.folder / ".stop"
    stop.unlink(missing_ok=True)
    terms = replace(terms, told=None)  # a process cannot call this one back
    work = partial(work_one, replace(plan, jobs=jobs), terms, study.study_name, str(stop))
    pool = worker_pool(jobs, set_up_worker)
    try:
        with stop_file_on_interrupt(stop, note) as interrupts:
            care = _Care(study, terms.metric, plan.trial_timeout, interrupts, note)
            yield from _keep_busy(pool, work, lambda: None if interrupts.asked else reserve(), care)
    finally:
        stop.unlink(missing_ok=True)
        for worker, _ in pool.busy:
            worker.kill()
            _end_trial_of(worker, study, lambda t: end_interrupted(study, t, "stopped with the search"))
    if interrupts.asked:
        raise KeyboardInterrupt


@dataclass(frozen=True)
class _Care:
    """What looking after workers takes: their study, its metric, a time limit, what was asked for, who is told."""

    study: Study
    metric: str
    timeout: float | None
    interrupts: Interrupts
    note: Callable[[str], None]


def _keep_busy(
    pool: WorkerPool[Allowance, TrialRecord],
    work: Callable[[Allowance], TrialRecord],
    reserve: Callable[[], Allowance | None],
    care: _Care,
) -> Generator[tuple[Allowance, TrialRecord], None, None]:
    """Epochs that a pruned trial gave back are reserved again, so that a budget of epochs is used up."""
    unbegun = 0
    while True:
        for worker in pool.free:
            if (allowance := reserve()) is None:
                break
            worker.start(work, allowance)
        if not pool.busy:
            return
        if time.monotonic() > care.interrupts.deadline:
            raise KeyboardInterrupt
        for worker, allowance in pool.wait(POLL_S):
            if record := _result(worker, care):
                unbegun = 0
                yield allowance, record
                continue
            if (unbegun := unbegun + 1) >= MOST_UNBEGUN:
                raise StudyError(f"{unbegun} worker processes in a row died before their trial began: try --jobs 1.")
            worker.start(work, allowance)
        for worker, allowance in pool.busy:
            if record := _overdue(worker, care):
                yield allowance, record


def _result(worker: Worker[Allowance, TrialRecord], care: _Care) -> TrialRecord | None:
    """The record of a worker's trial; if it died that is queued again, and there is none if it had not begun one."""
    try:
        return worker.result()
    except WorkerDied as death:
        how = str(death)
    frozen = _end_trial_of(worker, care.study, lambda t: end_abandoned(care.study, t))
    if frozen is None:
        return None
    record = to_record(frozen, care.metric)
    if record.outcome in ("interrupted", "failed"):
        again = "runs again" if record.outcome == "interrupted" else f"has failed: {record.reason}"
        care.note(f"The worker process of trial {record.number} died ({how}); the trial {again}.")
    return record


def _overdue(worker: Worker[Allowance, TrialRecord], care: _Care) -> TrialRecord | None:
    """The record of a trial that took too long: it has failed, and its process is ended."""
    timeout, study = care.timeout, care.study
    if timeout is None or time.monotonic() - worker.begun < timeout:
        return None
    taken = _trial_of(worker, study)
    if taken is None or time.monotonic() - since(taken) < timeout:
        return None
    if not end(study, taken, "failed", f"it took longer than --trial-timeout, {duration(timeout)}"):
        return None
    worker.kill()
    return to_record(study._storage.get_trial(taken._trial_id), care.metric)


def _trial_of(worker: Worker[Allowance, TrialRecord], study: Study) -> FrozenTrial | None:
    """The trial that a worker took last since it was given work; None if it took none."""
    taken = [t for t in study.get_trials(deepcopy=False) if since(t) >= worker.begun and _took(worker.pid, t)]
    return max(taken, key=since, default=None)


def _end_trial_of(
    worker: Worker[Allowance, TrialRecord], study: Study, finish: Callable[[FrozenTrial], object]
) -> FrozenTrial | None:
    """A worker's trial, finished if it was still running; None if it took none."""
    taken = _trial_of(worker, study)
    if taken is None:
        return None
    if taken.state == TrialState.RUNNING:
        finish(taken)
    return study._storage.get_trial(taken._trial_id)


def _took(pid: int, trial: FrozenTrial) -> bool:
    owner = owner_of(trial)
    return owner is not None and owner.pid == pid and owner.place == this_process().place


def check_in_worker(plan: Plan, schedule: Schedule, terms: Terms, timeout: float) -> None:
    """Run the first epoch of the objective in a worker, since it may hang.

    Raises:
        InputError: As `start` does.
        StudyError: It hangs, or its process died.
    """
    worker: Worker[Schedule, None] = worker_pool(max(1, plan.jobs), set_up_worker).workers[0]
    worker.start(partial(check_one, plan.objective, replace(terms, told=None)), schedule)
    try:
        if not worker.wait(timeout + STARTUP_S):
            raise StudyError(
                f"{plan.objective.name} did not finish its first epoch within --trial-timeout, {duration(timeout)}: "
                "look for what it waits for, or allow more."
            )
        worker.result()
    except WorkerDied as death:
        raise StudyError(f"the process of {plan.objective.name} died in its first epoch ({death}).") from None
    finally:
        if worker.item is not None:
            worker.kill()
