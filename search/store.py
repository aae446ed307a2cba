"""Studies in storage: opening, checking, mending after a kill, reading back."""

from __future__ import annotations

import logging
import re
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from ..errors import InputError, StudyError
from .confirmation import Confirmation, Contest
from .journal import JournalFile
from .records import SearchResult, TrialRecord, to_record
from .secrets import ambiguous, redact, scrub

CONFIRMATION = ":confirmation"
"""Ends the name of the study that holds the runs on fresh seeds."""
TRANSFER = ":transfer"
"""Ends the name of the study that holds the runs over longer horizons."""
QUEUED = ("schedule", "baseline", "seed", "confirms")
"""Notes that a queued trial comes with, and keeps when it is queued again."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


def folder_name(study: str) -> str:
    """The study's name as a folder name: anything unusual becomes a dash."""
    return re.sub(r"[^\w.-]+", "-", study).strip("-.") or "study"


def open_storage(where: str) -> BaseStorage:
    """The storage at `where`: a URL as Optuna takes them, or the path of a journal file.

    Raises:
        StudyError: It cannot be reached or written.
    """
    if ambiguous(where):
        raise StudyError(f"the storage {redact(where)!r} cannot be opened: write an @ in the password as %40.")
    try:
        if "://" not in where:
            return JournalStorage(JournalFile(where))
        logging.getLogger("alembic").setLevel(logging.WARNING)
        database = RDBStorage(where)
        weakref.finalize(database, database.engine.dispose)  # or the server keeps idle connections
        return optuna.storages.get_storage(database)
    except Exception as error:  # each database driver raises its own
        raise StudyError(f"the storage {redact(where)!r} cannot be opened: {_reason(error, where)}") from None


@contextmanager
def failures(where: str) -> Iterator[None]:
    """Turn what a database raises while it is used, e.g. when it goes away, into a `StudyError`."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        raise StudyError(
            f"the storage {redact(where)!r} failed: {_reason(error.__cause__ or error, where)}. "
            "What it holds is kept; once it is back, the same command goes on."
        ) from None


def _reason(error: BaseException, where: str) -> str:
    lines = scrub(str(error), where).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def make_folder(folder: Path) -> None:
    """Create the run folder; raises `InputError` if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"the run folder {str(folder)!r} cannot be written ({error.strerror}): "
            "pass --out DIR with a folder that can."
        ) from None


def open_study(
    storage: BaseStorage,
    name: str,
    settings: Mapping[str, Any],
    sampler: BaseSampler,
    pruner: BasePruner,
) -> Study:
    """The study of that name, made if it is new.

    Raises:
        StudyError: It exists with other settings, so that its trials cannot be compared with new ones.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        sampler=sampler,
        pruner=pruner,
        direction="maximize" if settings["maximize"] else "minimize",
        load_if_exists=True,
    )
    stored = study.user_attrs.get("settings")
    if stored is None:
        if study.get_trials(deepcopy=False):
            raise StudyError(f"the study {name!r} was not made by lrsearch: choose another name with --study.")
        study.set_user_attr("settings", dict(settings))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([settings["metric"]])
    elif differing := [k for k in sorted({*stored, *settings}) if stored.get(k) != settings.get(k)]:
        raise StudyError(
            f"the study {name!r} has other settings ({_differences(stored, settings, differing)}): "
            "use the same ones to resume it, or another name with --study."
        )
    return study


def _differences(stored: Mapping[str, Any], asked: Mapping[str, Any], keys: list[str]) -> str:
    def shown(key: str) -> str:
        if key == "space":
            return "the search space"
        return f"{key}: {stored.get(key)} there, {asked.get(key)} now"

    return "; ".join(shown(key) for key in keys)


def requeue_stale(study: Study) -> int:
    """Mark trials left running by a dead process as interrupted and queue them again; how many there were.

    Only call this while holding the run's lock.
    """
    stale = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for frozen in stale:
        end_interrupted(study, Trial(study, frozen._trial_id), "the process ended")
    return len(stale)


def end_interrupted(study: Study, trial: Trial, reason: str) -> None:
    """End a trial that was stopped through no fault of its own, and queue its parameters again.

    One that has no schedule yet was stopped while it was being proposed: it will simply be proposed again.
    """
    notes = {k: v for k, v in trial.user_attrs.items() if k in QUEUED}
    end(study, trial, "interrupted", reason)
    if "schedule" in notes:
        queued = study._storage.get_trial(trial._trial_id).system_attrs.get("fixed_params", {})
        study.enqueue_trial({**queued, **trial.params}, user_attrs=notes)


def end(study: Study, trial: Trial, outcome: str, reason: str = "", value: float | None = None) -> None:
    """Tell Optuna how a trial ended, with our word for it.

    A diverged trial is COMPLETE with an infinite value: TPE ranks it last and GPSampler clips it to the worst
    finite value, so that both learn where the wall is, while FAIL would be ignored. Interrupted, out-of-budget and
    failed trials say nothing about their schedule and are FAIL.
    """
    states = {"complete": None, "diverged": None, "pruned": TrialState.PRUNED}
    trial.set_user_attr("outcome", outcome)
    if reason:
        trial.set_user_attr("reason", reason)
    with suppress(RuntimeError, ValueError):  # somebody else has ended it already
        state = states.get(outcome, TrialState.FAIL)
        study.tell(trial, value if state is None else None, state=state)


def load_result(storage: BaseStorage, name: str | None, folder: str | None = None) -> SearchResult:
    """Read a study back; raises `StudyError` if it is not there or not ours."""
    every = optuna.get_all_study_names(storage)
    names = [n for n in every if not n.endswith((CONFIRMATION, TRANSFER))]
    if name is None:
        if len(names) != 1:
            raise StudyError(f"name the study, one of: {', '.join(names) or 'none is there'}.")
        name = names[0]
    if name not in names:
        raise StudyError(f"there is no study {name!r} there; found: {', '.join(names) or 'none'}.")
    study = optuna.load_study(study_name=name, storage=storage)
    attrs = study.user_attrs
    if "settings" not in attrs:
        raise StudyError(f"the study {name!r} was not made by lrsearch.")
    metric = attrs["settings"]["metric"]
    confirmation: Confirmation | None = None
    transfer: tuple[TrialRecord, ...] = ()
    if name + TRANSFER in every:
        transfer = _records(optuna.load_study(study_name=name + TRANSFER, storage=storage), metric)
    if name + CONFIRMATION in every:
        confirmation = load_confirmation(optuna.load_study(study_name=name + CONFIRMATION, storage=storage), metric)
    return SearchResult(
        name, attrs["settings"], attrs.get("sessions", []), _records(study, metric), folder, confirmation, transfer
    )


def load_confirmation(study: Study, metric: str) -> Confirmation | None:
    """The last contest of a confirmation's study; None before there is one."""
    if not (contests := study.user_attrs.get("contests")):
        return None
    maximize = study.direction == StudyDirection.MAXIMIZE
    return Confirmation(Contest.from_dict(contests[-1]), _records(study, metric), maximize)


def _records(study: Study, metric: str) -> tuple[TrialRecord, ...]:
    trials = (t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING)
    return tuple(to_record(t, metric) for t in trials)
