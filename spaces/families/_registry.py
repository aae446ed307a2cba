"""The registry: families by name, those that come with the package, and those known only from what a study stored."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError, unknown
from ._family import HUGE, Array, Choice, Expr, Family, Param, Range, Stage, lambda_lr
from ._plateau import PLATEAU

DEFAULT_FAMILIES = ("exp", "step", "cosine")
FAMILIES: dict[str, Family] = {}
BUILT_IN: set[str] = set()
_RECORDED: dict[str, Family] = {}
LONGEST = 40
"""Characters of a name."""
_ANY = Range(-HUGE, HUGE)


def register(family: Family) -> None:
    """Add a family; a second one of the same name is an error."""
    if family.name in FAMILIES:
        raise ValueError(f"the family {family.name!r} is registered already")
    FAMILIES[family.name] = family


def get_family(name: str) -> Family:
    """The family of that name; raises `InputError` with the closest name."""
    if name in FAMILIES:
        return FAMILIES[name]
    if name in _RECORDED:
        return _RECORDED[name]
    if name == PLATEAU.name:
        return PLATEAU
    raise unknown("family", name, FAMILIES)


def is_recorded(name: str) -> bool:
    """Whether the family is known only from a study or a file: its own file is not loaded."""
    return name not in FAMILIES and name in _RECORDED


def record(name: str, params: Mapping[str, Range | Choice]) -> None:
    """Let a family be known by name and parameters, so that what was stored of it can be read without its file.

    Raises:
        InputError: A name is not one: it would stand in exported code.
    """
    check_names(name, params)
    recorded = tuple(_recorded_param(key, searched) for key, searched in params.items())
    _RECORDED[name] = Family(
        name, "a family of your own, drawn from stored points", "its own file", recorded, _no_lr, _no_stages
    )


def carried(names: Iterable[str]) -> bytes | None:
    """The families of the user's own among those, for another process; None if there are none."""
    own = [FAMILIES[name] for name in names if name in FAMILIES and name not in BUILT_IN]
    if not own:
        return None
    import cloudpickle

    pickled: bytes = cloudpickle.dumps(own)
    return pickled


def unpack(families: bytes | None) -> None:
    """Register what `carried` packed, as far as it is unknown here."""
    for family in pickle.loads(families) if families else []:
        FAMILIES.setdefault(family.name, family)


def check_names(name: str, params: Mapping[str, Range | Choice]) -> None:
    """Raise `InputError` unless a family, its parameters and their choices have names that can stand anywhere."""
    for given in (name, *params):
        if not isinstance(given, str) or not given.isidentifier() or len(given) > LONGEST:
            raise InputError(f"a family and its parameters have names as Python's variables, got {given!r:.60}.")
    for searched in params.values():
        for option in searched.options if isinstance(searched, Choice) else ():
            if not re.fullmatch(rf"[\w.+-]{{1,{LONGEST}}}", option):
                raise InputError(f"{name}: a choice consists of letters, digits and . + - _, got {option!r:.60}.")


def set_names() -> list[str]:
    """The named sets of families, ``all`` first."""
    return ["all", *dict.fromkeys(name for family in FAMILIES.values() for name in family.sets)]


def family_set(name: str) -> tuple[str, ...]:
    """The families of a named set."""
    return tuple(f.name for f in FAMILIES.values() if name == "all" or name in f.sets)


def from_points(points: tuple[float, ...]) -> tuple[Callable[[Array, float, int], Array], Callable[[Expr], Stage]]:
    """Closed form and PyTorch stage of a decay given as shares of base_lr at evenly spaced progress."""
    grid = np.linspace(0.0, 1.0, len(points))
    listed = "".join(f"    {value!r},\n" for value in points)
    formula = "float(np.interp(progress, np.linspace(0, 1, len(POINTS)), POINTS))"
    needs = ("import numpy as np", f"POINTS = [\n{listed}]")
    return (
        lambda t, base_lr, decay: base_lr * np.interp(np.minimum(t / decay, 1.0), grid, points),
        lambda decay: lambda_lr(formula, *needs, length=decay),
    )


def check_points(points: Sequence[float]) -> None:
    """Raise `InputError` unless these can be the shares of base_lr that `from_points` takes."""
    if len(points) < 2 or not all(0 <= p <= HUGE for p in points):
        raise InputError(f"points are at least two shares of base_lr, each from 0 to {HUGE:g}.")


def _recorded_param(name: str, searched: Range | Choice) -> Param:
    choice = isinstance(searched, Choice)
    return Param(
        name,
        "choice" if choice else "factor",
        "a parameter of your own family",
        search=lambda epochs: searched,
        usual=lambda decay: searched.options[0] if isinstance(searched, Choice) else searched.middle,
        valid=searched if choice else _ANY,
    )


def _no_lr(t: Array, base_lr: float, decay: int, params: Mapping[str, Any]) -> Array:
    raise InputError("this family's own file is not loaded: name it, as in --families my.py:name.")


def _no_stages(decay: Expr, params: Mapping[str, Expr]) -> tuple[Stage, ...]:
    raise InputError("this family's own file is not loaded: name it, as in --families my.py:name.")
