"""The lock on a journal file: the operating system's, which is free the moment its holder dies."""

from __future__ import annotations

import os
from contextlib import suppress

from optuna.storages.journal import JournalFileOpenLock, JournalFileSymlinkLock

with suppress(ImportError):  # Windows has none
    import fcntl


class FlockLock(JournalFileOpenLock):
    """Holds ``flock`` on a file beside the journal.

    Optuna's own locks are files that a killed process leaves behind; everybody then waits half a minute for them.

    Args:
        path: The journal.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = f"{path}.flock"
        self._file = -1

    def acquire(self) -> bool:
        """Wait for the lock and take it; always true."""
        file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Give it back."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # closing is not enough while a forked child has the file open
        finally:
            os.close(self._file)


def held(path: str | os.PathLike[str]) -> bool:
    """Whether a lock that this process holds on a file keeps others out, as it does not on every network disk."""
    if "fcntl" not in globals():
        return True
    file = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def journal_lock(path: str) -> JournalFileOpenLock | JournalFileSymlinkLock:
    """The best lock that the system has for the journal at `path`, whichever links lead to it."""
    path = os.path.realpath(path)
    return FlockLock(path) if "fcntl" in globals() else JournalFileSymlinkLock(path)
