"""Many trials at once, as lanes of one batched model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from optuna.study import Study

from ...errors import StudyError
from ...objectives import TensorObjective
from ..budget.ledger import Allowance
from ..results.trial import TrialRecord
from ..storage.leases import lease
from ..trial.running import RunningTrial, begin_trial
from ..trial.settings import Terms
from .engine import Ended, Engine


def run_lanes(
    study: Study, objective: TensorObjective, terms: Terms, engine: Engine, reserve: Callable[[], Allowance | None]
) -> Ended:
    """A lane that comes free takes the next trial; if training fails, the trials under way are queued again."""
    from ...objectives.lanes import Lanes

    pool = Lanes(objective.recipe(), objective.data(terms.device), terms.device, engine.width, graph=engine.graph)
    running: dict[int, RunningTrial] = {}
    reserved: dict[int, Allowance] = {}
    try:
        while True:
            while pool.room and (allowance := reserve()):
                lane = min(set(range(engine.width)) - {t.worker for t in running.values()})
                begun = begin_trial(study, objective, terms, allowance, worker=lane)
                if isinstance(begun, TrialRecord):
                    yield allowance, begun
                    continue
                number = begun.trial.number
                running[number], reserved[number] = begun, allowance
                pool.put(number, begun.schedule, seed=begun.seed, epochs=terms.epochs, test=terms.test)
            if not running:
                return
            for number, measurement in pool.run_epoch().items():
                if record := running[number].see(measurement):
                    pool.drop(number)
                    del running[number]
                    yield reserved.pop(number), record
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise StudyError(f"training in lanes failed ({reason}): try --engine single.") from error
    finally:
        with ExitStack() as leases:
            for trial in running.values():
                leases.enter_context(lease(study, trial.trial))
            for trial in running.values():
                trial.interrupt("stopped with the other lanes")
