"""How much wall time a full trial takes, and how much earlier sessions took."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from ..notes.study import SessionNotes
from ..results.search import SearchResult
from ..results.trial import TrialRecord

SLACK = 1.5
"""Trials take this many times what their epochs measure: proposals take time, and the last few lanes are slower."""


class Pace:
    """How much wall time a full trial takes, from what trials measured.

    Args:
        epochs: Length of a full trial.
        known: Trials of earlier sessions.

    Attributes:
        side_by_side: How many trials run at a time, each of which measures all of its time.
    """

    def __init__(self, epochs: int, known: Iterable[TrialRecord] = ()) -> None:
        self.epochs, self.side_by_side = epochs, 1
        self._seconds, self._trained = 0.0, 0
        for trial in known:
            self.add(trial)

    def add(self, trial: TrialRecord) -> None:
        """Take in a trial that has ended."""
        self._seconds += math.fsum(trial.seconds)
        self._trained += len(trial.seconds)

    @property
    def seconds(self) -> float:
        """Wall time of a full trial, cautiously; 0 if unknown."""
        return SLACK * self._seconds / self._trained * self.epochs / self.side_by_side if self._trained else 0.0


def time_spent(result: SearchResult) -> float:
    """Seconds that a search's sessions took; each ends with the last news of its trials."""
    starts = [SessionNotes.read(session).started or 0.0 for session in result.sessions]
    every = (*result.trials, *result.probing, *result.confirming)
    news = [d.timestamp() for t in every for d in (t.started, t.ended) if d is not None]
    ends = [max((n for n in news if a <= n < b), default=a) for a, b in pairwise([*starts, math.inf])]
    return sum(end - begin for begin, end in zip(starts, ends, strict=True))
