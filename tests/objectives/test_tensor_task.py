"""A person's own job over tensors, alone and in lanes."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from torch import Tensor, nn

from lrsearch.errors import InputError
from lrsearch.objectives import TensorTask
from lrsearch.objectives.lanes import Lanes
from lrsearch.spaces import Schedule

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]])


def model() -> nn.Module:
    return nn.Linear(3, 1)


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters())


def distance(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs - y).abs().squeeze(1)


def task(batch_size: int = 8) -> TensorTask:
    return TensorTask(
        model,
        optimizer,
        nn.functional.mse_loss,
        (X[:32], Y[:32]),
        (X[32:], Y[32:]),
        batch_size=batch_size,
        metrics={"val_distance": distance},
    )


def test_it_learns_and_gives_its_metrics() -> None:
    objective = task()
    *_, last = objective.run(Schedule("cosine", 0.3, 20), epochs=20, seed=0, device="cpu")
    assert set(last.metrics) == {"train_loss", "val_loss", "val_distance"}
    assert last.metrics["val_loss"] < 1e-2
    assert objective.steps_per_epoch == 4
    assert objective.optimizer == "adamw"


def test_in_lanes_it_gives_the_same() -> None:
    objective, schedule = task(), Schedule("cosine", 0.3, 2)
    lanes = Lanes(objective.recipe(), objective.data(), "cpu", 2)
    lanes.put(5, schedule, seed=3, epochs=2)
    metrics = [lanes.run_epoch()[5].metrics for _ in range(2)]
    alone = [m.metrics for m in objective.run(schedule, epochs=2, seed=3, device="cpu")]
    assert metrics == [pytest.approx(m, rel=1e-5) for m in alone]


def test_it_survives_pickling_and_its_settings_are_json() -> None:
    objective = task()
    settings = objective.settings()
    assert pickle.loads(pickle.dumps(objective)).settings() == settings
    assert json.loads(json.dumps(settings)) == settings
    assert (settings["optimizer"], settings["samples"]) == ("Adam", {"train": 32, "val": 8, "test": 0})


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(InputError, match="a batch of 33 exceeds the 32 training samples"):
        task(33).data()
