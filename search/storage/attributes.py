"""How many attributes a journal's studies and trials have: Optuna copies all of them for each that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 10_000
"""A study or trial with more attributes, parameters or values than this is not read: a million would take days."""
_OF_STUDIES = {2: "user_attr", 3: "system_attr"}
_OF_TRIALS = {5: "param_name", 7: "step", 8: "user_attr", 9: "system_attr"}


class Attributes:
    """Counts names, of a study or a trial and of one kind, over the lines of a journal."""

    def __init__(self) -> None:
        self._names: dict[tuple[Any, Any], set[Any]] = {}

    def too_many(self, log: Mapping[str, Any]) -> bool:
        """Whether the study or trial that a line is about has more than `MOST` with it."""
        op = log.get("op_code")
        for kinds, owner in ((_OF_STUDIES, "study_id"), (_OF_TRIALS, "trial_id")):
            if isinstance(op, int) and op in kinds and isinstance(number := log.get(owner), int):
                given = log.get(kinds[op])
                names = self._names.setdefault((op, number), set())
                names.update(given if isinstance(given, dict) else [str(given)])
                return len(names) > MOST
        return False
