"""A command's processes, seen from the search: started under a supervisor, and ended with all that they started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import IO

from ...errors import ObjectiveError
from . import supervisor
from .wire import TRIAL

END_S = supervisor.TERM_S + supervisor.KILL_S + 1
"""Seconds that the supervisor may take to end everything."""
STARTS_WITHIN_S = 1.0
"""Seconds for which a process without an environment is watched: when it has just started it has none."""
KERNEL = 2
"""Linux' parent of the kernel's threads, which have none at any time."""


class Process:
    """A command under way, with all that it starts.

    Args:
        command: The program and its arguments.
        env: Its environment.
        log: Where its standard output and standard error go.

    Attributes:
        status: How it ended, negative for a signal; None while it runs.
        news: A file descriptor that can be read once it has ended.

    Raises:
        ObjectiveError: The program cannot be started.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> None:
        self.status: int | None = None
        self._env, self._said = env, b""
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=env,
            start_new_session=True,  # Ctrl-C is for the search, which then ends the command
        )
        assert self._supervisor.stdout is not None
        self.news = self._supervisor.stdout.fileno()
        self._read()
        if self._said.startswith(b"unstarted"):
            self.end()
            reason = self._said.decode().removeprefix("unstarted").strip()
            raise ObjectiveError(f"the program {command[0]!r} cannot be started: {reason}.")

    def look(self) -> int | None:
        """Read what there is to read of `news`; returns `status`."""
        if self.status is None:
            self._read()
            last = self._said.splitlines()[-1] if self._said else b""
            if last.startswith(b"ended"):
                self.status = int(last.split()[1])
        return self.status

    def end(self) -> None:
        """End all its processes, if it has not ended; waits until they are gone."""
        with suppress(OSError):
            assert self._supervisor.stdin is not None
            self._supervisor.stdin.close()
        try:
            self._supervisor.wait(END_S)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        with suppress(OSError):
            assert self._supervisor.stdout is not None
            self._supervisor.stdout.close()
        if self._supervisor.returncode:
            self._end_strays()

    def _read(self) -> None:
        printed = os.read(self.news, 4096)
        self._said += printed
        if not printed and self.status is None:  # the supervisor itself was killed
            self.status = -9
            self._end_strays()

    def _end_strays(self) -> None:
        """End what a killed supervisor has left behind: processes whose environment names this trial."""
        import psutil

        mark, begun = self._env[TRIAL], time.monotonic()
        while (now := time.monotonic()) < begun + END_S:
            named = {p: _trial_of(p) for p in psutil.process_iter() if p.pid != os.getpid()}
            strays = [p for p, trial in named.items() if trial == mark]
            if not strays and (None not in named.values() or now > begun + STARTS_WITHIN_S):
                return
            for stray in strays:
                with suppress(psutil.Error):
                    stray.kill()
            time.sleep(0.01)


def _trial_of(process: object) -> str | None:
    """The trial that a process's environment names, else ""; None if it is just starting and has none yet."""
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        if variables := process.environ():  # a zombie has none
            return str(variables.get(TRIAL, ""))
        ended_or_kernels = process.status() == psutil.STATUS_ZOMBIE or KERNEL in (process.pid, process.ppid())
        return "" if ended_or_kernels else None
    except (psutil.Error, OSError):
        return ""


def how_it_ended(status: int) -> str:
    """A process's end in words, e.g. ``ended with exit code 1`` or ``was killed by SIGKILL``."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}" + (", for want of memory perhaps" if name == "SIGKILL" else "")


def open_log(path: Path) -> IO[bytes]:
    """A file for a command's output, made with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "ab", buffering=0)
