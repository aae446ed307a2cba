"""Running a study's trials with an engine: one after another, in lanes of one batched model, or in processes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from optuna.study import Study

from ...errors import StudyError
from ...objectives import TensorObjective
from ..budget.ledger import Grant
from ..results.search import TrialRecord
from ..trial.run import Started, run_trial
from ..trial.running import Terms, Watch
from .choice import Engine
from .processes import run_processes

if TYPE_CHECKING:
    from ..plan import Plan

Ended = Generator[tuple[Grant, TrialRecord], None, None]
"""What was granted and the record of each trial as it ends."""


def run_trials(
    study: Study,
    plan: Plan,
    terms: Terms,
    engine: Engine,
    allot: Callable[[], Grant | None],
    note: Callable[[str], None],
    started: Started | None = None,
) -> Ended:
    """Run trials of `study` as long as `allot` grants any, yielding each as it ends; close it to stop.

    Args:
        study: The study to ask.
        plan: The search it belongs to.
        terms: What all trials share.
        engine: What runs them.
        allot: What the next trial may use; None for no more trials.
        note: Tells a person something in a line.
        started: An objective under way, for the first trial alone.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once the running trials were ended and queued again.
        StudyError: Training in lanes failed.
    """
    if engine.name == "processes":
        return run_processes(study, plan, terms, engine.width, allot, note)
    if engine.name == "lanes":
        assert isinstance(plan.objective, TensorObjective)
        return _run_lanes(study, plan.objective, terms, engine.width, allot)
    return _run_alone(study, plan, terms, allot, started)


def _run_alone(
    study: Study, plan: Plan, terms: Terms, allot: Callable[[], Grant | None], started: Started | None
) -> Ended:
    while grant := allot():
        yield grant, run_trial(study, plan.objective, terms, grant, started=started)
        started = None


def _run_lanes(
    study: Study, objective: TensorObjective, terms: Terms, lanes: int, allot: Callable[[], Grant | None]
) -> Ended:
    """A lane that comes free takes the next trial; if training fails, the trials under way are queued again."""
    from ...objectives.lanes import Lanes

    pool = Lanes(objective.recipe(), objective.data(terms.device), terms.device, lanes)
    watches: dict[int, Watch] = {}
    try:
        while True:
            while pool.room and (grant := allot()):
                lane = min(set(range(lanes)) - {w.worker for w in watches.values()})
                watch = Watch(study, objective, terms, grant, worker=lane)
                if watch.withdrawn:
                    yield grant, watch.withdrawn
                    continue
                watches[watch.trial.number] = watch
                number, seed = watch.trial.number, watch.seed
                pool.put(number, watch.schedule, seed=seed, epochs=terms.epochs, test=terms.test)
            if not watches:
                return
            for number, measurement in pool.run_epoch().items():
                watch = watches[number]
                if record := watch.see(measurement):
                    pool.drop(number)
                    del watches[number]
                    yield watch.grant, record
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise StudyError(f"training in lanes failed ({reason}): try --engine single.") from error
    finally:
        for watch in watches.values():
            watch.interrupt("stopped with the other lanes")
