"""The run that a trial in this process trains: `lrsearch.scheduler` finds it without being given it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .run import Run

_RUNS: list[Run] = []


def current_run() -> Run | None:
    """The run under way in this process, if any."""
    return _RUNS[-1] if _RUNS else None


@contextmanager
def as_current(run: Run) -> Iterator[None]:
    """Make a run the one under way, while its job's code runs."""
    _RUNS.append(run)
    try:
        yield
    finally:
        _RUNS.remove(run)
