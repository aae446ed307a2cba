"""Schedule families: every module of this folder that defines ``FAMILY``, and those that a user brings."""

from __future__ import annotations

import importlib
import pkgutil

from ._family import Array, Choice, Expr, Family, Param, Range, Stage, above, lambda_lr, number
from ._plateau import NOT_KNOWN_BEFOREHAND, PLATEAU, PLATEAU_ARGUMENTS
from ._registry import (
    BUILT_IN,
    DEFAULT_FAMILIES,
    FAMILIES,
    carried,
    check_names,
    check_points,
    family_set,
    from_points,
    get_family,
    is_recorded,
    record,
    register,
    set_names,
    unpack,
)

__all__ = [
    "BUILT_IN",
    "DEFAULT_FAMILIES",
    "FAMILIES",
    "NOT_KNOWN_BEFOREHAND",
    "PLATEAU",
    "PLATEAU_ARGUMENTS",
    "Array",
    "Choice",
    "Expr",
    "Family",
    "Param",
    "Range",
    "Stage",
    "above",
    "carried",
    "check_names",
    "check_points",
    "family_set",
    "from_points",
    "get_family",
    "is_recorded",
    "lambda_lr",
    "number",
    "record",
    "register",
    "set_names",
    "unpack",
]


def _discover() -> None:
    modules = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    for module in sorted(modules, key=lambda n: (*[n != d for d in DEFAULT_FAMILIES], n)):
        register(importlib.import_module(f"{__name__}.{module}").FAMILY)
    BUILT_IN.update([*FAMILIES, PLATEAU.name])


_discover()
