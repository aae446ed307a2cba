"""The journal file, kept readable: through power losses, kills in the middle of a write, and full disks.

Optuna reads a journal whose last line is cut off, but would append the next line to it: the two merge into one that
nobody can read, and a study with such a line inside does not open any more.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._storage import JournalOperation

from ...errors import StudyError
from .attributes import MOST, Attributes
from .lines import DamagedLine, Lines, NoLine, written
from .locks import journal_lock

JOURNAL = "journal.log"
_BEGINS = b'{"op_code":'
_BLOCK = 1 << 13
SYNC_S = 1.0
"""Seconds for which what a trial under way tells may stay in the system's memory, see `append_logs`."""
_UNDER_WAY = {
    JournalOperation.SET_TRIAL_PARAM,
    JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE,
    JournalOperation.SET_TRIAL_USER_ATTR,
    JournalOperation.SET_TRIAL_SYSTEM_ATTR,
}
"""What is told of trials that have not ended: Optuna refuses to change others."""


class JournalFile(JournalFileBackend):
    """Optuna's journal file, which cuts off a torn last line before it appends, and writes whole lines or nothing.

    Attributes:
        line: Number of the line that was read last, from 1.
    """

    def __init__(self, file_path: str) -> None:
        super().__init__(file_path, journal_lock(file_path))
        self._synced = -SYNC_S
        self._begin()

    def _begin(self) -> None:
        """Begin to read with the first line."""
        self.line: int = 0
        self._offset: int = 0
        self._lines, self._attributes = Lines(first=True), Attributes()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """What the lines from that number on say, which is counted from 0; a torn last line is left out.

        Raises:
            StudyError: A line is damaged, a study or trial has too many attributes, or the file cannot be read.
        """
        with self._failures("read"), open(self._file_path, "rb") as file:
            if log_number_from != self.line:  # Optuna asks for everything, or for what is new
                self._begin()
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                try:
                    log = self._lines.read(line)
                except DamagedLine as damaged:
                    if isinstance(damaged, NoLine) and not file.read(
                        1
                    ):  # the last one, which is cut off before the next is written
                        return
                    raise StudyError(beyond(self._file_path, self.line + 1, str(damaged))) from None
                if self._attributes.too_many(log):
                    raise StudyError(
                        f"line {self.line + 1} of {self._file_path!r} gives a study or trial more than {MOST:,} "
                        "attributes: lrsearch does not write so many, and cannot read them."
                    )
                self.line, self._offset = self.line + 1, self._offset + len(line)
                if self.line > log_number_from:
                    yield log

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append whole lines or nothing; raises `StudyError` if the disk is full.

        All is on the disk when this returns, but for parameters, reports and notes of trials under way, which are
        flushed once in `SYNC_S`: a kill takes nothing from them, and after a power cut their trial begins anew. The end
        of a trial flushes whatever was written before.
        """
        sync = any(log["op_code"] not in _UNDER_WAY for log in logs) or time.monotonic() - self._synced > SYNC_S
        with self._failures("written"), self._locked() as file:
            self._mend(file)
            _append(file, written(logs, _last_line(file, file.seek(0, os.SEEK_END))[1]), sync=sync)
        if sync:
            self._synced = time.monotonic()

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        """Turn what the system refuses into a `StudyError`."""
        try:
            yield
        except FileNotFoundError:
            raise StudyError(
                f"the journal {self._file_path!r} is gone: it was removed while it was used, and what it held is lost, "
                "unless it was moved; put back, the same command goes on, otherwise it begins anew."
            ) from None
        except OSError as error:
            raise StudyError(
                f"the journal {self._file_path!r} cannot be {done} ({error.strerror}): what it holds is whole; "
                "once that is mended, the same command goes on."
            ) from error

    def mend(self) -> int:
        """Cut off a torn last line; how many bytes it had."""
        with self._locked() as file:
            return self._mend(file)

    def _mend(self, file: IO[bytes]) -> int:
        """Cut off a torn last line, unless a plain Optuna script is just writing it; how many bytes it had."""
        file.seek(0)
        if not _BEGINS.startswith(file.read(len(_BEGINS)).rstrip(b"\0")):
            raise StudyError(f"{self._file_path!r} is not a journal of Optuna's: give the place of another --storage.")
        if _whole(file) == file.seek(0, os.SEEK_END):
            return 0
        optunas = JournalFileSymlinkLock(os.path.realpath(self._file_path))
        optunas.acquire()
        try:
            keep, size = _whole(file), file.seek(0, os.SEEK_END)
            file.truncate(keep)
        finally:
            optunas.release()
        return size - keep

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The open file, while no other process of lrsearch writes; whatever is written goes to its end.

        A plain Optuna script may write at any time: it has a lock of its own.
        """
        self._lock.acquire()
        try:
            with os.fdopen(os.open(self._file_path, os.O_RDWR | os.O_APPEND), "r+b", buffering=0) as file:
                yield file
        finally:
            self._lock.release()


def mend(where: str) -> str:
    """Cut off the torn last line of the journal at `where`; what was done in words, empty if nothing.

    Nothing is done to a URL's storage, or where there is no journal. Raises `StudyError` if it cannot be written.
    """
    if not _is_journal(where):
        return ""
    try:
        cut = JournalFile(where).mend()
    except OSError as error:
        raise StudyError(f"the journal {where!r} cannot be mended: {error.strerror}.") from None
    return f"{_torn(where, cut)} and was removed; everything before it is there." if cut else ""


def beyond(where: str, number: int, what: str) -> str:
    """What to tell a person of a journal's line that cannot be read, and of what is kept."""
    kept = f"head -n {number - 1} {shlex.quote(where)} > kept.log"
    return (
        f"line {number} of the journal {where!r} {what}. What stands before it is whole: to go on from there, run "
        f"{kept} and put that file in its place, or take one of your backups."
    )


def damage(where: str) -> str:
    """Whether the journal at `where` ends in a torn line, in words, empty if not; changes nothing."""
    if not _is_journal(where):
        return ""
    with open(where, "rb", buffering=0) as file:
        torn = file.seek(0, os.SEEK_END) - _whole(file)
    return f"{_torn(where, torn)} and is left out; everything before it is there." if torn else ""


def _torn(where: str, size: int) -> str:
    return f"the last line of {where} was cut off ({size} bytes, as after a power loss)"


def _is_journal(where: str) -> bool:
    return "://" not in where and os.path.isfile(where)


def _append(file: IO[bytes], data: bytes, *, sync: bool) -> None:
    before, rest = file.seek(0, os.SEEK_END), memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        if sync:
            os.fsync(file.fileno())
    except OSError:
        if file.seek(0, os.SEEK_END) == before + len(data) - len(rest):  # nobody else has written meanwhile
            file.truncate(before)
        raise


def _whole(file: IO[bytes]) -> int:
    """Bytes without the last line, if that is cut off or garbled."""
    end = file.seek(0, os.SEEK_END)
    start, line = _last_line(file, end)
    return end if line.endswith(b"\n") and _is_json(line) else start


def _last_line(file: IO[bytes], end: int) -> tuple[int, bytes]:
    """Where the last line before `end` begins, and the line; its own line break, if it has one, belongs to it."""
    tail, start = b"", end
    while start:
        size = min(_BLOCK, start)
        start -= size
        file.seek(start)
        tail = file.read(size) + tail
        at = tail.rfind(b"\n", 0, len(tail) - 1)
        if at >= 0:
            return start + at + 1, tail[at + 1 :]
    return 0, tail


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
