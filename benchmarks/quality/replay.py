"""Studies replayed on a recorded table: proposals are its schedules, losses are looked up."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from lrsearch import CurvePruner
from lrsearch.search.curves import CurveModel
from lrsearch.search.surrogate import Features

from . import record
from .contenders import PRUNERS
from .live import Course


class TableModel(CurveModel):
    """The model with a table's schedules for candidates.

    Args:
        table: The table.
        space: A space of its horizon.
    """

    def __init__(self, table: record.Table, space: Any) -> None:
        self.table = table
        self.__dict__["features"] = Features(table.schedules)
        self.__dict__["pool_features"] = self.features.whole(table.schedules)
        self.__dict__["pool"] = list(range(len(table.schedules)))
        super().__init__(space)

    def pick(self, study: optuna.Study, number: int, complete: set[int]) -> int:
        """The table's row to try next."""
        finished, _ = self._look(study, number)
        fit = self._fitted(finished)
        if fit is None:
            return int(self._far_from([t.curve.whole for t in finished]))  # type: ignore[call-overload]
        gains = self._gains(fit.posterior, self.pool_features, fit)
        gains[list(complete)] = -np.inf
        return int(np.argmax(gains))


def share_of(name: str, seed: int) -> record.Table:
    """The random part of a table that a seed sees: half of a large one, four fifths of a small one."""
    table = record.load(name)
    count = len(table.schedules)
    part = np.random.default_rng(seed).permutation(count)[: count // 2 if count > 100 else 4 * count // 5]
    return record.Table(name, tuple(table.schedules[i] for i in part), table.losses[part])


def run(contender: str, name: str, seed: int, compute: float) -> Course:
    """One study of ``random`` or ``curve`` with a pruner."""
    table, rng = share_of(name, seed), np.random.default_rng(seed)
    horizon = table.losses.shape[1]
    sampler_name, pruner_name = contender.split("+")
    space = record.space(name)
    model = TableModel(table, space)
    pruner = CurvePruner(model) if pruner_name == "curve" else PRUNERS[pruner_name](space, BaseSampler)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed), pruner=pruner)
    course, order, complete = Course(seed), cycle(rng.permutation(len(table.schedules))), set[int]()
    while course.spent < compute * horizon and len(complete) < len(table.schedules):
        trial = study.ask()
        row = next(order) if sampler_name == "random" else model.pick(study, trial.number, complete)
        trial.set_user_attr("schedule", table.schedules[row].to_dict())
        epoch = 0
        for epoch, loss in enumerate(table.losses[row], start=1):
            course.spent += 1
            if not np.isfinite(loss) or epoch == horizon:
                study.tell(trial, loss if np.isfinite(loss) else np.inf)
                complete.add(row)
                if np.isfinite(loss):
                    course.points.append((course.spent / horizon, float(loss)))
                break
            trial.report(loss, epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        course.trials.append((table.schedules[row], epoch))
    return course
