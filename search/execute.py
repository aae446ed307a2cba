"""Running a study's trials with an engine: one after another, in lanes of one batched model, or in processes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from optuna.study import Study

from ..errors import StudyError
from ..objectives import TensorObjective
from .engines import Engine
from .records import TrialRecord
from .trial import Started, Terms, Watch, run_trial
from .workers import run_processes

if TYPE_CHECKING:
    from .plan import Plan

Ended = Generator[tuple[int, TrialRecord], None, None]
"""The epochs granted and the record of each trial as it ends."""


def run_trials(
    study: Study,
    plan: Plan,
    terms: Terms,
    engine: Engine,
    allot: Callable[[], int],
    note: Callable[[str], None],
    started: Started | None = None,
) -> Ended:
    """Run trials of `study` as long as `allot` grants epochs, yielding each as it ends; close it to stop.

    Args:
        study: The study to ask.
        plan: The search it belongs to.
        terms: What all trials share.
        engine: What runs them.
        allot: Epochs that the next trial may use; 0 for no more trials.
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


def _run_alone(study: Study, plan: Plan, terms: Terms, allot: Callable[[], int], started: Started | None) -> Ended:
    while epochs := allot():
        yield epochs, run_trial(study, plan.objective, terms, epochs=epochs, started=started)
        started = None


def _run_lanes(study: Study, objective: TensorObjective, terms: Terms, lanes: int, allot: Callable[[], int]) -> Ended:
    """A lane that comes free takes the next trial; if training fails, the trials under way are queued again."""
    from ..objectives.lanes import Lanes

    pool = Lanes(objective.recipe(), objective.data(terms.device), terms.device, lanes)
    watches: dict[int, Watch] = {}
    try:
        while True:
            while pool.room and (epochs := allot()):
                lane = min(set(range(lanes)) - {w.worker for w in watches.values()})
                watch = Watch(study, objective, terms, epochs, worker=lane)
                watches[watch.trial.number] = watch
                pool.put(watch.trial.number, watch.schedule, seed=terms.seed, epochs=terms.epochs)
            if not watches:
                return
            for number, measurement in pool.run_epoch().items():
                watch = watches[number]
                if record := watch.see(measurement):
                    pool.drop(number)
                    del watches[number]
                    yield watch.epochs, record
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise StudyError(f"training in lanes failed ({reason}): try --engine single.") from error
    finally:
        for watch in watches.values():
            watch.interrupt("stopped with the other lanes")
