"""Files that fail: of all calls that touch files below a folder, one raises what a broken disk does."""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lrsearch

BY_PATH = ("replace", "rename", "unlink", "mkdir")
PACKAGE = os.path.dirname(str(lrsearch.__file__)) + os.sep
DEPTH = 4
"""How many of the lines that a call is made through tell it from others."""
TESTS = os.path.dirname(__file__) + os.sep


class Calls:
    """Counts the calls, and lets one of them fail.

    Args:
        folder: Only files below it count.
        fails: Which call fails, from 0; None for none.

    Attributes:
        sites: Of each call, what it was and which lines of lrsearch made it, the innermost first.
    """

    def __init__(self, folder: Path, fails: int | None) -> None:
        self.folder, self.fails = os.path.realpath(folder), fails
        self.sites: list[tuple[str, ...]] = []

    def count(self, kind: str, where: Any) -> bool:
        """Count a call on a path or an open file; whether it fails."""
        if isinstance(where, int):
            where = os.readlink(f"/proc/self/fd/{where}")
        if not os.path.abspath(os.fspath(where)).startswith(self.folder):
            return False
        frame: Any = sys._getframe(1)
        ours = []
        while frame := frame.f_back:
            name = frame.f_code.co_filename
            if name.startswith(PACKAGE) and not name.startswith((TESTS, f"{PACKAGE}.venv")):
                ours.append(f"{os.path.basename(name)}:{frame.f_lineno}")
        self.sites.append((kind, *ours[:DEPTH]))
        return len(self.sites) - 1 == self.fails

    def check(self, kind: str, where: Any) -> None:
        """Raise if this call fails."""
        if self.count(kind, where):
            raise self.error(where)

    def error(self, where: Any) -> OSError:
        """What a call raises that fails."""
        return OSError(errno.EIO, os.strerror(errno.EIO), where if isinstance(where, str) else None)


class File:
    """An open file whose writing may fail half-way."""

    def __init__(self, file: Any, calls: Calls) -> None:
        self._file, self._calls = file, calls

    def write(self, data: Any) -> int:
        """Write; a call that fails has written half of it."""
        if self._calls.count("write", self._file.fileno()):
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            raise self._calls.error(None)
        return int(self._file.write(data))

    def truncate(self, size: int) -> int:
        """Cut off what stands behind."""
        self._calls.check("truncate", self._file.fileno())
        return int(self._file.truncate(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


@contextmanager
def failing(folder: Path, fails: int | None) -> Iterator[Calls]:
    """Let one call fail in the block; see `Calls`."""
    calls = Calls(folder, fails)

    def by_path(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **how: Any) -> Any:
            calls.check(name, path)
            return real(path, *args, **how)

        return call

    def opens(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **how: Any) -> Any:
            if not isinstance(path, int):
                calls.check("open", path)
            file = real(path, *args, **how)
            inside = os.path.realpath(f"/proc/self/fd/{file.fileno()}").startswith(calls.folder)
            return File(file, calls) if inside else file

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in BY_PATH:
            patch.setattr(os, name, by_path(name, getattr(os, name)))
        patch.setattr(os, "open", by_path("open", os.open))
        patch.setattr(os, "fsync", by_path("fsync", os.fsync))
        unlock, lock = fcntl.flock, by_path("flock", fcntl.flock)
        patch.setattr(fcntl, "flock", lambda file, how: (unlock if how == fcntl.LOCK_UN else lock)(file, how))
        patch.setattr(os, "fdopen", opens(os.fdopen))
        patch.setattr(io, "open", opens(io.open))
        patch.setattr(builtins, "open", opens(builtins.open))
        yield calls
