"""Trials run with whichever engine was chosen."""

from __future__ import annotations

from collections.abc import Callable

from optuna.study import Study

from ...objectives import TensorObjective
from ..budget.ledger import Allowance
from ..plan import Plan
from ..trial.run import Started
from ..trial.settings import Terms
from .engine import Ended, Engine
from .lanes import run_lanes
from .processes import run_processes
from .single import run_alone


def run_trials(
    study: Study,
    plan: Plan,
    terms: Terms,
    engine: Engine,
    reserve: Callable[[], Allowance | None],
    note: Callable[[str], None],
    started: Started | None = None,
) -> Ended:
    """Run trials of `study` as long as `reserve` gives an allowance, yielding each as it ends; close it to stop.

    Args:
        study: The study to ask.
        plan: The search it belongs to.
        terms: What all trials share.
        engine: What runs them.
        reserve: What the next trial may use; None for no more trials.
        note: Tells a person something in a line.
        started: An objective under way, for the first trial alone.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once the running trials were ended and queued again.
        StudyError: Training in lanes failed.
    """
    if engine.name == "processes":
        return run_processes(study, plan, terms, engine.width, reserve, note)
    if engine.name == "lanes" and not (plan.resplit and terms.test):  # lanes share their data
        assert isinstance(plan.objective, TensorObjective)
        return run_lanes(study, plan.objective, terms, engine, reserve)
    return run_alone(study, plan, terms, reserve, started)
