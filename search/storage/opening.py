"""Storage opened: a journal file or a database, and its failures in words."""

from __future__ import annotations

import logging
import random
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from ...errors import StudyError
from .journal import JournalFile, beyond
from .passwords import ambiguous, redact, scrub

BUSY_S = 120.0
"""Seconds for which SQLite waits while other processes write; its own 5 are too few for eight of them."""
ATTEMPTS = 5
"""Tries to open a database whose tables another process makes meanwhile."""
RACED = ("IntegrityError", "ProgrammingError")
"""SQLAlchemy's words for a table that is there already."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_storage(where: str) -> BaseStorage:
    """The storage at `where`: a URL as Optuna takes them, or the path of a journal file.

    Raises:
        StudyError: It cannot be reached or written.
    """
    if ambiguous(where):
        raise StudyError(f"the storage {redact(where)!r} cannot be opened: write an @ in the password as %40.")
    for attempt in range(ATTEMPTS):
        try:
            return _journal(where) if "://" not in where else _database(where)
        except StudyError:
            raise
        except Exception as error:  # each database driver raises its own
            raced = type(error).__name__ in RACED or "already exists" in str(error)
            if raced and attempt < ATTEMPTS - 1:  # several processes made the tables of a fresh database at once
                time.sleep(random.uniform(0.1, 1))
                continue
            raise StudyError(f"the storage {redact(where)!r} cannot be opened: {reason(error, where)}") from None
    raise AssertionError


def _journal(where: str) -> BaseStorage:
    journal = JournalFile(where)
    try:
        return JournalStorage(journal)
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        AssertionError,
        ArithmeticError,
    ):  # what Optuna makes of it
        raise StudyError(beyond(where, journal.line, "is not what Optuna writes")) from None


class _Database(RDBStorage):
    """Optuna's storage, which leaves no connection behind if it cannot be opened."""

    def __init__(self, url: str, engine_kwargs: dict[str, Any]) -> None:
        try:
            super().__init__(url, engine_kwargs)
        except Exception:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise


def _database(url: str) -> BaseStorage:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sqlite = url.startswith("sqlite")  # a server may end connections that idle while a trial trains: ask before use
    database = _Database(url, {"connect_args": {"timeout": BUSY_S}} if sqlite else {"pool_pre_ping": True})
    weakref.finalize(database, database.engine.dispose)  # or the server keeps idle connections
    return optuna.storages.get_storage(database)


@contextmanager
def failures(where: str) -> Iterator[None]:
    """Turn what a database raises while it is used, e.g. when it goes away, into a `StudyError`."""
    try:
        yield
    except _database_errors(where) as error:
        raise StudyError(
            f"the storage {redact(where)!r} failed: {reason(error, where)}. "
            "What it holds is kept; once it is back, the same command goes on."
        ) from None


def _database_errors(where: str) -> tuple[type[Exception], ...]:
    """What a storage raises when it fails; a journal needs no SQLAlchemy, whose import takes a while."""
    if "://" not in where:
        return (StorageInternalError,)
    from sqlalchemy.exc import SQLAlchemyError

    return StorageInternalError, SQLAlchemyError


def reason(error: BaseException, where: str) -> str:
    """What went wrong with the storage at `where` in a line, without a password."""
    lines = scrub(str(_first(error)), where).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _first(error: BaseException) -> BaseException:
    """What went wrong first: a database that has refused something refuses what follows it, too."""
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) and before not in chain:
        chain.append(before)
    said = [e for e in chain if type(e).__module__.startswith("sqlalchemy")]
    return said[-1] if said else error.__cause__ or error
