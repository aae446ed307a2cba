"""What a running search tells whoever watches it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from ..spaces import IN_EPOCHS, Counting
from .budget.ledger import Ledger
from .results.trial import TrialRecord


@dataclass
class Tally:
    """Running totals of a search.

    Attributes:
        ledger: The budget and what is spent of it.
        metric: What ranks trials.
        maximize: Whether larger is better.
        outcomes: Trials by outcome.
        best: The best complete trial so far.
        counting: What trials are counted in.
    """

    ledger: Ledger
    metric: str
    maximize: bool
    outcomes: dict[str, int] = field(default_factory=dict)
    best: TrialRecord | None = None
    counting: Counting = IN_EPOCHS

    def add(self, trial: TrialRecord) -> None:
        """Count a finished trial."""
        self.outcomes[trial.outcome] = self.outcomes.get(trial.outcome, 0) + 1
        if trial.outcome != "complete" or trial.value is None or not math.isfinite(trial.value):
            return
        sign = -1 if self.maximize else 1
        if self.best is None or self.best.value is None or sign * trial.value < sign * self.best.value:
            self.best = trial


class Progress(Protocol):
    """Receives a search's news; every method returns at once."""

    def start(self, name: str, tally: Tally) -> None:
        """The search begins, or resumes with what `tally` holds."""

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """A trial has ended."""

    def epoch(self, trial: int, epoch: int, epochs: int) -> None:
        """A trial that trains in this process has done an epoch of so many, or come to a report between steps."""

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        """A run on a fresh seed, or over a longer horizon, has ended: the `done`-th of those that are queued."""

    def note(self, text: str) -> None:
        """Something a person should know, in a line."""

    def stop(self) -> None:
        """The search is over, however it ended."""


class Silent:
    """Says nothing."""

    def start(self, name: str, tally: Tally) -> None:
        """Ignore."""

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """Ignore."""

    def epoch(self, trial: int, epoch: int, epochs: int) -> None:
        """Ignore."""

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""

    def stop(self) -> None:
        """Ignore."""
