"""`Ledger`: what of a budget is spent, reserved by trials under way, kept back for later, and available."""

from __future__ import annotations

import math
import threading
import time
from typing import NamedTuple

from .amount import Budget
from .kinds import kind_of


class Allowance(NamedTuple):
    """What a trial may use.

    Attributes:
        epochs: Epochs to train at most.
        deadline: ``time.monotonic()`` after which it ends at the next epoch.
        part: Whether it is for a run shorter than a trial.
    """

    epochs: int
    deadline: float = math.inf
    part: bool = False


class Ledger:
    """Keeps a budget's books for trials that run one after another or side by side; safe to share by threads.

    All amounts are trials, epochs or seconds, as the budget counts.

    Args:
        budget: What may be spent.
        epochs: Length of a full trial: epochs, or reports of one that is counted in steps.
        spent: What earlier sessions spent.
        begun: ``time.monotonic()`` when this session began.

    Attributes:
        kind: What the budget counts.
        kept_back: How much no trial may reserve for now.
        elsewhere: What running trials of other processes may use.
    """

    def __init__(self, budget: Budget, epochs: int, spent: float, begun: float, every: int = 1) -> None:
        self.budget, self.epochs, self.begun = budget, epochs, begun
        self.kind = kind_of(budget, epochs, every)
        self.before = self._spent = spent
        self.kept_back = self.elsewhere = 0.0
        self._reserved = 0.0
        self._lock = threading.Lock()

    @property
    def deadline(self) -> float:
        """``time.monotonic()`` at which a budget of wall time ends; infinite for the others."""
        return self.kind.deadline(self.begun, self.budget.amount - self._spent)

    @property
    def spent(self) -> float:
        """What trials that have ended, or the time, have spent."""
        return self._spent + self.kind.passed(self.begun)

    @property
    def left(self) -> float | None:
        """Estimated seconds to the end; None before anything is known."""
        now = self.spent - self.before
        rest = max(0.0, self.budget.amount - self.spent)
        return rest * (time.monotonic() - self.begun) / now if now > 0 else None

    @property
    def available(self) -> float:
        """What trials may still reserve."""
        return self.most - self.spent - self.elsewhere - self._reserved

    @property
    def most(self) -> float:
        """What the trials of the search may use from the first to the last."""
        return self.budget.amount - self.kept_back

    def reserve(self, part: int = 0) -> Allowance | None:
        """Reserve what the next trial may use, until `commit`; None when too little is available.

        Args:
            part: Epochs of a run that is to be shorter than a trial.
        """
        with self._lock:
            epochs = self.kind.length(self.available)
            if not epochs:
                return None
            allowance = Allowance(min(epochs, part or epochs), self.deadline, bool(part))
            self._reserved += self._cost(allowance, allowance.epochs, counted=True)
            return allowance

    def commit(self, allowance: Allowance, used: int, *, counted: bool) -> None:
        """Book a trial that has ended: `used` epochs of its allowance; `counted` if it counts as a trial."""
        with self._lock:
            self._reserved -= self._cost(allowance, allowance.epochs, counted=True)
            self._spent += self._cost(allowance, used, counted=counted)

    def _cost(self, allowance: Allowance, epochs: int, *, counted: bool) -> float:
        return self.kind.cost(epochs, counted=counted, part=allowance.part)

    def full_trials(self, seconds: float) -> float:
        """How many more full trials there is budget for, if one takes this many seconds of wall time; 0 if unknown."""
        full = self.kind.full_trial(seconds)
        return max(0.0, self.available) / full if full else 0.0

    def catch_up(self, seconds: float) -> None:
        """Take over that the search has run for this many seconds, if other processes know of more."""
        if not self.kind.stored:
            with self._lock:
                self._spent = max(self._spent, seconds - self.kind.passed(self.begun))

    def refresh(self, spent: float, elsewhere: float) -> None:
        """Take over what trials of all processes have spent, and what those that run elsewhere may use."""
        with self._lock:
            self._spent, self.elsewhere = spent, elsewhere
