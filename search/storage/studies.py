"""Studies in storage: opening, checking, mending after a kill, reading back."""

from __future__ import annotations

import logging
import random
import re
import time
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from ...errors import InputError, StudyError
from ..results.confirmation import Confirmation, Contest
from ..results.search import SearchResult, TrialRecord, outcome_of, to_record
from .journal import JournalFile
from .passwords import ambiguous, redact, scrub

CONFIRMATION = ":confirmation"
"""Ends the name of the study that holds the runs on fresh seeds."""
TRANSFER = ":transfer"
"""Ends the name of the study that holds the runs over longer horizons."""
TEAM = ":team"
"""Ends the name of the study that holds a trial for every process which took part in a shared search."""
SESSION = "session:"
"""Begins the name of a study's note of one session."""
BUSY = 120.0
"""Seconds for which SQLite waits while other processes write; its own 5 are too few for eight of them."""
ATTEMPTS = 5
"""So many tries to open a database whose tables another process makes meanwhile."""
_OWN_NOTES = ("outcome", "reason", "log", "owner", "lease", "repeats")
"""Notes of one run of a trial, which its repetition does not share."""

AnyTrial = Trial | FrozenTrial

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
    for attempt in range(ATTEMPTS):
        try:
            return JournalStorage(JournalFile(where)) if "://" not in where else _database(where)
        except Exception as error:  # each database driver raises its own
            raced = isinstance(error, IntegrityError | ProgrammingError) or "already exists" in str(error)
            if raced and attempt < ATTEMPTS - 1:  # several processes made the tables of a fresh database at once
                time.sleep(random.uniform(0.1, 1))
                continue
            raise StudyError(f"the storage {redact(where)!r} cannot be opened: {_reason(error, where)}") from None
    raise AssertionError


class _Database(RDBStorage):
    """Optuna's storage, which leaves no connection behind if it cannot be opened."""

    def __init__(self, url: str, engine_kwargs: dict[str, Any]) -> None:
        try:
            super().__init__(url, engine_kwargs)
        except Exception:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise


def _database(url: str) -> BaseStorage:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    patient = {"connect_args": {"timeout": BUSY}} if url.startswith("sqlite") else {}
    database = _Database(url, engine_kwargs=patient)
    weakref.finalize(database, database.engine.dispose)  # or the server keeps idle connections
    return optuna.storages.get_storage(database)


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


def end_interrupted(study: Study, trial: AnyTrial, reason: str, **notes: object) -> bool:
    """End a trial that was stopped through no fault of its own, and queue its parameters again.

    One that has no schedule yet was stopped while it was being proposed: it will simply be proposed again.

    Args:
        study: Its study.
        trial: The trial.
        reason: Why it was stopped.
        notes: User attributes that the queued trial gets besides those that this one came with.

    Returns:
        Whether it was this call that ended it.
    """
    if not end(study, trial, "interrupted", reason):
        return False
    _queue_again(study, study._storage.get_trial(trial._trial_id), notes)
    return True


def queue_lost(study: Study, grace: float = 0.0) -> None:
    """Queue interrupted trials again whose process was killed between ending and queuing them, `grace` seconds ago.

    Two processes may do so at once: of trials that repeat the same one, only the first is run.
    """
    trials = study.get_trials(deepcopy=False)
    repeated = {t.user_attrs.get("repeats") for t in trials}
    for trial in trials:
        if trial.number in repeated or trial.datetime_complete is None:
            continue
        if time.time() - trial.datetime_complete.timestamp() >= grace:
            _queue_again(study, trial, {})


def first_of_its_kind(study: Study, trial: AnyTrial) -> bool:
    """Whether no earlier trial repeats the same interrupted one, or is the same baseline queued by another process."""

    def kind(trial: AnyTrial) -> tuple[object, ...]:
        return tuple(trial.user_attrs.get(name) for name in ("repeats", "baseline", "schedule"))

    repeats, baseline, _ = own = kind(trial)
    if repeats is None and baseline is None:
        return True
    return all(t.number >= trial.number or kind(t) != own for t in study.get_trials(deepcopy=False))


def _queue_again(study: Study, trial: FrozenTrial, notes: Mapping[str, object]) -> None:
    """Queue what a trial was queued with, or got; only for an interrupted one that got as far as a schedule."""
    attrs = trial.user_attrs
    if outcome_of(trial) == "interrupted" and "schedule" in attrs:
        kept = {k: v for k, v in attrs.items() if k not in _OWN_NOTES}
        queued = trial.system_attrs.get("fixed_params", {})
        study.enqueue_trial({**queued, **trial.params}, user_attrs={**kept, **notes, "repeats": trial.number})


def end(study: Study, trial: AnyTrial, outcome: str, reason: str = "", value: float | None = None) -> bool:
    """Tell Optuna how a trial ended, with our word for it; whether it was this call that ended it.

    A diverged trial is COMPLETE with an infinite value: TPE ranks it last and GPSampler clips it to the worst
    finite value, so that both learn where the wall is, while FAIL would be ignored. Interrupted, out-of-budget and
    failed trials say nothing about their schedule and are FAIL.
    """
    states = {"complete": None, "diverged": None, "pruned": TrialState.PRUNED}
    state = states.get(outcome, TrialState.FAIL)
    try:
        study._storage.set_trial_user_attr(trial._trial_id, "outcome", outcome)
        if reason:
            study._storage.set_trial_user_attr(trial._trial_id, "reason", reason)
        study.tell(trial.number, value if state is None else None, state=state)
    except (UpdateFinishedTrialError, ValueError):  # somebody else has ended it already
        return False
    return True


def load_result(storage: BaseStorage, name: str | None, folder: str | None = None) -> SearchResult:
    """Read a study back; raises `StudyError` if it is not there or not ours."""
    every = optuna.get_all_study_names(storage)
    names = [n for n in every if not n.endswith((CONFIRMATION, TRANSFER, TEAM))]
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
    sessions = sorted((v for k, v in attrs.items() if k.startswith(SESSION)), key=itemgetter("started"))
    return SearchResult(name, attrs["settings"], sessions, _records(study, metric), folder, confirmation, transfer)


def load_confirmation(study: Study, metric: str) -> Confirmation | None:
    """The last contest of a confirmation's study; None before there is one."""
    if not (contests := study.user_attrs.get("contests")):
        return None
    maximize = study.direction == StudyDirection.MAXIMIZE
    return Confirmation(Contest.from_dict(contests[-1]), _records(study, metric), maximize)


def _records(study: Study, metric: str) -> tuple[TrialRecord, ...]:
    trials = (t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING)
    return tuple(to_record(t, metric) for t in trials if outcome_of(t) != "withdrawn")
