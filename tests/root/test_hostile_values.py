"""Every name in a journal, removed or with a value of another kind: all readers read it or refuse it in a line."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from strangers import look_at_all, whole

pytestmark = pytest.mark.slow

KINDS: dict[str, Any] = {
    "empty text": "",
    "null": None,
    "empty list": [],
    "negative": -1,
    "true": True,
    "infinite": math.inf,
    "fraction": 2.5,
    "object": {"a": 1},
}
OPTUNAS = ("op_code", "worker_id")
"""Names that say what a line of the journal is, and who wrote it."""


def places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a name: the names and numbers that lead there."""
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(key, str) and key not in OPTUNAS:
                yield (*place, key)
            yield from places(value, (*place, key))


def names() -> dict[str, tuple[Any, ...]]:
    """The first place of each path of names; sessions, which are many, count as one."""
    first: dict[str, tuple[Any, ...]] = {}
    for place in places(whole()):
        words = ("session" if str(key).startswith("session:") else key for key in place if isinstance(key, str))
        first.setdefault(".".join(words), place)
    return first


NAMES = names()


@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_is_missing_or_of_another_kind_breaks_no_reader(name: str) -> None:
    faults = {}
    for kind in ("missing", *KINDS):
        try:
            look_at_all(edited(NAMES[name], kind))
        except Exception:
            faults[kind] = traceback.format_exc()
    assert not faults, "\n".join(f"{name} {kind}: {error}" for kind, error in faults.items())


def edited(place: tuple[Any, ...], kind: str) -> list[Any]:
    """The journal without the name there, or with a value of that kind."""
    logs: Any = whole()
    *way, last = place
    node = logs
    for key in way:
        node = node[key]
    if kind == "missing":
        del node[last]
    else:
        node[last] = KINDS[kind]
    return list(logs)


def test_all_that_a_study_holds_is_among_the_names() -> None:
    assert len(NAMES) > 100
    assert {"directions", "user_attr.settings.objective", "user_attrs.schedule.params.T_max"} <= NAMES.keys()
