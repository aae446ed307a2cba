"""One trial: run the objective epoch by epoch, report to Optuna, and decide when to stop."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from optuna.exceptions import StorageInternalError
from optuna.study import Study

from ...errors import InputError, ObjectiveError, StudyError
from ...objectives import Measurement, Objective
from ...spaces import Schedule
from ..budget.ledger import Grant
from ..results.trial import TrialRecord
from ..storage.leases import let_go
from .running import Watch
from .settings import Terms, metric_of

MAX_REASON = 1000
"""Characters of an exception's message that are kept."""


@dataclass(frozen=True)
class Started:
    """An objective that has done its first epoch under `schedule`, ready to go on."""

    schedule: Schedule
    first: Measurement
    rest: Iterator[Measurement]


def start(objective: Objective, schedule: Schedule, terms: Terms) -> Started:
    """Run one epoch, so that a broken objective is found before a study has any trial.

    Raises:
        InputError: The objective fails, breaks its contract or lacks the metric.
    """
    rest = objective.run(schedule, epochs=terms.epochs, seed=terms.seed, device=terms.device)
    try:
        first = next(rest, None)
    except (KeyboardInterrupt, InputError):
        raise
    except BaseException as error:  # whatever a user's training code raises
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}, line {frame.lineno}"
        raise ObjectiveError(f"{objective.name} failed in its first epoch: {describe(error)} ({where})") from error
    if first is None:
        raise InputError(f"the objective {objective.name!r} yielded nothing: yield once after every epoch.")
    metric_of(first, terms.metric)
    return Started(schedule, first, rest)


def run_trial(
    study: Study,
    objective: Objective,
    terms: Terms,
    grant: Grant | None = None,
    *,
    started: Started | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TrialRecord:
    """Ask for a trial, run it and tell how it ended.

    Args:
        study: The study to ask.
        objective: What to train.
        terms: What all trials share.
        grant: What it may use, a full trial by default; with fewer epochs it ends as "out of budget".
        started: An objective under way; used if the trial asks for the same schedule.
        stop: Checked after every epoch; true ends the trial as interrupted.

    Returns:
        The record. An exception of the objective makes it "failed"; KeyboardInterrupt ends the trial as interrupted
        and is raised again.
    """
    watch = Watch(study, objective, terms, grant, stop)
    if watch.withdrawn:
        return watch.withdrawn
    steps = _measurements(watch, started)
    try:
        for measurement in steps:
            if record := watch.see(measurement):
                return record
    except KeyboardInterrupt:
        watch.interrupt("stopped by the user")
        raise
    except (StudyError, StorageInternalError):  # the books cannot be kept: the next session runs this trial again
        raise
    except BaseException as error:  # whatever a user's training code raises: sys.exit() too ends its trial alone
        return watch.end("failed", describe(error))
    finally:
        let_go(study, watch.trial)
        with suppress(Exception):  # an objective may fail as it is stopped, too: its trial has ended already
            steps.close()
    done = len(watch.measurements)
    return watch.end("failed", f"the objective ended after {done} of {terms.epochs} epochs: yield after every epoch")


def _measurements(watch: Watch, started: Started | None) -> Generator[Measurement, None, None]:
    if started is not None and started.schedule == watch.schedule:
        yield started.first
        yield from started.rest
    else:
        terms = watch.terms
        yield from watch.objective.run(
            watch.schedule, epochs=terms.epochs, seed=watch.seed, device=terms.device, test=terms.test
        )


def describe(error: BaseException) -> str:
    """An exception in words, of bounded length."""
    hint = " (the objective called sys.exit)" if isinstance(error, SystemExit) else ""
    return f"{type(error).__name__}: {error}".strip()[:MAX_REASON] + hint
