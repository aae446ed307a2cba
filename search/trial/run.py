"""One trial: take it, and run the objective epoch by epoch until it ends."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.study import Study

from ...errors import InputError, ObjectiveError, StudyError
from ...objectives import AfterTraining, Command, Measurement, Objective, train
from ...spaces import Schedule
from ..budget.ledger import Allowance
from ..results.trial import TrialRecord
from ..storage.leases import lease
from .running import RunningTrial, begin_trial
from .settings import Terms, metric_of

MAX_REASON_CHARACTERS = 1000
"""Characters of an exception's message that are kept."""
EARLY = (
    "the objective ended after {done} of {all}: yield after {often}, and leave early stopping to the search, "
    "which stops hopeless trials itself"
)
_NOT_THE_USERS = tuple(
    str(folder) + os.sep
    for folder in (
        *(Path(__file__).parents[2] / own for own in ("objectives", "search", "spaces")),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)
"""Beginnings of file names: this package, Python's own library, and what is installed."""


@dataclass(frozen=True)
class Started:
    """An objective that has done its first epoch under `schedule`, ready to go on if there is a `rest`."""

    schedule: Schedule
    first: Measurement
    rest: Iterator[Measurement] | None


def start(objective: Objective, schedule: Schedule, terms: Terms) -> Started:
    """Run one epoch, so that a broken objective is found before a study has any trial.

    Raises:
        InputError: The objective fails, breaks its contract or lacks the metric.
    """
    epochs, seed, device = terms.epochs, terms.seed, terms.device
    owns_loop = getattr(objective, "owns_loop", False)
    rest = None if owns_loop else objective.run(schedule, epochs=epochs, seed=seed, device=device)
    measured: list[Measurement] = []

    def first(measurement: Measurement) -> bool:
        measured.append(measurement)
        return False

    try:
        if rest is None:
            train(objective, schedule, first, epochs=epochs, seed=seed, device=device)
        else:
            measured.extend(islice(rest, 1))
    except (KeyboardInterrupt, InputError):
        raise
    except AfterTraining:
        pass  # of a training of one epoch: told where a trial is trained
    except BaseException as error:  # whatever a user's training code raises
        before = "in its first epoch" if terms.space.counting.unit == "epoch" else "before its first report"
        raise ObjectiveError(f"{objective.name} failed {before}: {describe(error, whole=True)}") from error
    if not measured:
        raise InputError(
            f"the objective {objective.name!r} told of no {terms.space.counting.unit}: yield, or call run.report, "
            f"after {_each(terms)}."
        )
    metric_of(measured[0], terms.metric)
    return Started(schedule, measured[0], rest)


def run_trial(
    study: Study,
    objective: Objective,
    terms: Terms,
    allowance: Allowance | None = None,
    *,
    started: Started | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TrialRecord:
    """Ask for a trial, run it and tell how it ended.

    Args:
        study: The study to ask.
        objective: What to train.
        terms: What all trials share.
        allowance: What it may use, a full trial by default; with fewer epochs it ends as "out of budget".
        started: An objective under way; used if the trial asks for the same schedule.
        stop: Checked after every epoch; true ends the trial as interrupted.

    Returns:
        The record. An exception of the objective makes it "failed", but after its last report, when it only is the
        record's reason; KeyboardInterrupt ends the trial as interrupted
        and is raised again.
    """
    running = begin_trial(study, objective, terms, allowance, stop)
    if isinstance(running, TrialRecord):
        return running
    with lease(study, running.trial):
        return _run(running, started)


def _run(running: RunningTrial, started: Started | None) -> TrialRecord:
    """Train the trial until it ends; returns its record."""
    if isinstance(running.objective, Command):
        running.objective.name_trial(running.name)
    ended: list[TrialRecord] = []

    def see(measurement: Measurement) -> bool:
        if record := running.see(measurement):
            ended.append(record)
        return not ended

    try:
        _train(running, started, see)
    except KeyboardInterrupt:
        running.interrupt("stopped by the user")
        raise
    except (StudyError, StorageInternalError):  # the books cannot be kept: this trial runs again
        with suppress(Exception):  # a connection that was dropped is back at once, else the next session does it
            running.interrupt("its storage failed")
        raise
    except AfterTraining as error:
        return _failed_after(ended[0], error)
    except BaseException as error:  # whatever a user's training code raises: sys.exit() too ends its trial alone
        return ended[0] if ended else running.end("failed", describe(error))
    return ended[0] if ended else running.end("failed", _early(len(running.measurements), running.terms))


def _failed_after(ended: TrialRecord, error: AfterTraining) -> TrialRecord:
    """A trial whose job failed once it was measured to the end: it stands, and a person is told."""
    if ended.outcome != "complete" or error.__cause__ is None:
        return ended
    return replace(ended, reason=f"failed after its last report: {describe(error.__cause__)}")


def _early(done: int, terms: Terms) -> str:
    """That the objective ended after so many of its reports."""
    counting = terms.space.counting
    return EARLY.format(done=counting.at(done), all=counting.many(counting.at(terms.epochs)), often=_each(terms))


def _each(terms: Terms) -> str:
    """When a training is to report: after ``every epoch``, ``every 100 steps``."""
    counting = terms.space.counting
    return f"every {counting.many(counting.every) if counting.every > 1 else counting.unit}"


def _train(running: RunningTrial, started: Started | None, see: Callable[[Measurement], bool]) -> None:
    """Train the trial, showing every epoch; goes on with what is started if it is of the same schedule."""
    if started is None or started.rest is None or started.schedule != running.schedule:
        terms = running.terms
        train(
            running.objective,
            running.schedule,
            see,
            epochs=terms.epochs,
            seed=running.seed,
            device=terms.device,
            test=terms.test,
        )
        return
    try:
        all(see(m) for m in chain([started.first], started.rest))
    finally:
        with suppress(Exception):  # an objective may fail as it is stopped, too: its trial has ended already
            started.rest.close()  # type: ignore[attr-defined]


def describe(error: BaseException, *, whole: bool = False) -> str:
    """An exception in words, of bounded length, and where it was raised: the user's file by its name, or `whole`."""
    hint = " (the objective called sys.exit)" if isinstance(error, SystemExit) else ""
    said = f"{type(error).__name__}: {error}".strip()[:MAX_REASON_CHARACTERS] + hint
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, InputError) or not frames:
        return said
    frame = next((f for f in reversed(frames) if not f.filename.startswith(_NOT_THE_USERS)), frames[-1])
    return f"{said} ({frame.filename if whole else Path(frame.filename).name}, line {frame.lineno})"
