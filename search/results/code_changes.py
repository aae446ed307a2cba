"""Whether the code of a search's objective is still the one that its trials ran."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import StudyError
from ..notes.study import SessionNotes
from .search import SearchResult

RESUMING = (
    "Its trials ran the old code. Start anew with --fresh, which keeps the old run under another name, "
    "or go on with both codes in one study with --accept-changes."
)
HELPING = "Bring the same code here as where the search was begun."
LONGER = "Longer trainings can be compared with those of the same code only."


def changed_code(known: SearchResult, sources: Mapping[str, str]) -> list[str]:
    """The files or functions that differ from those of the last session whose code is known; none if it is not.

    Args:
        known: The search.
        sources: The objective's code now, as fingerprints by name; empty if it is not known.
    """
    noted = _noted(known)
    if not noted or not sources or sources == known.accepted:
        return []
    return _differing(noted[-1], sources)


def check_code(known: SearchResult, sources: Mapping[str, str], remedy: str) -> None:
    """Raise `StudyError`, which ends with `remedy`, if the code has changed."""
    if changed := changed_code(known, sources):
        raise StudyError(
            f"the code has changed since the study {known.name!r} was last trained: {', '.join(changed)}. {remedy}"
        )


def changed_between(known: SearchResult) -> list[str]:
    """The files or functions that differ between two sessions of the search, so that its trials ran both."""
    noted = _noted(known)
    return sorted({name for later in noted for name in _differing(noted[0], later)})


def _noted(known: SearchResult) -> list[Mapping[str, str]]:
    return [sources for session in known.sessions if (sources := SessionNotes.read(session).sources)]


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
