"""Run one command, and end it with everything that it has started: as it ends, when told to, or when the search dies.

Started as a script of its own, with Python's standard library alone, so that it takes milliseconds. Its standard input
is a pipe from the search: once that is closed, or closes because the search was killed, all processes end. What the
command starts stays below this process, also in sessions of its own, as torchrun's workers are (on Linux: orphans are
adopted). Standard output says how the command ended.

    python -I -S supervisor.py PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # the same without the enumerations that `signal` makes of its numbers, in 5 ms

TERM_S = 3.0
"""Seconds from asking processes to end until they are killed."""
KILL_S = 10.0
"""Seconds that killed processes may take to vanish: one that waits for a disk does not die at once."""
ADOPT_ORPHANS, DIE_WITH_PARENT = 36, 1
"""PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG of Linux's prctl."""


def main(command: list[str]) -> None:
    """Run the command until it ends, the search closes its pipe, or a signal asks this process to end."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: None)
    _prctl(ADOPT_ORPHANS, 1)
    try:
        pid = _start(command)
    except OSError as error:
        _say(f"unstarted {error.strerror}")
        return
    _say(f"pid {pid}")
    status = _watch(pid, woken)
    ended = _end_all(pid)
    _say(f"ended {ended.get(pid, -signal.SIGKILL) if status is None else status}")


def _start(command: list[str]) -> int:
    """Start the command in a session of its own; returns its process id. `subprocess` would take longer to import."""
    told, tell = os.pipe()  # closed by a program that starts
    if not (pid := os.fork()):
        try:
            os.setsid()
            _prctl(DIE_WITH_PARENT, signal.SIGKILL)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and so would the program
                signal.signal(number, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            os.execvp(command[0], command)
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(tell)
    if fault := os.read(told, 16):
        os.waitpid(pid, 0)
        raise OSError(int(fault), os.strerror(int(fault)))
    os.close(told)
    return pid


def _watch(pid: int, woken: int) -> int | None:
    """How the command ended, as `subprocess` says it; None if it is to be ended."""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        asked = 0 in ready
        if woken in ready:
            asked = asked or bool(set(os.read(woken, 512)) - {signal.SIGCHLD})
        if (status := _reap().get(pid)) is not None:
            return status
        if asked:
            return None


def _reap() -> dict[int, int]:
    """How the children that have ended by now did, by process id."""
    codes: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes
        if not pid:
            return codes
        codes[pid] = os.waitstatus_to_exitcode(status)


def _end_all(pid: int) -> dict[int, int]:
    """End every process below this one; returns how its children ended."""
    ended = _reap()
    begun = time.monotonic()
    asked: set[int] = set()
    while (left := _below(os.getpid())) and time.monotonic() < begun + TERM_S + KILL_S:
        late = time.monotonic() >= begun + TERM_S
        for process in left if late else left - asked:
            _signal(process, signal.SIGKILL if late else signal.SIGTERM)
        asked |= left
        time.sleep(0.01)
        ended |= _reap()
    if sys.platform != "linux":  # what has left the tree is at least in the command's group
        _signal(-pid, signal.SIGKILL)
    return ended | _reap()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)
    except OSError:  # it may have ended
        return


def _below(root: int) -> set[int]:
    """The process ids of all descendants that have not ended."""
    children: dict[int, list[int]] = {}
    if sys.platform == "linux" and root == os.getpid() and not _has_children():
        return set()
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    pids: set[int] = set()
    todo = [root]
    while todo:
        new = children.get(todo.pop(), [])
        pids.update(new)
        todo.extend(new)
    return pids


def _has_children() -> bool:
    """Whether a child of this process has not been waited for, an orphan that became its child, too; on Linux."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _processes() -> list[tuple[int, int]]:
    """Process id and parent's id of all processes that have not ended."""
    if sys.platform != "linux":
        import subprocess

        listed = subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,state="], stdout=subprocess.PIPE, text=True)
        rows = [line.split() for line in listed.communicate()[0].splitlines()]
        return [(int(r[0]), int(r[1])) for r in rows if int(r[0]) != listed.pid and not r[2].startswith("Z")]
    pairs = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:  # it has just ended
                continue
            if state not in "ZX":
                pairs.append((int(name), int(parent)))
    return pairs


def _prctl(option: int, value: int) -> None:
    """Ask Linux for something; elsewhere there is nothing like it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _say(text: str) -> None:
    try:
        os.write(1, text.encode() + b"\n")
    except OSError:  # the search may have gone
        return


if __name__ == "__main__":
    main(sys.argv[1:])
