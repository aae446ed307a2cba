"""One trial after another, in this process."""

from __future__ import annotations

from collections.abc import Callable

from optuna.study import Study

from ..budget.ledger import Allowance
from ..plan import Plan
from ..trial.run import Started, run_trial
from ..trial.settings import Terms
from .engine import Ended


def run_alone(
    study: Study, plan: Plan, terms: Terms, reserve: Callable[[], Allowance | None], started: Started | None
) -> Ended:
    """Run trials one after another; the first may go on with an objective under way."""
    while allowance := reserve():
        yield allowance, run_trial(study, plan.objective, terms, allowance, started=started)
        started = None
