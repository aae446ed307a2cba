"""Schedules in JSON files: an exported trial, or the bare facts of a `Schedule`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ..errors import InputError
from .schedule import Schedule

KIND = "lrsearch trial"
"""What an exported trial says it is."""
REMEDY = (
    "Give a best.json, or family, base_lr, horizon, params, ... as lrsearch export --format json writes them; "
    "or write it in a line, as cosine:base_lr=0.1,warmup=1."
)


def read_schedule(path: str | os.PathLike[str]) -> Schedule:
    """The schedule in a ``best.json``, or in a file with the bare facts of `Schedule.to_dict`.

    Raises:
        InputError: The file cannot be read or is something else.
    """
    try:
        data = read_json(path)
    except InputError as error:
        raise InputError(f"{error} {REMEDY}") from None
    if not isinstance(data, dict):
        raise InputError(f"{str(path)!r} holds no schedule. {REMEDY}")
    if data.get("kind") != KIND:
        return _bare(path, data)
    try:
        return Schedule.from_dict(data["schedule"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{str(path)!r} is damaged: {error!r}. Export it again.") from None


def read_json(path: str | os.PathLike[str]) -> Any:
    """What a JSON file holds; raises `InputError` if it cannot be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is not JSON: {error}.") from None


def _bare(path: str | os.PathLike[str], data: Mapping[str, Any]) -> Schedule:
    """The schedule whose facts stand in a file by themselves."""
    known = {f.name: f.default is MISSING and f.default_factory is MISSING for f in fields(Schedule)}
    if missing := [name for name, needed in known.items() if needed and name not in data]:
        are = "is" if len(missing) == 1 else "are"
        raise InputError(f"{str(path)!r} is no schedule: {' and '.join(missing)} {are} missing. {REMEDY}")
    if strange := [name for name in data if name not in known]:
        raise InputError(f"{str(path)!r} is no schedule: unknown key {strange[0]!r}. {REMEDY}")
    if not isinstance(data.get("params", {}), dict):
        raise InputError(f"{str(path)!r} is no schedule: params must be a table. {REMEDY}")
    try:
        return Schedule.from_dict(data)
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from None
