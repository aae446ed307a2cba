"""The search itself: opens the study, spends the budget, alone or together with other processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from tempfile import TemporaryDirectory

from ...objectives import resolve_device
from ..plan import Plan
from ..progress import Progress, Silent
from ..results.probe import Probe
from ..results.search import SearchResult
from ..storage.access import Access, open_access
from ..storage.members import Alone, Members
from ..storage.studies import CONFIRMATION, PROBE
from .runner import OwnRunner
from .session import Session


def search(plan: Plan, progress: Progress | None = None, begun: float | None = None) -> SearchResult:
    """Run a search, or resume the one of that name, until its budget is spent.

    Args:
        plan: What to do.
        progress: Who to tell.
        begun: ``time.monotonic()`` from which a wall-clock budget counts; now by default.

    Returns:
        The whole study. Ctrl-C raises KeyboardInterrupt after the running trials were ended cleanly; the same plan
        resumes.

    Raises:
        InputError: Wrong use, found before the first trial.
        StudyError: The study belongs to other settings, is in use, or its storage cannot be reached.
    """
    begun = begun or time.monotonic()
    plan = replace(plan, device=resolve_device(plan.device))
    progress = progress or Silent()
    with opened(plan, progress) as (plan, access):
        members = Members(access.storage, plan.study) if plan.storage else Alone()
        return Session(plan, access, members, OwnRunner(progress.note), begun, progress).run()


def find_rates(plan: Plan, progress: Progress) -> Probe:
    """Probe alone, without a search.

    Args:
        plan: What to probe; its budget does not count.
        progress: Who to tell.

    Raises:
        InputError: Wrong use, or the objective fails.
        StudyError: Runs fail.
    """
    plan = replace(plan, device=resolve_device(plan.device))
    with opened(plan, progress) as (plan, access):
        return Session(plan, access, Alone(), OwnRunner(progress.note), time.time(), progress).probe()


@contextmanager
def opened(plan: Plan, progress: Progress) -> Iterator[tuple[Plan, Access]]:
    """The storage of a search, and the plan with the run folder to use: one of its own for a process that joins."""
    studies = (plan.study, plan.study + CONFIRMATION, plan.study + PROBE)
    with TemporaryDirectory(prefix="lrsearch-") if plan.joins else nullcontext(plan.out) as out:
        plan = replace(plan, out=out)
        with open_access(plan.where, plan.folder, studies, progress.note, shared=plan.storage is not None) as access:
            yield plan, access
