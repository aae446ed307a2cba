"""A stored search read back as a `SearchResult`."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from ...errors import StudyError
from ..results.confirmation import Confirmation, Contest
from ..results.search import SearchResult
from ..results.trial import TrialRecord
from .studies import CONFIRMATION, SESSION, SHARES, TEAM, TRANSFER
from .trial_notes import outcome_of, to_record


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
    records = _records(study, metric)
    if name + TRANSFER in every:
        transfer = _records(optuna.load_study(study_name=name + TRANSFER, storage=storage), metric)
    if name + CONFIRMATION in every:
        confirmation = load_confirmation(
            optuna.load_study(study_name=name + CONFIRMATION, storage=storage), metric, records
        )
    sessions = sorted((v for k, v in attrs.items() if k.startswith(SESSION)), key=itemgetter("started"))
    return SearchResult(name, attrs["settings"], sessions, records, folder, confirmation, transfer, attrs.get(SHARES))


def load_confirmation(study: Study, metric: str, searched: Iterable[TrialRecord] = ()) -> Confirmation | None:
    """The last contest of a confirmation's study, beside the trials searched; None before there is one."""
    if not (contests := study.user_attrs.get("contests")):
        return None
    maximize = study.direction == StudyDirection.MAXIMIZE
    diverged = tuple(t.schedule for t in searched if t.outcome == "diverged" and t.schedule)
    return Confirmation(Contest.from_dict(contests[-1]), _records(study, metric), maximize, diverged)


def _records(study: Study, metric: str) -> tuple[TrialRecord, ...]:
    trials = (t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING)
    return tuple(to_record(t, metric) for t in trials if outcome_of(t) != "withdrawn")
