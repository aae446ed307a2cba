"""`Budget`: how much a search may spend, in trials, wall time or training epochs."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...errors import InputError

if TYPE_CHECKING:
    from ..results.search import TrialRecord

SLACK = 1.5
"""Trials take so many times what their epochs measure: proposals take time, and the last few lanes train less well."""
_RULE = 'a budget is trials ("60"), wall time ("90s", "30m", "1h30m") or epochs ("500ep")'
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True)
class Budget:
    """A promise that is kept.

    Attributes:
        kind: What is counted.
        amount: How many trials, seconds or epochs; above 0.
    """

    kind: Literal["trials", "seconds", "epochs"]
    amount: float

    def __post_init__(self) -> None:
        if not 0 < self.amount < 1e12:
            raise InputError(f"{_RULE}, above 0; got {self.amount:g} {self.kind}.")

    @classmethod
    def parse(cls, text: str | int | Budget) -> Budget:
        """The budget that `text` names; raises `InputError`.

        >>> Budget.parse("1h30m")
        Budget(kind='seconds', amount=5400.0)
        """
        if isinstance(text, Budget):
            return text
        found = str(text).strip().lower()
        if re.fullmatch(r"[+-]?\d{1,12}", found):
            return cls("trials", int(found))
        if match := re.fullmatch(r"(\d{1,12}) ?(?:ep|epochs?)", found):
            return cls("epochs", int(match[1]))
        match = _TIME.fullmatch(found)
        if not match or not found:
            raise InputError(f"{_RULE}; got {str(text)!r}.")
        return cls("seconds", float(sum(float(match[i + 1] or 0) * s for i, s in enumerate(_SECONDS.values()))))

    def __str__(self) -> str:
        if self.kind == "trials":
            return f"{self.amount:g} trials"
        if self.kind == "epochs":
            return f"{self.amount:g} epochs"
        return duration(self.amount)


def parse_seconds(text: str | float, option: str) -> float:
    """Seconds as a number, ``"90"``, ``"5m"`` or ``"1h30m"``; `InputError` names the `option`."""
    try:
        found = Budget.parse(f"{float(text)}s" if str(text).replace(".", "", 1).isdigit() else str(text))
    except InputError:
        found = None
    if found is None or found.kind != "seconds":
        raise InputError(f'{option} is a time above 0, as "300" (seconds), "5m" or "1h30m"; got {str(text)!r}.')
    return found.amount


def duration(seconds: float) -> str:
    """Seconds in words that fit a line: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Grant(NamedTuple):
    """What the next trial may use.

    Attributes:
        epochs: Epochs to train at most.
        deadline: ``time.time()`` after which it ends at the next epoch.
    """

    epochs: int
    deadline: float = math.inf


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
        """How many more full trials there is budget for, if one takes so many seconds of wall time."""
        unit = seconds if self.budget.kind == "seconds" else self._cost(self.epochs, counted=True)
        return max(0.0, self.room) / unit if unit else math.inf

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
