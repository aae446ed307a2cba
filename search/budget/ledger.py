"""`Ledger`: a budget's books, what is spent and what may still be granted."""

from __future__ import annotations

import math
import threading
import time
from typing import NamedTuple

from .amount import Budget


class Grant(NamedTuple):
    """What the next trial may use.

    Attributes:
        epochs: Epochs to train at most.
        deadline: ``time.time()`` after which it ends at the next epoch.
    """

    epochs: int
    deadline: float = math.inf


class Ledger:
    """Keeps a budget's books for trials that run one after another or side by side; safe to share by threads.

    Args:
        budget: What may be spent.
        epochs: Length of a full trial.
        spent: What earlier sessions spent, as the budget counts.
        begun: ``time.time()`` when this session began.

    Attributes:
        held: How much is held back from `allot` for later.
        elsewhere: What running trials of other processes may use.
    """

    def __init__(self, budget: Budget, epochs: int, spent: float, begun: float) -> None:
        self.budget, self.epochs, self.begun = budget, epochs, begun
        self.before = self._spent = spent
        self.held = self.elsewhere = 0.0
        self._reserved = 0
        self._lock = threading.Lock()

    @property
    def deadline(self) -> float:
        """``time.time()`` at which a wall-clock budget ends; infinite for the others."""
        return self.begun + self.budget.amount - self.before if self.budget.kind == "seconds" else math.inf

    @property
    def spent(self) -> float:
        """Trials, seconds or epochs spent by trials that have ended."""
        return self.before + time.time() - self.begun if self.budget.kind == "seconds" else self._spent

    @property
    def left(self) -> float | None:
        """Estimated seconds to the end; None before anything is known."""
        rest = max(0.0, self.budget.amount - self.spent)
        if self.budget.kind == "seconds":
            return rest
        now = self._spent - self.before
        return rest * (time.time() - self.begun) / now if now > 0 else None

    @property
    def room(self) -> float:
        """Trials, seconds or epochs that may still be allotted."""
        if self.budget.kind == "seconds":
            return self.deadline - self.held - time.time()
        return self.budget.amount - self.held - self._spent - self.elsewhere - self._reserved

    def allot(self) -> Grant | None:
        """What the next trial may use, counted as reserved until `settle`; None when nothing is left."""
        with self._lock:
            if self.budget.kind == "seconds":
                # what is under way when only the held part is left may still end: half a trial is worth nothing
                return Grant(self.epochs, self.deadline) if self.room > 0 else None
            left = int(self.room)
            if left <= 0:
                return None
            epochs = self.epochs if self.budget.kind == "trials" else min(self.epochs, left)
            self._reserved += self._cost(epochs, counted=True)
            return Grant(epochs)

    def full_trials(self, seconds: float) -> float:
        """How many more full trials there is budget for, if one takes so many seconds of wall time; 0 if unknown."""
        unit = seconds if self.budget.kind == "seconds" else self._cost(self.epochs, counted=True)
        return max(0.0, self.room) / unit if unit else 0.0

    def sync(self, spent: float, elsewhere: float) -> None:
        """Take over what the trials of all processes have spent, and what those that run elsewhere may use."""
        with self._lock:
            self._spent, self.elsewhere = spent, elsewhere

    def settle(self, granted: Grant, used: int, *, counted: bool) -> None:
        """Book a trial that has ended: `used` of its `granted` epochs; `counted` if it counts as a trial."""
        with self._lock:
            self._reserved -= self._cost(granted.epochs, counted=True)
            self._spent += self._cost(used, counted=counted)

    def _cost(self, epochs: int, *, counted: bool) -> int:
        return {"trials": int(counted), "epochs": epochs, "seconds": 0}[self.budget.kind]
