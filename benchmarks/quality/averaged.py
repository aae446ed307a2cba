"""What trials' weights, averaged over an epoch's steps, would score: a guess at the annealed loss, early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from torch import Tensor

from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.lanes.state import LaneState
from lrsearch.spaces import Schedule

from .tasks import get

LANES = 32


class AveragingLanes(Lanes):
    """Lanes that also evaluate the mean of each lane's weights over the steps of the epoch, in `val_losses`."""

    val_losses: NDArray[np.float32]

    def _train(self, state: LaneState, batches: Any, factors: Tensor) -> Tensor:
        total, mean = torch.zeros(factors.shape[-1]), {k: torch.zeros_like(v) for k, v in state.params.items()}
        for (x, y), f in zip(batches, factors, strict=True):
            total += self._model.train_step(state, x, y, f, shared=batches.shared)
            mean = {k: v + state.params[k].detach() / len(factors) for k, v in mean.items()}
        scores = self._model.evaluate(LaneState(mean, state.rest, state.moments), self._data.val)
        self.val_losses = (scores[0].detach() / len(self._data.val.y)).numpy()
        return total


def train(name: str, schedules: Sequence[Schedule], epochs: int, data_dir: str, jobs: int) -> NDArray[np.float32]:
    """Validation losses of averaged weights after so many epochs of whole schedules; models without batch norm only."""
    groups = [schedules[i : i + LANES] for i in range(0, len(schedules), LANES)]
    return np.concatenate(Parallel(n_jobs=jobs)(delayed(_train)(name, group, epochs, data_dir) for group in groups))


def _train(name: str, schedules: Sequence[Schedule], epochs: int, data_dir: str) -> NDArray[np.float32]:
    torch.set_num_threads(1)
    task = get(name, data_dir)
    lanes = AveragingLanes(task.recipe(), task.data("cpu"), "cpu", len(schedules))
    for i, schedule in enumerate(schedules):
        lanes.put(i, schedule, seed=0, epochs=epochs)
    for _ in range(epochs):
        lanes.run_epoch()
    return lanes.val_losses
