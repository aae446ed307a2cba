"""What other programs leave of the processors, and PyTorch's threads on no more than that.

The threads that work on one operation wait for each other actively. Where another program holds a processor, each
operation waits until the system gives that back: with two threads on two taken cores an epoch of a small model took 7
to 31 times as long as with one (`benchmarks/RESULTS.md`, "On a busy machine").
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import psutil
from joblib import cpu_count

from ...objectives import Command, Objective
from ..trial.settings import Terms

RECENT_S = 30.0
"""What was seen longer ago says nothing of now."""
SAMPLE_S = 0.1
"""Seconds of a look at least."""
EVERY_S = 2.0
"""Seconds between two looks while trials train, at least; they take a fiftieth of the time at most."""
SPARE = 0.3
"""Part of a processor that other programs may take without costing a thread."""
NOTEWORTHY = 0.25
"""Share of the processors from which on other programs are worth a note."""
_IDLE = ("idle", "iowait", "guest", "guest_nice")
"""Not work, or counted as a user's already."""


@dataclass(frozen=True)
class Look:
    """Processor seconds so far.

    Attributes:
        at: ``time.monotonic()``.
        all: Of all programs.
        own: Of this process and its children.
    """

    at: float
    all: float
    own: float


def look() -> Look:
    """Processor seconds by now."""
    this = psutil.Process()
    own = sum(this.cpu_times()[:4])  # ended children are in it
    for child in this.children(recursive=True):
        with suppress(psutil.Error):
            own += sum(child.cpu_times()[:2])
    return Look(time.monotonic(), sum(s for name, s in psutil.cpu_times()._asdict().items() if name not in _IDLE), own)


def others_between(before: Look, after: Look) -> float:
    """Processors that other programs kept busy, on average."""
    others = (after.all - before.all) - (after.own - before.own)
    return min(max(0.0, others / (after.at - before.at)), float(_cores()))


def free_for(others: float) -> int:
    """Threads for the processors that others leave, >= 1; no more than a container may use."""
    return max(1, min(int(cpu_count()), math.floor(_cores() - others + SPARE)))


def _cores() -> int:
    return psutil.cpu_count() or 1


class Others:
    """The processors that other programs keep busy, from one look to the next."""

    def __init__(self) -> None:
        self._last, self._busy = look(), 0.0

    def now(self) -> float:
        """How many since the last look; looks for `SAMPLE_S` if that is long ago."""
        last, now = self._last, look()
        if now.at - last.at < SAMPLE_S:
            return self._busy
        if now.at - last.at > RECENT_S:
            time.sleep(SAMPLE_S)
            last, now = now, look()
        self._last, self._busy = now, others_between(last, now)
        return self._busy


OTHERS = Others()
"""Looks first when this is imported: PyTorch's own import lies between that and a first trial."""


class Processors:
    """Keeps PyTorch's threads to the processors that other programs leave, while trials train in this process.

    A note tells of other programs, once. On a GPU, and of a command, there is nothing but that note.

    Args:
        objective: What is trained.
        device: A torch device.
        note: Tells a person something in a line.
    """

    def __init__(self, objective: Objective, device: str, note: Callable[[str], None]) -> None:
        self._limits = device == "cpu" and not isinstance(objective, Command)
        self._note, self._noted = note, False
        self._next = 0.0
        self._wanted = self._given = 0

    @contextmanager
    def shared(self, threads: int = 0, *, tell: bool = True) -> Iterator[None]:
        """While this is open, PyTorch has no more threads than `threads`, and than there is room for.

        Args:
            threads: 0 for as many as it has.
            tell: Whether this is the time for a note.
        """
        torch = self._torch()
        before = torch.get_num_threads() if torch else 0
        self._wanted, self._given = threads or before, before
        if torch and threads:
            torch.set_num_threads(threads)
            self._given = threads
        try:
            self.fit(tell=tell)
            yield
        finally:
            torch = self._torch()
            if torch and torch.get_num_threads() == self._given:
                torch.set_num_threads(before or self._wanted)

    def fit(self, *, tell: bool = True) -> None:
        """Look again, and give PyTorch the threads that it may have now; those that a user's code has set are kept."""
        begun = time.monotonic()
        others = OTHERS.now()
        self._next = time.monotonic() + max(EVERY_S, 50 * (time.monotonic() - begun))
        torch = self._torch()
        if torch:
            if (now := torch.get_num_threads()) != self._given:
                self._wanted = now
            self._given = min(self._wanted, free_for(others))
            if self._given != now:
                torch.set_num_threads(self._given)
        if others > NOTEWORTHY * _cores() and tell and not self._noted:
            self._noted = True
            fewer = f", and PyTorch uses {self._given} of {self._wanted} threads" if self._given < self._wanted else ""
            self._note(
                f"Other programs use about {others:.1f} of the {_cores()} processors: times are not typical{fewer}."
            )

    def watched(self, terms: Terms) -> Terms:
        """The same terms; with each epoch of a trial, this looks again if it is time."""
        tell = terms.told

        def told(trial: int, epoch: int, epochs: int) -> None:
            if time.monotonic() > self._next:
                self.fit()
            if tell:
                tell(trial, epoch, epochs)

        return replace(terms, told=told)

    def _torch(self) -> Any:
        return sys.modules.get("torch") if self._limits else None
