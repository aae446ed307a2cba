"""Nothing is made on the wrong device: training alone and in lanes on a device that is not the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from elsewhere import DEVICE, Elsewhere, Generator
from shapes import SHAPES
from torch import Tensor

from lrsearch.objectives import TASKS, TaskObjective, TaskOptions
from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.recipe import Recipe, Split, Splits
from lrsearch.objectives.training import train
from lrsearch.spaces import Schedule

JOBS = [(name, model) for name, task in TASKS.items() for model in task.models]
BATCH, STEPS = 6, 2
SCHEDULE = Schedule("cosine", 0.1, 3, warmup=1)


def splits(shape: tuple[int, ...]) -> Splits:
    def part(n: int) -> Split:
        return Split(torch.empty(n, *shape, device=DEVICE), torch.empty(n, dtype=torch.long, device=DEVICE))

    return Splits(part(STEPS * BATCH), part(7), part(5))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """Every operation of a test."""
    monkeypatch.setattr(torch, "Generator", Generator)
    with Elsewhere() as mode:
        yield mode


def recipe(name: str, model: str, optimizer: str, mode: Elsewhere) -> Recipe:
    """The recipe of a task, whose fresh weights are made on the CPU, and are meant to be."""
    job = TaskObjective(TASKS[name], TaskOptions(model=model, optimizer=optimizer, batch_size=BATCH)).recipe()
    return replace(job, model=mode.allow(job.model))


@pytest.mark.parametrize(("name", "model"), JOBS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_trial_alone_stays_on_its_device(name: str, model: str, optimizer: str, watched: Elsewhere) -> None:
    job = recipe(name, model, optimizer, watched)
    measurements = list(train(job, splits(SHAPES[name]), SCHEDULE, epochs=2, seed=0, device=DEVICE, test=True))
    assert "test_loss" in measurements[-1].metrics
    assert watched.stray == []


@pytest.mark.parametrize(("name", "model"), JOBS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_lanes_stay_on_their_device(name: str, model: str, optimizer: str, watched: Elsewhere) -> None:
    """One seed and two, a lane that is dropped and filled again, and one that ends with test data."""
    lanes = Lanes(recipe(name, model, optimizer, watched), splits(SHAPES[name]), DEVICE, 3)
    for number in range(2):
        lanes.put(number, SCHEDULE, seed=0, epochs=2, test=True)
    lanes.run_epoch()
    lanes.drop(1)
    lanes.put(2, SCHEDULE, seed=1, epochs=2)
    lanes.put(3, SCHEDULE, seed=1, epochs=2)
    measurements = lanes.run_epoch()
    assert set(measurements) == {0, 2, 3}
    assert "test_loss" in measurements[0].metrics
    assert watched.stray == []


def test_an_epoch_of_lanes_waits_for_the_device_once(watched: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrsearch.objectives.lanes.lanes.backup_device", lambda *a, **k: DEVICE)
    lanes = Lanes(recipe("digits", "mlp", "sgd", watched), splits((64,)), DEVICE, 2)
    for number in range(2):
        lanes.put(number, SCHEDULE, seed=number, epochs=2)
    lanes.run_epoch()
    assert len(watched.reads) == 1


BAD: dict[str, tuple[Callable[[Tensor, Any], Tensor], str]] = {
    "noise of the CPU": (lambda x, g: x + torch.rand(x.shape), "mixes devices"),
    "another generator": (
        lambda x, g: x + torch.rand(x.shape, generator=torch.Generator(), device=x.device),
        "generator of another device",
    ),
    "numbers that nobody uses": (lambda x, g: (torch.rand(3), x)[1], ""),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_lie_on_the_wrong_device_is_found(name: str, watched: Elsewhere) -> None:
    augment, says = BAD[name]
    job = replace(recipe("digits", "mlp", "sgd", watched), augment=augment)
    lanes = Lanes(job, splits((64,)), DEVICE, 1)
    lanes.put(0, SCHEDULE, seed=0, epochs=1)
    with pytest.raises(AssertionError, match=says) if says else nullcontext():
        lanes.run_epoch()
    assert says or watched.stray == ["aten.rand.default gives (3,)"] * STEPS
