"""An optimizer as data trains as the one of `torch.optim` that it describes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lrsearch.objectives import TASKS, TaskObjective, TaskOptions, TrainedOptimizer
from lrsearch.objectives.lanes import LaneOptimizer
from lrsearch.objectives.optimizer import described_optimizer
from lrsearch.objectives.training import train
from lrsearch.spaces import Interval, Schedule


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_described_optimizer_trains_alone_as_the_optimizer_itself_does(name: str, interval: Interval) -> None:
    described = described_optimizer(name, 0.1)
    job = TaskObjective(TASKS["digits"], TaskOptions(batch_size=64)).recipe()
    data = TASKS["digits"].load(TaskOptions())
    schedule = Schedule("cosine", base_lr=0.03, horizon=3, warmup=1, interval=interval)
    by_description, by_torch = (
        list(train(replace(job, optimizer=made), data, schedule, epochs=3, seed=1, device="cpu"))
        for made in (described, lambda model: described(model))
    )
    for ours, torchs in zip(by_description, by_torch, strict=True):
        assert ours.metrics == pytest.approx(torchs.metrics, rel=2e-4)
        assert ours.lr == torchs.lr


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_description_says_what_the_optimizer_itself_would(name: str) -> None:
    described, model = described_optimizer(name, 0.1), nn.Linear(3, 2)
    made = described(model)
    assert TrainedOptimizer.of(described) == TrainedOptimizer.of(made)
    factors = [
        LaneOptimizer(optimizer, model).factors(np.full((1, 2), 0.3), np.array([[0.0, 7.0]]), "cpu")
        for optimizer in (described, made)
    ]
    assert torch.equal(*factors)
