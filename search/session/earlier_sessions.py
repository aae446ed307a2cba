"""`Earlier`: what the sessions before this one have left of a search, and whether this one may go on from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study

from ...errors import InputError, StudyError
from ...spaces import changes
from ..budget.kinds import kind_of
from ..budget.pace import time_spent
from ..budget.shared import read_spending
from ..plan import Plan
from ..results.code_changes import HELPING, RESUMING, changed_code, check_code
from ..results.search import SearchResult
from ..results.trial import TrialRecord
from ..sampling.samplers import FIXED_RANGES
from ..storage.reading import load_result
from ..storage.run_time import noted_run_time


class Earlier:
    """A search as a session finds it; empty if the search is new.

    Args:
        storage: Where it lies.
        plan: What the session is to do.
        begun: ``time.monotonic()`` when the session began.
        running: Whether other processes work on the search now.

    Attributes:
        trials: The trials that are there.
        settled: Whether the search has settled, in the space that is to be searched now.
        ran: Seconds for which the search had run when the session began.
        spent: What of the budget was spent by then, as the budget counts.
    """

    def __init__(self, storage: BaseStorage, plan: Plan, begun: float, *, running: bool) -> None:
        self._plan = plan
        self._known: SearchResult | None = None
        with suppress(StudyError):
            self._known = load_result(storage, plan.study)
        self.trials: tuple[TrialRecord, ...] = self._known.trials if self._known else ()
        self._changes = changes(self._known.space, plan.space) if self._known else None
        self.settled = self._known is not None and self._known.settled > 0 and not any(self._changes or ())
        self.ran = self.spent = 0.0
        if self._known:
            study = optuna.load_study(study_name=plan.study, storage=storage)
            self.ran = self._run_time(study, begun, running=running)
            kind = kind_of(plan.budget, plan.epochs, plan.space.counting.every)
            self.spent = read_spending(study, kind).ended if kind.stored else self.ran

    def _run_time(self, study: Study, begun: float, *, running: bool) -> float:
        assert self._known is not None
        now = noted_run_time(study, running=running)
        if now is None:  # it was stored before run times were noted
            return time_spent(self._known)
        return now - (time.monotonic() - begun) if running else now

    def check_code(self, note: Callable[[str], None]) -> None:
        """Raise `StudyError` if the objective's code has changed since, unless that was accepted, which is noted."""
        if self._known is None:
            return
        if not self._plan.accept_changes:
            check_code(self._known, self._plan.sources, HELPING if self._plan.joins else RESUMING)
        elif changed := changed_code(self._known, self._plan.sources):
            note(f"Earlier trials ran other code; since then has changed: {', '.join(changed)}.")

    def wider(self, *, running: bool, spent: bool) -> tuple[str, ...]:
        """What the search space gets more of, in words.

        Args:
            running: Whether other processes work on the search.
            spent: Whether the budget is spent.

        Raises:
            InputError: The space can get nothing more now.
        """
        if self._changes is None or self._changes.refused:
            return ()  # what is refused is said when the study is opened
        wider = self._changes.wider
        if wider and self._plan.sampler in FIXED_RANGES:
            raise InputError(
                f"the sampler {self._plan.sampler} keeps to the ranges that a study began with: search a wider space "
                "with --sampler curve, or under another name with --study."
            )
        if wider and running:
            raise InputError("other processes search in the present space: give a wider one when they have ended.")
        if wider and spent:
            raise InputError("the budget is spent: to search the wider space, give a larger --budget with it.")
        return wider
