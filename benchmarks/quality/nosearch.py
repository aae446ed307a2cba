"""No search at all: a learning-rate finder, and one training with a usual schedule at the rate that it names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lrsearch.objectives.lanes import Lanes
from lrsearch.spaces import Schedule

from .live import DIVERGED, probe_of
from .tasks import get

SCHEDULES = ("cosine", "linear", "onecycle")
WARMUP = 0.1


def run(name: str, seeds: Sequence[int], data_dir: str) -> tuple[float, dict[str, NDArray[np.float64]]]:
    """Final losses of the usual schedules at the probe's scale, with a tenth of warm-up; each seed has its own probe.

    Returns:
        What a probe costs in full trials, and the losses by schedule, one a seed.
    """
    torch.set_num_threads(1)
    task = get(name, data_dir)
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(seeds) * len(SCHEDULES))
    spent = 0
    for i, seed in enumerate(seeds):
        spent, scale = probe_of(name, data_dir, seed)
        for j, family in enumerate(SCHEDULES):
            warmup = 0.0 if family == "onecycle" else WARMUP * task.epochs  # which rises by itself
            schedule = Schedule(family, scale.base_lr, task.epochs, warmup=warmup)
            lanes.put(len(SCHEDULES) * i + j, schedule, seed=seed, epochs=task.epochs)
    for _ in range(task.epochs):
        last = lanes.run_epoch()
    losses = np.array([last[i].metrics["val_loss"] for i in sorted(last)]).reshape(len(seeds), len(SCHEDULES))
    losses = np.where(np.isfinite(losses), np.minimum(losses, DIVERGED), DIVERGED)
    return spent / task.epochs, dict(zip(SCHEDULES, losses.T, strict=True))
