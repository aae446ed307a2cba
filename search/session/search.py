"""The search itself: opens the study, spends the budget, alone or together with other processes."""

from __future__ import annotations

import time
from dataclasses import replace
from tempfile import TemporaryDirectory

from ...errors import InputError
from ...objectives import resolve_device
from ..plan import Plan
from ..progress import Progress, Silent
from ..results.search import SearchResult
from ..storage.opening import failures
from ..storage.run_folder import make_folder, only_one
from .session import Session
from .shared import SharedSession


def search(plan: Plan, progress: Progress | None = None, begun: float | None = None) -> SearchResult:
    """Run a search, or resume the one of that name, until its budget is spent.

    Args:
        plan: What to do.
        progress: Who to tell.
        begun: ``time.time()`` from which a wall-clock budget counts; now by default.

    Returns:
        The whole study. Ctrl-C raises KeyboardInterrupt after the running trials were ended cleanly; the same plan
        resumes.

    Raises:
        InputError: Wrong use, found before the first trial.
        StudyError: The study belongs to other settings, is in use, or its storage cannot be reached.
    """
    begun = begun or time.time()
    if plan.jobs < 0:
        raise InputError(f"jobs must be at least 1 (0 chooses), got {plan.jobs}.")
    if not 0 <= plan.seed < 2**32:  # what NumPy takes
        raise InputError(f"seed must be from 0 to {2**32 - 1}, got {plan.seed}.")
    plan = replace(plan, device=resolve_device(plan.device))
    if plan.joins:
        with TemporaryDirectory(prefix="lrsearch-") as folder, failures(plan.where):
            return SharedSession(replace(plan, out=folder), begun, progress or Silent()).run()
    make_folder(plan.folder)
    session = SharedSession if plan.storage else Session
    with only_one(plan.folder), failures(plan.where):
        return session(plan, begun, progress or Silent()).run()
