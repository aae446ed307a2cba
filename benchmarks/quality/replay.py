"""Studies replayed on a recorded table: proposals are its schedules, losses are looked up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import cycle
from typing import Any, cast

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from scipy.spatial.distance import cdist

from lrsearch import CurvePruner
from lrsearch.search.finals.baselines import baselines, first_schedules
from lrsearch.search.sampling.curve_model import CurveModel
from lrsearch.search.sampling.features import Features
from lrsearch.search.sampling.initial_design import next_design
from lrsearch.search.sampling.recorded_jobs import RecordedJobs, recorded_jobs
from lrsearch.search.sampling.scale import Scale
from lrsearch.search.session.beginning import BASELINES_AFTER
from lrsearch.spaces import Schedule, ScheduleSpace

from . import record
from .contenders import OURS, PRUNERS, SAMPLERS
from .live import Course, probe_of


class TableModel(CurveModel):
    """The model with a table's schedules for candidates.

    Args:
        table: The table.
        space: A space of its horizon.
        scale: What a probe told.
        scans: Whether it begins with a scan of base_lr, as `CurveModel` does.
        others: Loads what jobs on other data ended at.
    """

    def __init__(
        self,
        table: record.Table,
        space: Any,
        scale: Scale | None = None,
        *,
        scans: bool = True,
        others: Callable[[], RecordedJobs] | None = None,
    ) -> None:
        self.table, self.scans = table, scans
        self.__dict__["pool_rates"] = np.array([s.base_lr for s in table.schedules])
        self.__dict__["features"] = Features(table.schedules)
        self.__dict__["pool_features"] = self.features.whole(table.schedules)
        self.__dict__["pool"] = list(range(len(table.schedules)))
        super().__init__(space, scale=scale, others=others)

    def pick(self, study: optuna.Study, number: int, complete: set[int]) -> int:
        """The table's row to try next."""
        finished, _ = self._look(study, number)
        if self.scans and (scanned := self._scan(study, number, finished)) is not None:
            return int(cast(Any, scanned))
        fit = self._fitted(finished)
        if fit is None:
            near = self._near_scale()
            return int(near[next_design(self.pool_features[near], [t.curve.whole for t in finished])])
        gains = self._promise(fit, finished, ())[1](self.pool_features)
        gains += self._belief(self.pool_rates, len(finished))
        gains[list(complete)] = -np.inf
        return int(np.argmax(gains))

    def rows(self, schedules: Sequence[Schedule]) -> list[int]:
        """The rows whose curves are nearest to these, each once."""
        far = cdist(self.features.whole(schedules), self.pool_features)
        return list(dict.fromkeys(int(i) for i in far.argmin(1)))

    def free_row(self, schedule: Schedule, taken: Collection[int]) -> int:
        """The row whose curve is nearest to a schedule's, of those that are not taken."""
        distances = ((self.pool_features - self.features.whole([schedule])) ** 2).sum(1)
        distances[list(taken)] = np.inf
        return int(np.argmin(distances))

    def nearest(self, schedule: Schedule) -> tuple[Any, Schedule]:
        """The row whose curve is nearest to a schedule, and its own schedule."""
        (row,) = self.rows([schedule])
        return row, self.table.schedules[row]


def share_of(name: str, seed: int) -> record.Table:
    """The random part of a table that a seed sees: half of a large one, four fifths of a small one."""
    table = record.load(name)
    count = len(table.schedules)
    part = np.random.default_rng(seed).permutation(count)[: count // 2 if count > 100 else 4 * count // 5]
    return record.Table(name, tuple(table.schedules[i] for i in part), table.losses[part])


def run(contender: str, name: str, seed: int, compute: float, data_dir: str) -> Course:
    """One study of a sampler with a pruner; a probe is trained, on weights of the study's own seed."""
    table = share_of(name, seed)
    horizon = table.losses.shape[1]
    sampler_name, pruner_name = contender.split("+")
    space = record.space(name)
    probes, ours = sampler_name == "probe", sampler_name in OURS
    epochs, scale = probe_of(name, data_dir, seed) if probes else (0, None)
    scans, learns = sampler_name in ("curve", "later", "scan"), sampler_name in ("curve", "later")
    model = TableModel(
        table, space, scale, scans=scans, others=partial(recorded_jobs, record.related(name)) if learns else None
    )
    first = model.rows(first_schedules(space, scale)) if scale else []
    untuned = model.rows(list(baselines(space).values())) if sampler_name in ("baselines", "later", "scan") else []
    sampler = SAMPLERS["random" if ours else sampler_name](space, seed)
    pruner = CurvePruner(model) if pruner_name == "curve" else PRUNERS[pruner_name](space, sampler)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    course, complete = Course(seed, epochs), set[int]()
    order = cycle(np.random.default_rng(seed).permutation(len(table.schedules)))
    while course.spent < compute * horizon and len(complete) < len(table.schedules):
        if untuned and len(course.trials) >= (BASELINES_AFTER if sampler_name in ("later", "scan") else 0):
            first, untuned = [row for row in untuned if row not in complete], []
        if first:
            trial, row = study.ask(), first.pop(0)
        elif ours or sampler_name == "random":
            trial = study.ask()
            row = next(order) if sampler_name == "random" else model.pick(study, trial.number, complete)
        else:
            trial, row = _nearest(study, space, model, complete)
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


def _nearest(
    study: optuna.Study, space: ScheduleSpace, model: TableModel, complete: set[int]
) -> tuple[optuna.Trial, int]:
    """The row whose curve is nearest to what the sampler proposes, and a trial with that row's parameters.

    The proposal's own trial fails, which Optuna's samplers ignore.
    """
    proposal = study.ask()
    row = model.free_row(space.suggest(proposal), complete)
    study.tell(proposal, state=TrialState.FAIL)
    study.enqueue_trial(space.params(model.table.schedules[row]))
    sampler, study.sampler = study.sampler, RandomSampler()  # it only looks the parameters up
    trial = study.ask()
    space.suggest(trial)
    study.sampler = sampler
    return trial, row
