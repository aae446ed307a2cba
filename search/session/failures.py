"""`Failures`: trials that fail in a row for one reason end a search."""

from __future__ import annotations

import re
from collections.abc import Callable

from ...errors import StudyError
from ..results.trial import TrialRecord

EQUAL_FAILURES = {"before": 3, "after": 10}
"""A search stops when this many trials in a row have failed for one reason: before any trial is complete, and after."""


class Failures:
    """What failed in a session's trials, in the order in which they end.

    Args:
        objective: Its name.
        note: Told once of trials that failed after they had been measured to the end.
    """

    def __init__(self, objective: str, note: Callable[[str], None]) -> None:
        self._objective, self._note, self._told = objective, note, False
        self._reasons: list[str] = []

    def add(self, record: TrialRecord, *, any_complete: bool) -> None:
        """Take in a trial that has ended.

        Args:
            record: The trial.
            any_complete: Whether any trial of the search is complete.

        Raises:
            StudyError: So many have failed in a row for one reason that the search stops; see `EQUAL_FAILURES`.
        """
        if record.outcome == "complete" and record.reason and not self._told:
            self._told = True
            self._note(f"{self._objective} {record.reason}. Its trials count, since they were measured to the end.")
        if record.confirms is not None:  # a verdict counts and tells these
            return
        reason = re.sub(r"\d+", "#", record.reason)  # trials, times and processes have other numbers
        self._reasons = [*self._reasons, reason] if record.outcome == "failed" else []
        most = EQUAL_FAILURES["after" if any_complete else "before"]
        if self._reasons[-most:] == [reason] * most:
            raise StudyError(f"{most} trials in a row failed the same way, so the search stops: {record.reason}")
