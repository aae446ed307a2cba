"""The registry of schedule families: every module of this folder that defines ``FAMILY``."""

from __future__ import annotations

import importlib
import pkgutil

from ...errors import unknown
from ._family import Array, Choice, Expr, Family, Param, Range, Stage, number

__all__ = [
    "DEFAULT_FAMILIES",
    "FAMILIES",
    "Array",
    "Choice",
    "Expr",
    "Family",
    "Param",
    "Range",
    "Stage",
    "get_family",
    "number",
    "register",
]

DEFAULT_FAMILIES = ("exp", "step", "cosine")
FAMILIES: dict[str, Family] = {}


def register(family: Family) -> None:
    """Add a family; a second one of the same name is an error."""
    if family.name in FAMILIES:
        raise ValueError(f"the family {family.name!r} is registered already")
    FAMILIES[family.name] = family


def get_family(name: str) -> Family:
    """The family of that name; raises `InputError` with the closest name."""
    if name not in FAMILIES:
        raise unknown("family", name, FAMILIES)
    return FAMILIES[name]


def _discover() -> None:
    modules = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    for module in sorted(modules, key=lambda n: (*[n != d for d in DEFAULT_FAMILIES], n)):
        register(importlib.import_module(f"{__name__}.{module}").FAMILY)


_discover()
