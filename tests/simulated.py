"""Processes that share a search, simulated in this one: machines, clocks, process ids, connections, and who runs when.

Each of them runs a session's own code in a thread, but never two at a time: a process goes on for as many calls of the
storage as it is told to, and then waits where it is. Time passes only when it is told to, and leases are renewed then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from inspect import signature
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, InMemoryStorage

from lrsearch.search.session import beginning
from lrsearch.search.storage import leases, owners, stopwatch
from lrsearch.search.storage.owners import Owner

Job = Callable[[BaseStorage], None]
BEGAN = 1.7e9
"""What all clocks show at first, in seconds since the epoch."""
MOST_S = 6 * 3600.0
"""A history that takes longer than this to come to its end will not."""


class Killed(BaseException):
    """Unwinds the thread of a process that was killed: none of its calls reaches the storage any more."""


@dataclass
class Machine:
    """A machine, or a container with process ids of its own.

    Attributes:
        name: Its host name.
        ahead: Seconds by which its clock is ahead of the world's.
        slept: Seconds for which it has slept, and its monotonic clock stood still.
        processes: What runs on it, by process id.
    """

    name: str
    ahead: float = 0.0
    slept: float = 0.0
    processes: dict[int, Process] = field(default_factory=dict)


_SIGNATURES = {n: signature(getattr(BaseStorage, n)) for n in dir(BaseStorage) if not n.startswith("_")}


def _connection(process: Process) -> BaseStorage:
    """A process's own connection to the storage that all share."""

    def through(name: str) -> Callable[..., Any]:
        return lambda self, *args, **how: process.call(name, args, how)

    made: BaseStorage = type("Connection", (BaseStorage,), {name: through(name) for name in _SIGNATURES})()
    return made


class Process:
    """A process.

    Args:
        world: Where it runs.
        machine: The machine it runs on.
        job: What it does with its connection.
        stubborn: Whether it begins again when its job was interrupted or its connection dropped, as in a notebook.

    Attributes:
        stopped: By SIGSTOP.
        offline: Whether it cannot reach the storage.
        dropped: Whether its next call fails; "after" if the storage has done it by then.
        interrupted: Whether Ctrl-C comes at its next call.
        alive: Whether it has not been killed and has not ended.
        ended: How its job ended; None if it has not, or with success.
    """

    def __init__(self, world: World, machine: Machine, job: Job, *, stubborn: bool) -> None:
        self.world, self.machine, self.job, self.stubborn = world, machine, job, stubborn
        self.pid = next(p for p in range(2, 99) if p not in machine.processes)
        self.ticks = world.ticks = world.ticks + 1
        self.owner = Owner(
            machine.name, f"{machine.name} boot", self.pid, BEGAN + world.now + machine.ahead, self.ticks
        )
        self.heart, self.seen = leases._Heart(), dict[Any, Any]()
        self.heart._begin_beating = lambda: None  # type: ignore[method-assign]
        self.stopped = self.offline = self.interrupted = self.killed = False
        self.dropped = ""
        self.alive = True
        self.ended: BaseException | None = None
        self.wake, self.beats, self.turns = 0.0, world.now + leases.RENEW_S, 0
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, daemon=True)
        machine.processes[self.pid] = self
        self._thread.start()

    def go(self, turns: int) -> None:
        """Go on for so many calls of the storage, or until it sleeps or ends."""
        self.turns, self.world.current = turns, self
        self._go.release()
        self._back.acquire()
        self.world.current = None

    def kill(self) -> None:
        """As ``kill -9``."""
        self.killed = True
        self._leave()
        while self._thread.is_alive():
            self.go(0)
            self._thread.join(0.001)

    def call(self, name: str, args: Any, how: Any) -> Any:
        """Call the storage."""
        if threading.current_thread() is self._thread:
            if self.turns <= 0:
                self._wait()
            self.turns -= 1
            self._meet_fate()
        if self.offline or self.dropped == "before":
            self.dropped = ""
            raise StorageInternalError("the connection was dropped")
        self.world.check(self, name, _SIGNATURES[name].bind(None, *args, **how).arguments)
        result = getattr(self.world.storage, name)(*args, **how)
        if self.dropped:
            self.dropped = ""
            raise StorageInternalError("the connection was dropped")
        return result

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self.wake = self.world.now + seconds
        self._wait()
        self._meet_fate()

    def beat(self) -> None:
        """Renew the leases, if it is time."""
        if self.alive and not self.stopped and self.world.now >= self.beats:
            self.beats = self.world.now + leases.RENEW_S
            self.world.current = self
            self.heart.renew()
            self.world.current = None

    def _meet_fate(self) -> None:
        if self.killed:
            raise Killed
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt

    def _wait(self) -> None:
        self._back.release()
        self._go.acquire()

    def _work(self) -> None:
        self._go.acquire()
        while not self.killed:
            try:
                self.job(_connection(self))
                self.ended = None
                break
            except Killed:
                break
            except BaseException as error:
                self.ended = error
                if not self.stubborn or not isinstance(error, (StorageInternalError, KeyboardInterrupt)):
                    break
        self._leave()
        self._back.release()

    def _leave(self) -> None:
        self.alive = False
        self.machine.processes.pop(self.pid, None)


class World:
    """All machines, and the storage.

    Args:
        patch: What it stands in for is patched with this.
        check: Told of each call of the storage before it is made: the process, the method's name, its arguments.

    Attributes:
        now: Seconds that have passed.
        current: The process that runs now.
    """

    def __init__(self, patch: pytest.MonkeyPatch, check: Callable[[Process, str, Any], None]) -> None:
        self.now, self.ticks, self.current = 0.0, 0, None
        self.storage, self.check = InMemoryStorage(), check
        self.processes: list[Process] = []
        self._stand_in(patch)

    current: Process | None

    def start(self, machine: Machine, job: Job, *, stubborn: bool = False) -> Process:
        """Start a process."""
        self.processes.append(Process(self, machine, job, stubborn=stubborn))
        return self.processes[-1]

    @property
    def living(self) -> list[Process]:
        """The processes that run."""
        return [p for p in self.processes if p.alive]

    def pass_time(self, seconds: float, asleep: Machine | None = None) -> None:
        """Let time pass; leases are renewed meanwhile, but on a machine that sleeps."""
        until = self.now + seconds
        awake = [p for p in self.living if p.machine is not asleep]
        while (due := min((p.beats for p in awake if not p.stopped), default=until)) < until:
            self.now = max(self.now, due)
            for process in awake:
                process.beat()
        self.now = until
        if asleep:
            asleep.slept += seconds
            for process in asleep.processes.values():
                process.wake += seconds
                process.beats += seconds

    def let(self, process: Process, turns: int) -> None:
        """Let a process go on for so many calls; if it sleeps, until it wakes first."""
        if process.alive and not process.stopped:
            self.pass_time(max(0.0, process.wake - self.now))
            process.go(turns)

    def finish(self, turns: int) -> None:
        """Let all processes go on in turn until they have ended."""
        began = self.now
        while living := self.living:
            assert self.now - began < MOST_S, "it does not come to an end"
            ready = [p for p in living if p.wake <= self.now]
            if not ready:
                self.pass_time(min(p.wake for p in living) - self.now)
            for process in ready:
                self.let(process, turns)

    def end(self) -> None:
        """End what still runs."""
        for process in self.living:
            process.kill()

    def _stand_in(self, patch: pytest.MonkeyPatch) -> None:
        """Clocks, sleep, process table and what a process keeps in memory are those of the process that runs."""
        real = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=time.sleep)

        def now() -> float:
            process = self.current
            return BEGAN + self.now + process.machine.ahead if process else real.time()

        def monotonic() -> float:
            process = self.current
            return self.now - process.machine.slept if process else real.monotonic()

        def table(pid: int) -> Any:
            assert self.current
            if pid not in self.current.machine.processes:
                raise psutil.NoSuchProcess(pid)
            stopped = self.current.machine.processes[pid].stopped
            return SimpleNamespace(status=lambda: psutil.STATUS_STOPPED if stopped else psutil.STATUS_RUNNING)

        patch.setattr(time, "time", now)
        patch.setattr(time, "monotonic", monotonic)
        patch.setattr(time, "sleep", lambda s: self.current.sleep(s) if self.current else real.sleep(s))
        patch.setattr("optuna.storages._in_memory.datetime", SimpleNamespace(now=lambda: datetime.fromtimestamp(now())))
        patch.setattr(owners, "_process", lambda pid: self.current.owner)  # type: ignore[union-attr]
        patch.setattr(owners, "_ticks", lambda pid: self.current.machine.processes[pid].ticks)  # type: ignore[union-attr]
        patch.setattr(owners, "psutil", _Psutil(table))
        patch.setattr(leases, "_HEART", _Own(self, "heart"))
        patch.setattr(stopwatch, "_SEEN", _OwnSeen(self))
        patch.setattr(beginning, "note_whereabouts", lambda *where: None)  # there are no run folders


class _Psutil:
    """psutil, with another process table."""

    def __init__(self, table: Callable[[int], Any]) -> None:
        self.Process = table

    def __getattr__(self, name: str) -> Any:
        return getattr(psutil, name)


class _Own:
    """Stands for an object that each process has of its own."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self._world.current, self._name), name)


class _OwnSeen(MutableMapping[Any, Any]):
    """What the process that runs has seen."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def _own(self) -> dict[Any, Any]:
        assert self._world.current
        return self._world.current.seen

    def __getitem__(self, key: Any) -> Any:
        return self._own[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._own[key]

    def __iter__(self) -> Any:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)
