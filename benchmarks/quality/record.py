"""Recorded tables: random schedules of a task's space, all trained to the end, with the loss after every epoch."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray

from lrsearch.objectives.lanes import Lanes
from lrsearch.spaces import Range, Schedule, ScheduleSpace, default_space

from .tasks import get, space_of

FOLDER = Path(__file__).parent / "tables"
LANES = 64
ADAM = (
    *("fashion-overfit", "text-transformer", "digits-adamw", "mnist1d-cnn", "teacher"),
    *("friedman-adam", "sequences-gru", "waves-autoencoder", "coins-adam"),
    *("fashion-tuned", "text-tuned"),
)
"""Tasks whose rates are those of Adam or AdamW; the others are SGD's."""


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
    """A table by its task's name; ``name@LOW`` has its schedules from that base_lr on, as if the range began there."""
    name, _, low = name.partition("@")
    if low:
        whole = load(name)
        kept = [i for i, schedule in enumerate(whole.schedules) if schedule.base_lr >= float(low)]
        return Table(name, tuple(whole.schedules[i] for i in kept), whole.losses[kept])
    if name == "lm124m":
        return _language_model()
    with np.load(FOLDER / f"{name}.npz") as stored:
        schedules = tuple(Schedule.from_dict(s) for s in json.loads(str(stored["schedules"])))
        return Table(name, schedules, stored["losses"].astype(float))


def space(name: str) -> ScheduleSpace:
    """The space that a table's schedules were drawn from."""
    name, _, low = name.partition("@")
    if low:
        whole = space(name)
        return replace(whole, base_lr=Range(float(low), whole.base_lr.high, log=True))
    schedules = load(name).schedules
    if name != "lm124m":
        return default_space("adam" if name in ADAM else "sgd", schedules[0].horizon)
    rates, warmup, horizon = [s.base_lr for s in schedules], schedules[0].warmup, schedules[0].horizon
    ranges = {"cosine.T_max": Range(horizon - warmup, horizon - warmup), "cosine.eta_min": Range(0, 0.1)}
    return ScheduleSpace(
        ("constant", "cosine", "wsd"),
        horizon,
        Range(min(rates), max(rates), log=True),
        Range(warmup, warmup),
        {**ranges, "wsd.cooldown": Range(0.1 * horizon, horizon - warmup)},
    )


def related(name: str) -> tuple[str, ...]:
    """The recorded tasks on the same data as this one: what was learnt from them is not what others know."""
    data = name.partition("@")[0].split("-")[0]
    return tuple(sorted(file.stem for file in FOLDER.glob("*.npz") if file.stem.split("-")[0] == data))


def record(name: str, count: int, data_dir: str, jobs: int) -> Table:
    """Train `count` random schedules and keep the table."""
    schedules = space_of(get(name, data_dir)).sample(np.random.default_rng(0), count)
    losses = train(name, schedules, data_dir, jobs).astype(np.float32)
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps([s.to_dict() for s in schedules])
    np.savez_compressed(FOLDER / f"{name}.npz", schedules=text, losses=losses)
    return load(name)


def train(name: str, schedules: Sequence[Schedule], data_dir: str, jobs: int) -> NDArray[np.float64]:
    """Validation losses after every epoch of schedules of one horizon, ``(schedules, epochs)``."""
    groups = [schedules[i : i + LANES] for i in range(0, len(schedules), LANES)]
    return np.concatenate(Parallel(n_jobs=jobs)(delayed(_train)(name, group, data_dir) for group in groups))


def _train(name: str, schedules: Sequence[Schedule], data_dir: str) -> NDArray[np.float64]:
    torch.set_num_threads(1)
    task, epochs = get(name, data_dir), int(schedules[0].horizon)
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(schedules))
    for i, schedule in enumerate(schedules):
        lanes.put(i, schedule, seed=0, epochs=epochs)
    losses = np.full((len(schedules), epochs), np.nan)
    for epoch in range(epochs):
        for i, measurement in lanes.run_epoch().items():
            losses[i, epoch] = measurement.metrics["val_loss"]
    return losses


def _language_model() -> Table:
    """The recorded language-model runs; an "epoch" is a twentieth of the run."""
    with (FOLDER / "lm124m.csv").open() as file:
        rows = list(csv.DictReader(file))
    looks = [key for key in rows[0] if key.startswith("val_loss_at_")]
    losses = np.array([[float(row[key]) for key in looks] for row in rows])
    return Table("lm124m", tuple(_named(row["schedule"], float(row["base_lr"])) for row in rows), losses)


def _named(name: str, base_lr: float) -> Schedule:
    """``const``, ``cos(end=10%)`` or ``wsd-sqrt-0.200``, all with 300 of 50,000 steps of warm-up."""
    epochs, warmup = 20, 20 * 300 / 50_000
    if name == "const":
        return Schedule("constant", base_lr, epochs, warmup=warmup)
    if name.startswith("cos"):
        end = float(name.removeprefix("cos(end=").removesuffix("%)")) / 100
        return Schedule("cosine", base_lr, epochs, {"eta_min": end * base_lr}, warmup)
    _, shape, share = name.split("-")
    params: dict[str, float | str] = {
        "cooldown": float(share) * epochs,
        "shape": "1-sqrt" if shape == "sqrt" else shape,
    }
    return Schedule("wsd", base_lr, epochs, params, warmup)
