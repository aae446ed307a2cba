"""Studies in storage: their names, opened and checked against their settings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection

from ...errors import StudyError
from ...objectives import same_objective
from ...spaces import changes, space_from_dict
from ..notes.study import Settings, StudyNotes

CONFIRMATION = ":confirmation"
"""Ends the name of the study that holds the runs on fresh seeds."""
PROBE = ":probe"
"""Ends the name of the study that holds the probe's runs."""
TRANSFER = ":transfer"
"""Ends the name of the study that holds the runs over longer horizons."""
TEAM = ":team"
"""Ends the name of the study that holds a trial for every process which took part in a shared search."""


def root_name(name: str) -> str:
    """The name of the search that a study belongs to."""
    return name.removesuffix(CONFIRMATION).removesuffix(PROBE)


def open_study(
    storage: BaseStorage,
    name: str,
    settings: Settings,
    sampler: BaseSampler,
    pruner: BasePruner,
) -> Study:
    """The study of that name, made if it is new; a wider space than it has becomes its own.

    Raises:
        StudyError: It exists with other settings, so that its trials cannot be compared with new ones, or was made by
            another program.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        sampler=sampler,
        pruner=pruner,
        direction="maximize" if settings.maximize else "minimize",
        load_if_exists=True,
    )
    begun = bool(study.get_trials(deepcopy=False))  # first: who makes it now notes the settings before any trial
    stored = StudyNotes.read(study.user_attrs).settings
    if stored is None:
        if begun:
            raise StudyError(f"the study {name!r} was not made by lrsearch: choose another name with --study.")
        if (study.direction == StudyDirection.MAXIMIZE) != settings.maximize:
            raise StudyError(
                f"the empty study {name!r} was made to {study.direction.name.lower()}, and {settings.metric} is to "
                f"be {'maximized' if settings.maximize else 'minimized'}: choose another name with --study."
            )
        note_study(study, StudyNotes(settings=settings))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([settings.metric])
    elif differing := _differences(stored.to_attrs(), settings.to_attrs()):
        raise StudyError(
            f"the study {name!r} has other settings ({'; '.join(differing)}): "
            "use the same ones to resume it, or another name with --study."
        )
    elif space_from_dict(stored.space) != space_from_dict(settings.space):
        note_study(study, StudyNotes(settings=replace(stored, space=settings.space)))
    return study


def note_study(study: Study, notes: StudyNotes) -> None:
    """Store these notes of a study."""
    for name, value in notes.to_attrs().items():
        study.set_user_attr(name, value)


def _differences(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What keeps a study from going on with other settings, in words."""
    differences = {key: _difference(key, stored.get(key), asked.get(key)) for key in sorted({*stored, *asked})}
    return [
        text
        for key, text in differences.items()
        if text and not (key == "space" and (differences.get("epochs") or differences.get("steps")))
    ]


def _difference(key: str, stored: Any, asked: Any) -> str:
    """What keeps a study with one value of a setting from going on with the other; empty if nothing does."""
    if stored == asked or (key == "objective" and same_objective(str(stored), str(asked))):
        return ""
    if key == "space" and stored and asked:
        refused = changes(space_from_dict(stored), space_from_dict(asked)).refused
        return f"the search space may become wider only: {', '.join(refused)}" if refused else ""
    return f"{key}: {stored} there, {asked} now"
