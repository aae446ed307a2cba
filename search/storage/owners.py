"""Owners of trials: processes, told apart from all others, and whether they still run."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil
from optuna.trial import FrozenTrial

from ..notes.trial import TrialNotes


@dataclass(frozen=True)
class Owner:
    """A process.

    Attributes:
        host: The machine's name, for people.
        place: Tells machines and containers apart: within one, process ids can be looked up.
        pid: Process id.
        start: When the process started, in seconds since the epoch: ids are used again.
        ticks: When it started, in clock ticks since the system's boot, which no change of the clock moves; None where
            the system does not tell.
    """

    host: str
    place: str
    pid: int
    start: float
    ticks: int | None = None

    def alive(self) -> bool | None:
        """Whether the process still runs; None if that cannot be seen from here, or if it was stopped, as by Ctrl-Z."""
        if self.place != this_process().place:
            return None
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if not self._is(process):
                return False
            return None if process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP) else True
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

    def _is(self, process: psutil.Process) -> bool:
        if self.ticks is not None:
            return _ticks(self.pid) == self.ticks
        return bool(abs(process.create_time() - self.start) < 5)


def this_process() -> Owner:
    """The process that runs this."""
    return _process(os.getpid())


@lru_cache(maxsize=1)
def _process(pid: int) -> Owner:
    return Owner(socket.gethostname(), _place(), pid, psutil.Process(pid).create_time(), _ticks(pid))


def _ticks(pid: int) -> int | None:
    """Field 22 of Linux' ``/proc/PID/stat``; the second one, the program's name, may hold anything."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    return None


def _place() -> str:
    """The boot of the system and the namespace of process ids, since containers may share all else."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def owner_of(trial: FrozenTrial) -> Owner | None:
    """The owner of a trial; None if it has not been signed."""
    signed = TrialNotes.read(trial.user_attrs).signature
    return None if signed is None else Owner(signed.host, signed.place, signed.pid, signed.start, signed.ticks)


def since(trial: FrozenTrial) -> float:
    """``time.monotonic()`` of its machine when the trial's owner took it; 0 if it has not been signed."""
    signed = TrialNotes.read(trial.user_attrs).signature
    return 0.0 if signed is None else signed.taken


def member_of(trial: FrozenTrial) -> str | None:
    """Who runs a trial; None if it is not signed yet, or runs in a search that shares nothing."""
    signature = TrialNotes.read(trial.user_attrs).signature
    return signature.member if signature else None
