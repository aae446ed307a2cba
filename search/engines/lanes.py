"""Many trials at once, as lanes of one batched model."""

from __future__ import annotations

from collections.abc import Callable

from optuna.study import Study

from ...errors import StudyError
from ...objectives import TensorObjective
from ..budget.ledger import Allowance
from ..trial.running import Watch
from ..trial.settings import Terms
from .engine import Ended, Engine


def run_lanes(
    study: Study, objective: TensorObjective, terms: Terms, engine: Engine, reserve: Callable[[], Allowance | None]
) -> Ended:
    """A lane that comes free takes the next trial; if training fails, the trials under way are queued again."""
    from ...objectives.lanes import Lanes

    lanes = engine.width
    pool = Lanes(objective.recipe(), objective.data(terms.device), terms.device, lanes, graph=engine.graph)
    watches: dict[int, Watch] = {}
    reserved: dict[int, Allowance] = {}
    try:
        while True:
            while pool.room and (allowance := reserve()):
                lane = min(set(range(lanes)) - {w.worker for w in watches.values()})
                watch = Watch(study, objective, terms, allowance, worker=lane)
                if watch.withdrawn:
                    yield allowance, watch.withdrawn
                    continue
                watches[watch.trial.number], reserved[watch.trial.number] = watch, allowance
                number, seed = watch.trial.number, watch.seed
                pool.put(number, watch.schedule, seed=seed, epochs=terms.epochs, test=terms.test)
            if not watches:
                return
            for number, measurement in pool.run_epoch().items():
                watch = watches[number]
                if record := watch.see(measurement):
                    pool.drop(number)
                    del watches[number]
                    yield reserved.pop(number), record
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise StudyError(f"training in lanes failed ({reason}): try --engine single.") from error
    finally:
        for watch in watches.values():
            watch.interrupt("stopped with the other lanes")
