"""One trial after another, in this process."""

from __future__ import annotations

from collections.abc import Callable

from optuna.study import Study

from ..budget.ledger import Grant
from ..plan import Plan
from ..trial.run import Started, run_trial
from ..trial.settings import Terms
from .engine import Ended


def run_alone(
    study: Study, plan: Plan, terms: Terms, allot: Callable[[], Grant | None], started: Started | None
) -> Ended:
    """Run trials one after another as long as `allot` grants any; the first may go on with an objective under way."""
    while grant := allot():
        yield grant, run_trial(study, plan.objective, terms, grant, started=started)
        started = None
