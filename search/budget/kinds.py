"""What each kind of budget counts: what a trial costs, how long the next one may be, what a full trial costs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from typing import ClassVar

from .amount import Budget


@dataclass(frozen=True)
class Kind(ABC):
    """What a budget counts.

    Attributes:
        epochs: Length of a full trial: epochs, or reports of one that is counted in steps.
        every: Steps between such reports.
    """

    epochs: int
    every: int = 1
    stored: ClassVar[bool] = True
    """Whether stored trials say what is spent; time passes by itself."""

    @abstractmethod
    def cost(self, epochs: int, *, counted: bool, part: bool = False) -> float:
        """What a trial costs that trained for this many epochs.

        Args:
            epochs: How many.
            counted: Whether it counts as a trial.
            part: Whether it was to be shorter than a trial, as the runs of a probe are: it costs its part of one.
        """

    @abstractmethod
    def length(self, available: float) -> int:
        """Epochs that the next trial may train for, if so much is available; 0 for none."""

    @abstractmethod
    def full_trial(self, seconds: float) -> float:
        """What a full trial costs that takes this many seconds, 0 for unknown; 0 if the cost is unknown."""

    def passed(self, since: float) -> float:
        """What is spent since that ``time.monotonic()``, whether trials run or not."""
        return 0.0

    def deadline(self, begun: float, amount: float) -> float:
        """``time.monotonic()`` when so much is spent, if none was at `begun`; infinite if time costs nothing."""
        return inf


class Trials(Kind):
    """Trials that ended as complete, pruned, diverged or failed."""

    def cost(self, epochs: int, *, counted: bool, part: bool = False) -> float:
        """One, if it counts; the part that it trained of a run that was to be shorter."""
        return epochs / self.epochs if part else int(counted)

    def length(self, available: float) -> int:
        """A full trial, if there is one available."""
        return self.epochs if available >= 1 else 0

    def full_trial(self, seconds: float) -> float:
        """One."""
        return 1.0


class Epochs(Kind):
    """Epochs of training, of every trial."""

    def cost(self, epochs: int, *, counted: bool, part: bool = False) -> float:
        """What it trained."""
        return epochs

    def length(self, available: float) -> int:
        """What is available, up to a full trial."""
        return max(0, min(self.epochs, int(available)))

    def full_trial(self, seconds: float) -> float:
        """Its epochs."""
        return float(self.epochs)


class Steps(Kind):
    """Optimizer steps of training, of every trial; a trial ends at a report."""

    def cost(self, epochs: int, *, counted: bool, part: bool = False) -> float:
        """What it trained."""
        return epochs * self.every

    def length(self, available: float) -> int:
        """What is available, up to a full trial."""
        return max(0, min(self.epochs, int(available) // self.every))

    def full_trial(self, seconds: float) -> float:
        """Its steps."""
        return float(self.epochs * self.every)


class Seconds(Kind):
    """Wall time, which passes by itself: trials cost nothing besides, and end when it is over."""

    stored = False

    def cost(self, epochs: int, *, counted: bool, part: bool = False) -> float:
        """Nothing."""
        return 0

    def length(self, available: float) -> int:
        """A full trial: half a trial is worth nothing, so one that began may use the time kept back."""
        return self.epochs if available > 0 else 0

    def full_trial(self, seconds: float) -> float:
        """The time it takes."""
        return seconds

    def passed(self, since: float) -> float:
        """The time."""
        return time.monotonic() - since

    def deadline(self, begun: float, amount: float) -> float:
        """The amount after the beginning."""
        return begun + amount


KINDS: dict[str, type[Kind]] = {"trials": Trials, "epochs": Epochs, "steps": Steps, "seconds": Seconds}


def kind_of(budget: Budget, epochs: int, every: int = 1) -> Kind:
    """What a budget counts, if a full trial is so many epochs long, or so many reports `every` so many steps."""
    return KINDS[budget.kind](epochs, every)
