"""`Books`: what a session may spend. A session keeps its own, or shares them with other processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..budget.ledger import Allowance, Ledger
from ..results.trial import TrialRecord
from ..trial.settings import Terms


class Books(Protocol):
    """What a session may spend."""

    @property
    def closed(self) -> bool:
        """Whether the search is over, so that what is left of the budget is for confirmation."""

    @property
    def available(self) -> float:
        """What trials may still reserve, as the budget counts."""

    def keep_back(self, amount: float) -> None:
        """Let no trial reserve this last part of the budget until further notice."""

    def reserve(self, part: int = 0) -> Allowance | None:
        """Reserve what the next trial may use, until `commit`; None when too little is available.

        Args:
            part: Epochs of a run that is to be shorter than a trial.
        """

    def commit(self, allowance: Allowance, record: TrialRecord) -> None:
        """Book a trial that has ended."""

    def terms(self, terms: Terms, *, queued: bool) -> Terms:
        """The terms of trials that are to keep within these books; of queued trials alone if so asked."""


class OwnBooks:
    """The books of a session that has its study to itself."""

    closed = False

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    @property
    def available(self) -> float:
        """See `Books`."""
        return self.ledger.available

    def keep_back(self, amount: float) -> None:
        """See `Books`."""
        self.ledger.kept_back = amount

    def reserve(self, part: int = 0) -> Allowance | None:
        """See `Books`."""
        return self.ledger.reserve(part)

    def commit(self, allowance: Allowance, record: TrialRecord) -> None:
        """See `Books`."""
        self.ledger.commit(allowance, record.epochs, counted=record.counted)

    def terms(self, terms: Terms, *, queued: bool) -> Terms:
        """The same: nobody else spends the budget."""
        return terms


@dataclass
class Searching:
    """Allowances for trials of the search; a confirmation's part of the budget is kept back from them.

    Attributes:
        books: Where they are reserved.
        kept_back: How much of the budget to keep back; asked again before every trial.
        before: Called before every trial, once it is known what may be spent.
        over: Whether the search ends though there is budget left; asked before every trial.
    """

    books: Books
    kept_back: Callable[[], float]
    before: Callable[[], None] = lambda: None
    over: Callable[[], bool] = lambda: False

    def reserve(self) -> Allowance | None:
        """Reserve what the next trial may use; None when the search is over."""
        if self.books.closed or self.over():
            return None
        self.books.keep_back(self.kept_back())
        self.before()
        return self.books.reserve()


@dataclass
class Queued:
    """Allowances for queued trials.

    Attributes:
        books: Where they are reserved.
        trials: How many trials are still to be run.
        part: Epochs of each if they are to be shorter than a trial.
        done: How many have ended.
    """

    books: Books
    trials: int
    part: int = 0
    done: int = 0

    def reserve(self) -> Allowance | None:
        """Reserve what the next trial may use; None when all have been run."""
        allowance = self.books.reserve(self.part) if self.trials > 0 else None
        self.trials -= allowance is not None
        return allowance

    def ended(self, record: TrialRecord) -> None:
        """Take in how a trial ended: one whose process was killed is queued again."""
        again = record.outcome == "interrupted"
        self.trials, self.done = self.trials + again, self.done + (not again)
