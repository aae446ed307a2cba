"""Studies in storage: their names, opened and checked against their settings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection

from ...errors import StudyError
from ...spaces import space_from_dict

CONFIRMATION = ":confirmation"
"""Ends the name of the study that holds the runs on fresh seeds."""
TRANSFER = ":transfer"
"""Ends the name of the study that holds the runs over longer horizons."""
TEAM = ":team"
"""Ends the name of the study that holds a trial for every process which took part in a shared search."""
SHARES = "importance"
"""Name of a study's note of how much each parameter mattered, and of how many complete trials."""
SESSION = "session:"
"""Begins the name of a study's note of one session."""


def open_study(
    storage: BaseStorage,
    name: str,
    settings: Mapping[str, Any],
    sampler: BaseSampler,
    pruner: BasePruner,
) -> Study:
    """The study of that name, made if it is new.

    Raises:
        StudyError: It exists with other settings, so that its trials cannot be compared with new ones, or was made by
            another program.
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
        if (study.direction == StudyDirection.MAXIMIZE) != settings["maximize"]:
            raise StudyError(
                f"the empty study {name!r} was made to {study.direction.name.lower()}, and {settings['metric']} is to "
                f"be {'maximized' if settings['maximize'] else 'minimized'}: choose another name with --study."
            )
        study.set_user_attr("settings", dict(settings))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([settings["metric"]])
    elif differing := [k for k in sorted({*stored, *settings}) if not _same(k, stored.get(k), settings.get(k))]:
        raise StudyError(
            f"the study {name!r} has other settings ({_differences(stored, settings, differing)}): "
            "use the same ones to resume it, or another name with --study."
        )
    return study


def _same(key: str, stored: Any, asked: Any) -> bool:
    """Whether two values of a setting mean the same: a space may be written with other comments."""
    if key == "space" and stored and asked:
        return stored == asked or space_from_dict(stored) == space_from_dict(asked)
    return bool(stored == asked)


def _differences(stored: Mapping[str, Any], asked: Mapping[str, Any], keys: list[str]) -> str:
    def shown(key: str) -> str:
        if key == "space":
            return "the search space"
        return f"{key}: {stored.get(key)} there, {asked.get(key)} now"

    return "; ".join(shown(key) for key in keys)
