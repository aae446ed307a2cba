"""Errors that a user can mend: each message says the rule, the value and the remedy.

    LrsearchError                 the base: ``except lrsearch.LrsearchError`` catches them all
    ├── InputError                wrong use: an unknown name, a bad value, a file that does not parse
    │   ├── ObjectiveError        the user's own objective breaks the contract
    │   └── DataError             a dataset is not where it was looked for
    ├── StudyError                a study cannot be opened, or belongs to other settings
    └── MissingPartError          an optional package is not installed

Beside them, `Interrupted` is a KeyboardInterrupt that has with it what a search has found so far.

The command line turns `InputError` into exit code 2 and the others into 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class LrsearchError(Exception):
    """Base of every error lrsearch raises on purpose."""


class InputError(LrsearchError, ValueError):
    """Wrong use; the message says how to mend it."""


class ObjectiveError(InputError):
    """The user's objective cannot be loaded or breaks the contract of `Objective`."""


class DataError(InputError):
    """A dataset is missing or unreadable."""


class StudyError(LrsearchError):
    """A study cannot be opened, or was made with other settings."""


class MissingPartError(LrsearchError):
    """An optional package is needed and not installed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a search: `result` is what there is, a `SearchResult`; None if it could not be read."""

    def __init__(self, result: Any) -> None:
        super().__init__("interrupted")
        self.result = result


def unknown(kind: str, name: str, known: Iterable[str], error: type[InputError] = InputError) -> InputError:
    """The error for a name that is not registered: it lists the names and the closest one."""
    names = list(known)
    close = closest(name, names, cutoff=0.5)
    hint = f" Did you mean {close!r}?" if close else ""
    return error(f"unknown {kind} {name!r}.{hint} Choose from: {', '.join(names)}.")


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name that is most like a wrong one; None if none is by at least `cutoff`, of 1 for the same."""
    from difflib import get_close_matches  # needed only where something is wrong

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)
