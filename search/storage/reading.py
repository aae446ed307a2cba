"""A stored search read back as a `SearchResult`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from ...errors import StudyError
from ..notes.ending import NotedResponse, Shares
from ..notes.study import SessionNotes, Settings, StudyNotes
from ..results.confirmation import Confirmation
from ..results.probe import Probe
from ..results.search import SearchResult
from ..results.trial import TrialRecord
from .studies import CONFIRMATION, PROBE, TEAM, TRANSFER
from .trial_notes import outcome_of, to_record

END_OF_TIME = 2.5e11
"""In seconds since the epoch; ``datetime`` ends with the year 9999."""
MOST = 10**6
"""Reports of a training; more are nobody's, and figures would have a place for each."""


def load_result(storage: BaseStorage, name: str | None, folder: str | None = None) -> SearchResult:
    """Read a study back; raises `StudyError` if it is not there or not ours."""
    every = optuna.get_all_study_names(storage)
    names = [n for n in every if isinstance(n, str) and not n.endswith((CONFIRMATION, PROBE, TRANSFER, TEAM))]
    if name is None:
        if len(names) != 1:
            raise StudyError(f"name the study, one of: {', '.join(names) or 'none is there'}.")
        name = names[0]
    if name not in names:
        raise StudyError(f"there is no study {name!r} there; found: {', '.join(names) or 'none'}.")
    study = optuna.load_study(study_name=name, storage=storage)
    attrs = study.user_attrs
    notes = StudyNotes.read(attrs)
    if notes.settings is None or not notes.settings.metric:
        raise StudyError(f"the study {name!r} was not made by lrsearch.")
    _check_length(name, notes.settings)
    metric = notes.settings.metric
    confirmation: Confirmation | None = None
    transfer: tuple[TrialRecord, ...] = ()
    records = _records(study, metric)
    _check_lengths(name, records, notes.settings)
    if name + TRANSFER in every:
        transfer = _records(optuna.load_study(study_name=name + TRANSFER, storage=storage), metric)
    probing = (
        _records(optuna.load_study(study_name=name + PROBE, storage=storage), metric) if name + PROBE in every else ()
    )
    probe = Probe.of(probing, notes.probe)
    if name + CONFIRMATION in every:
        confirmation = load_confirmation(
            optuna.load_study(study_name=name + CONFIRMATION, storage=storage), metric, records
        )
    sessions = sorted(SessionNotes.stored(attrs), key=_begun)
    return SearchResult(
        name,
        notes.settings.to_attrs(),
        sessions,
        records,
        folder,
        confirmation,
        transfer,
        settled=notes.settled or 0,
        noted_shares=Shares.kept(notes.importance),
        accepted=notes.accepted,
        probe=probe,
        noted_response=NotedResponse.kept(notes.response),
    )


def _check_lengths(name: str, trials: Iterable[TrialRecord], settings: Settings) -> None:
    """Raise `StudyError` for a trial that is longer or shorter than the search's: all that compares them needs one."""
    length = settings.space.get("horizon")
    for trial in trials:
        if length is not None and trial.schedule is not None and trial.schedule.horizon != length:
            raise StudyError(
                f"trial {trial.number} of the study {name!r} has a schedule for {trial.schedule.horizon:g} "
                f"{trial.schedule.unit}s, the space for {str(length)[:20]}: another program wrote that."
            )


def _begun(session: Mapping[str, Any]) -> float:
    """When a session began; raises `StudyError` if no calendar has that day."""
    began = SessionNotes.read(session).started or 0.0
    if not 0 <= began < END_OF_TIME:
        raise StudyError(f"the study has a session that began at {began}: another program wrote that.")
    return began


def _check_length(name: str, settings: Settings) -> None:
    """Raise `StudyError` for trainings of a length that no search has."""
    reports = settings.epochs if settings.steps is None else settings.steps // max(1, settings.every or 1)
    if reports is None or not 1 <= reports <= MOST:
        raise StudyError(
            f"the study {name!r} has trainings of {str(reports)[:20]} reports: another program wrote that."
        )


def load_confirmation(study: Study, metric: str, searched: Iterable[TrialRecord] = ()) -> Confirmation | None:
    """The last contest of a confirmation's study, beside the trials searched; None before there is one."""
    if not (contests := StudyNotes.read(study.user_attrs).contests):
        return None
    maximize = StudyDirection.MAXIMIZE in study.directions
    diverged = tuple(t.schedule for t in searched if t.outcome == "diverged" and t.schedule)
    return Confirmation(contests[-1], _records(study, metric), maximize, diverged)


def _records(study: Study, metric: str) -> tuple[TrialRecord, ...]:
    trials = (t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING)
    return tuple(to_record(t, metric) for t in trials if outcome_of(t) != "withdrawn")
