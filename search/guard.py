"""What keeps a run folder whole: one search at a time, and a Ctrl-C that waits for the epoch's end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import StudyError


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the run folder's lock; the system frees it when the process dies."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StudyError(
            f"another lrsearch is running in {str(folder)!r}: wait for it, or choose another name with --study."
        ) from None
    with lock:
        lock.release()  # the context manager holds it once more
        yield


@contextmanager
def stop_file_on_interrupt(stop: Path, note: Callable[[str], None]) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a file that workers see at their next epoch; the second one acts at once."""
    interrupted = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        stop.touch()
        note("stopping at the end of the running epochs; press Ctrl-C again to stop at once.")

    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
