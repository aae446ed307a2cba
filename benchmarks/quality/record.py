"""Recorded tables: random schedules of a task's space, all trained to the end, with the loss after every epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray

from lrsearch.objectives.lanes import Lanes
from lrsearch.spaces import Schedule, ScheduleSpace, default_space

from .tasks import get, space_of

FOLDER = Path(__file__).parent / "tables"
LANES = 64


@dataclass(frozen=True)
class Table:
    """Schedules and their validation losses, ``(schedules, looks)``; NaN after a divergence."""

    name: str
    schedules: tuple[Schedule, ...]
    losses: NDArray[np.float64]

    @property
    def final(self) -> NDArray[np.float64]:
        """Last losses, infinite where training diverged."""
        return np.where(np.isfinite(self.losses).all(1), self.losses[:, -1], np.inf)


@lru_cache
def load(name: str) -> Table:
    with np.load(FOLDER / f"{name}.npz") as found:
        schedules = tuple(Schedule.from_dict(s) for s in json.loads(str(found["schedules"])))
        return Table(name, schedules, found["losses"].astype(float))


def space(name: str) -> ScheduleSpace:
    """A space of the table's horizon; its ranges do not matter to a replay."""
    return default_space("sgd", load(name).schedules[0].horizon)


def record(name: str, count: int, data_dir: str, jobs: int) -> Table:
    """Train `count` random schedules and keep the table."""
    schedules = space_of(get(name, data_dir)).sample(np.random.default_rng(0), count)
    groups = [schedules[i : i + LANES] for i in range(0, count, LANES)]
    found = Parallel(n_jobs=jobs)(delayed(_train)(name, group, data_dir) for group in groups)
    losses = np.concatenate(found).astype(np.float32)
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps([s.to_dict() for s in schedules])
    np.savez_compressed(FOLDER / f"{name}.npz", schedules=text, losses=losses)
    return load(name)


def _train(name: str, schedules: list[Schedule], data_dir: str) -> NDArray[np.float64]:
    torch.set_num_threads(1)
    task = get(name, data_dir)
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(schedules))
    for i, schedule in enumerate(schedules):
        lanes.put(i, schedule, seed=0, epochs=task.epochs)
    losses = np.full((len(schedules), task.epochs), np.nan)
    for epoch in range(task.epochs):
        for i, measurement in lanes.run_epoch().items():
            losses[i, epoch] = measurement.metrics["val_loss"]
    return losses
