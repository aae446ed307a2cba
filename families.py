"""What ``--families`` may say: names, named sets, and families in a user's own file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .errors import InputError, unknown
from .spaces import FAMILIES, Family, add_family, family_set, is_recorded, set_names
from .spaces.families import NOT_KNOWN_BEFOREHAND, PLATEAU


def choose_families(names: Iterable[str | Family]) -> tuple[str, ...]:
    """The names of families: named sets written out, families of the user's own loaded and registered.

    Args:
        names: Names of families or of sets, ``file.py:name`` or ``module:name`` of one's own, or such a family itself.

    Raises:
        InputError: A file or a name in it is missing, or is no family.
    """
    chosen: list[str] = []
    of_sets: set[str] = set()
    for name in names:
        if isinstance(name, Family):
            chosen.append(add_family(name, name.name))
        elif ":" in name:
            chosen.append(_load(name))
        elif name in set_names():
            of_sets |= {*family_set(name)} - {*chosen}
            chosen += [n for n in family_set(name) if n not in chosen]
        elif name not in of_sets:
            _check(name)
            chosen.append(name)
    return tuple(chosen)


def parameters(family: str | None) -> list[str]:
    """The parameters of all families, after loading one of the user's own if `family` names one."""
    if family and ":" in family:
        choose_families([family])
    return list(dict.fromkeys(p.name for one in FAMILIES.values() for p in one.params))


def _check(name: str) -> None:
    if name.endswith(".py"):
        raise InputError(f"name the family in {name}: write {name}:NAME.")
    if name == PLATEAU.name:
        raise InputError(f"{NOT_KNOWN_BEFOREHAND}.")
    if name not in FAMILIES and not is_recorded(name):
        raise unknown("family", name, [*FAMILIES, *set_names()])


def _load(spec: str) -> str:
    from .objectives import load_function

    file = spec.rpartition(":")[0]
    if file.endswith(".py") and not os.path.isfile(file):
        raise InputError(f"there is no file {file!r}: give your family as path/to/my.py:name.")
    return add_family(load_function(spec), spec)
