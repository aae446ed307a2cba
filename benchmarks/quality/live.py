"""Studies on real training: many of them side by side, in lanes of one batched model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
import optuna
import torch
from optuna.trial import TrialState

from lrsearch import CurveSampler
from lrsearch.objectives import Measurement, TensorTask
from lrsearch.objectives.lanes import Lanes
from lrsearch.search.finals.baselines import baselines, first_schedules
from lrsearch.search.notes.trial import TrialNotes
from lrsearch.search.sampling.recorded_jobs import recorded_jobs
from lrsearch.search.sampling.scale import Scale, probe_rates, scale_of
from lrsearch.search.trial.divergence import diverged
from lrsearch.spaces import Schedule

from .contenders import make
from .record import related
from .tasks import get, space_of

FRESH = range(1000, 1016)
"""Seeds for what a schedule is worth without the luck of the one seed that its study trained with."""
DIVERGED = 4.0
"""A diverged run counts as this loss: above what every untrained model here has."""


@dataclass
class Course:
    """One study: after which compute (in full trials) it had which best final loss.

    Attributes:
        seed: The sampler's seed; weights and batch order are the same for all.
        spent: Epochs trained.
        points: ``(compute, loss)`` of every complete trial, in time.
        trials: ``(schedule, epochs trained)`` of every trial.
        worth: Mean final loss on fresh seeds of the best trial's schedule, and of the one that a curve sampler's
            surrogate holds for the best.
    """

    seed: int
    spent: int = 0
    points: list[tuple[float, float]] = field(default_factory=list)
    trials: list[tuple[Schedule, int]] = field(default_factory=list)
    worth: list[float] = field(default_factory=list)


@lru_cache
def probe_of(name: str, data_dir: str, weights: int) -> tuple[int, Scale]:
    """The epochs of a probe, and what it tells."""
    task = get(name, data_dir)
    rates = probe_rates(space_of(task))
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(rates))
    for i, rate in enumerate(rates):
        lanes.put(i, Schedule("constant", rate, task.epochs), seed=weights, epochs=1)
    measured = lanes.run_epoch()
    losses = [measured[i].metrics["val_loss"] for i in range(len(rates))]
    scale = scale_of(rates, [x if math.isfinite(x) else math.inf for x in losses])
    assert scale is not None
    return len(rates), scale


class _Study:
    """A study whose trials are stepped from outside."""

    def __init__(self, contender: str, name: str, seed: int, data_dir: str, weights: int) -> None:
        contender, _, families = contender.partition("@")
        self.task = get(name, data_dir)
        self.space = space_of(self.task, families)
        probed = probe_of(name, data_dir, weights) if contender.startswith("probe") else None
        self.study = make(contender, self.space, seed, probed[1] if probed else None)
        if isinstance(self.study.sampler, CurveSampler) and self.study.sampler.model.others is not None:
            self.study.sampler.model.others = partial(recorded_jobs, related(name))
        self.course = Course(seed, probed[0] if probed else 0)
        firsts = first_schedules(self.space, probed[1]) if probed else []
        if contender.startswith("baselines"):
            firsts = list(baselines(self.space).values())
        for schedule in firsts:
            notes = TrialNotes(schedule=schedule.to_dict())  # one whose family is not searched, too
            self.study.enqueue_trial(self.space.params(schedule), user_attrs=notes.to_attrs())
        self.complete: dict[Schedule, float] = {}

    def ask(self) -> _Trial:
        trial = self.study.ask()
        noted = TrialNotes.read(trial.user_attrs).schedule
        return _Trial(self, trial, Schedule.from_dict(noted) if noted else self.space.suggest(trial))

    def named(self) -> list[Schedule]:
        """The best trial's schedule, and the one that the surrogate holds for the best, if there is one."""
        chosen = [min(self.complete, key=self.complete.__getitem__)]
        if isinstance(self.study.sampler, CurveSampler):
            expected = self.study.sampler.model.expected(self.study, list(self.complete))
            if expected is not None:
                chosen.append(list(self.complete)[int(np.argmin(expected))])
        return chosen


@dataclass
class _Trial:
    owner: _Study
    trial: optuna.Trial
    schedule: Schedule
    first: float = 0.0

    def see(self, m: Measurement) -> bool:
        """Take an epoch in; true if the trial ended with it."""
        study, course, epochs = self.owner.study, self.owner.course, self.owner.task.epochs
        course.spent += 1
        self.first = self.first or max(v for v in m.metrics.values())
        value = m.metrics["val_loss"]
        if diverged(m, self.first):
            study.tell(self.trial, math.inf)
        elif m.epoch == epochs:
            self.trial.report(value, m.epoch)
            study.tell(self.trial, value)
            course.points.append((course.spent / epochs, value))
            self.owner.complete[self.schedule] = value
        else:
            self.trial.report(value, m.epoch)
            if not self.trial.should_prune():
                return False
            study.tell(self.trial, state=TrialState.PRUNED)
        course.trials.append((self.schedule, m.epoch))
        return True


def run(
    contender: str, name: str, seeds: Sequence[int], compute: float, data_dir: str, at_once: int, own: bool = False
) -> list[Course]:
    """Run one study a seed, `at_once` trials at a time, until each has trained for `compute` full trials.

    Weights and batches are those of seed 0, or with `own` of the study's seed.
    """
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = get(name, data_dir)
    weights = [seed if own else 0 for seed in seeds]
    studies = [_Study(contender, name, seed, data_dir, w) for seed, w in zip(seeds, weights, strict=True)]
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(seeds) * at_once)
    most = compute * task.epochs
    trials: dict[int, _Trial] = {}

    def start(slot: int) -> None:
        trials[slot] = studies[slot // at_once].ask()
        lanes.put(slot, trials[slot].schedule, seed=weights[slot // at_once], epochs=task.epochs)

    for slot in range(len(seeds) * at_once):
        start(slot)
    while len(lanes):
        ended = []
        for slot, measurement in lanes.run_epoch().items():
            spent = trials[slot].owner.course.spent
            if spent >= most or trials[slot].see(measurement):
                lanes.drop(slot)
                ended.append(slot)
        for slot in ended:
            if trials[slot].owner.course.spent < most:
                start(slot)
    for study in studies:
        named = study.named()
        worth = {schedule: _on_fresh_seeds(task, schedule) for schedule in dict.fromkeys(named)}
        study.course.worth = [worth[schedule] for schedule in named]
    return [study.course for study in studies]


def _on_fresh_seeds(task: TensorTask, schedule: Schedule) -> float:
    """The mean final loss of a schedule on seeds that no study sees; see `DIVERGED`."""
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(FRESH))
    for seed in FRESH:
        lanes.put(seed, schedule, seed=seed, epochs=task.epochs)
    for _ in range(task.epochs):
        last = lanes.run_epoch()
    losses = np.array([m.metrics["val_loss"] for m in last.values()])
    return float(np.mean(np.where(np.isfinite(losses), np.minimum(losses, DIVERGED), DIVERGED)))
