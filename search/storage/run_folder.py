"""The run folder: its name, that it can be written, and that one search at a time uses it."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import InputError, StudyError
from .locks import held

LOCK = ".lock"


def folder_name(study: str) -> str:
    """The study's name as a folder name: anything unusual becomes a dash."""
    return re.sub(r"[^\w.-]+", "-", study).strip("-.") or "study"


@contextmanager
def run_folder(folder: Path) -> Iterator[None]:
    """Hold a run folder that is made if it is new, and removed again if nothing was stored in it.

    Raises:
        InputError: It cannot be written.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]  # the innermost first
    _make(folder)
    try:
        yield
    finally:
        if new:
            with suppress(OSError):  # somebody else has removed it, or uses it by now
                _remove_empty(new)


def _remove_empty(folders: list[Path]) -> None:
    """Remove a run folder in which nothing was stored, and those above it that hold nothing else."""
    if not any(path.name != LOCK and path.stat().st_size for path in folders[0].iterdir()):
        shutil.rmtree(folders[0])
        for folder in folders[1:]:
            folder.rmdir()


def _make(folder: Path) -> None:
    """Create the run folder; raises `InputError` if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable(folder, error) from None


def unwritable(folder: Path, error: OSError) -> InputError:
    """What to tell a person whose run folder cannot be written."""
    return InputError(
        f"the run folder {str(folder)!r} cannot be written ({error.strerror}): pass --out DIR with a folder that can."
    )


def put_aside(folder: Path) -> Path | None:
    """Rename a run folder to NAME-1, or the first such name that is free; returns it, None if there was no folder.

    Raises:
        InputError: It cannot be renamed.
        StudyError: A search is using it.
    """
    if not folder.exists():
        return None
    with only_one(folder):
        pass
    free = next(f for n in itertools.count(1) if not (f := folder.with_name(f"{folder.name}-{n}")).exists())
    try:
        return folder.rename(free)
    except OSError as error:
        raise InputError(
            f"the run folder {str(folder)!r} cannot be renamed ({error.strerror}): choose another name with --study."
        ) from None


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the run folder's lock; the system frees it when the process dies.

    Raises:
        StudyError: Another process holds it, or locks do not work there.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StudyError(
            f"another lrsearch is running in {str(folder)!r}: wait for it, or choose another name with --study."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise _no_locks(folder, getattr(error, "strerror", "") or str(error)) from None
    with lock:
        lock.release()  # the context manager holds it once more
        try:
            alone = held(folder / LOCK)
        except OSError as error:
            raise _no_locks(folder, str(error.strerror)) from None
        if not alone:
            raise _no_locks(folder, "two processes can hold one at a time")
        yield


def _no_locks(folder: Path, why: str) -> StudyError:
    return StudyError(
        f"files cannot be locked in {str(folder)!r} ({why}), as on some network disks, and two searches at once would "
        "spoil the study: pass --out DIR on a disk of this machine, or --storage URL of a database."
    )
