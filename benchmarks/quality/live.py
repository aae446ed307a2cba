"""Studies on real training: many of them side by side, each one trial at a time, in lanes of one batched model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import optuna
import torch
from optuna.trial import TrialState

from lrsearch.objectives import Measurement
from lrsearch.objectives.lanes import Lanes
from lrsearch.search.watch import diverged
from lrsearch.spaces import Schedule

from .contenders import make
from .tasks import get, space_of


@dataclass
class Course:
    """One study: after which compute (in full trials) it had which best final loss.

    Attributes:
        seed: The sampler's seed; weights and batch order are the same for all.
        spent: Epochs trained.
        points: ``(compute, loss)`` of every complete trial, in time.
        trials: ``(schedule, epochs trained)`` of every trial.
    """

    seed: int
    spent: int = 0
    points: list[tuple[float, float]] = field(default_factory=list)
    trials: list[tuple[Schedule, int]] = field(default_factory=list)


class _Study:
    """A study whose trials are stepped from outside."""

    def __init__(self, contender: str, name: str, seed: int, data_dir: str) -> None:
        self.task = get(name, data_dir)
        self.space = space_of(self.task)
        self.study = make(contender, self.space, seed)
        self.course = Course(seed)

    def ask(self) -> Schedule:
        self.trial = self.study.ask()
        self.schedule = self.space.suggest(self.trial)
        self.first = 0.0
        return self.schedule

    def see(self, m: Measurement) -> bool:
        """Take an epoch in; true if the trial ended with it."""
        course, epochs = self.course, self.task.epochs
        course.spent += 1
        self.first = self.first or max(v for v in m.metrics.values())
        value = m.metrics["val_loss"]
        if diverged(m, self.first):
            self.study.tell(self.trial, math.inf)
        elif m.epoch == epochs:
            self.trial.report(value, m.epoch)
            self.study.tell(self.trial, value)
            course.points.append((course.spent / epochs, value))
        else:
            self.trial.report(value, m.epoch)
            if not self.trial.should_prune():
                return False
            self.study.tell(self.trial, state=TrialState.PRUNED)
        course.trials.append((self.schedule, m.epoch))
        return True


def run(contender: str, name: str, seeds: Sequence[int], compute: float, data_dir: str) -> list[Course]:
    """Run one study a seed until each has trained for `compute` full trials."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = get(name, data_dir)
    studies = {seed: _Study(contender, name, seed, data_dir) for seed in seeds}
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(seeds))
    most = compute * task.epochs
    for seed, study in studies.items():
        lanes.put(seed, study.ask(), seed=0, epochs=task.epochs)
    while len(lanes):
        for seed, measurement in lanes.run_epoch().items():
            study = studies[seed]
            if study.see(measurement) or study.course.spent >= most:
                lanes.drop(seed)
                if study.course.spent < most:
                    lanes.put(seed, study.ask(), seed=0, epochs=task.epochs)
    return [study.course for study in studies.values()]
