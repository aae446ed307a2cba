"""Signals: a Ctrl-C that waits for the end of the epoch, a SIGTERM like it, and workers that end with their parent."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HURRY_S = 5.0
"""Seconds that running epochs get after SIGTERM."""
PARENT_CHECK_S = 0.5
"""Seconds between two checks of a worker whether its parent lives."""


class Interrupts:
    """What a person or the system has asked for.

    Attributes:
        asked: Whether the search is to stop.
        deadline: ``time.monotonic()`` at which it stops whatever runs.
    """

    asked = False
    deadline = math.inf


@contextmanager
def stop_file_on_interrupt(stop: Path, note: Callable[[str], None]) -> Iterator[Interrupts]:
    """Turn the first Ctrl-C into a file that workers see at their next epoch; the second one acts at once.

    SIGTERM, if it is passed on to the same handler, gives them `HURRY_S` seconds: clusters kill half a minute after it.
    """
    interrupts = Interrupts()

    def handle(number: int, frame: Any) -> None:
        if interrupts.asked:
            raise KeyboardInterrupt
        interrupts.asked = True
        stop.touch()
        if number == signal.SIGINT:
            note("stopping at the end of the running epochs; press Ctrl-C again to stop at once.")
        else:
            interrupts.deadline = time.monotonic() + HURRY_S

    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def sigterm_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, as clusters send it, act as Ctrl-C does at the time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: Any) -> None:
        then = signal.getsignal(signal.SIGINT)
        if not callable(then):  # Ctrl-C is ignored, as in what a script starts with "&"
            raise KeyboardInterrupt
        then(number, frame)

    before = on_sigterm(handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def on_sigterm(handle: Callable[[int, Any], None]) -> Any:
    """Handle SIGTERM in this process; those that it forks, such as a DataLoader's, end by it as ever.

    Returns:
        The handler before.
    """
    pid = os.getpid()

    def here(number: int, frame: Any) -> None:
        if os.getpid() == pid:
            handle(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    return signal.signal(signal.SIGTERM, here)


def end_with_parent(parent: int, last: Callable[[], object]) -> None:
    """Watch the parent process from a thread; when it has gone, call `last` and end this process.

    Without its parent it would go on training for nobody.
    """
    if os.getppid() != parent:  # gone while this one started: the thread below might let it begin something
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_S)
        threading.Timer(HURRY_S, os._exit, [1]).start()  # the storage may be gone as well
        try:
            last()
        finally:
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="lrsearch parent").start()
