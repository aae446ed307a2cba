"""Frameworks that make a scheduler from a dotted path, in the exact form of their calls."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from rates import assert_follows, recorded_rates

import lrsearch
from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Run, UserObjective, train
from lrsearch.spaces import Schedule

STEPS, EPOCHS = 4, 3
SCHEDULE = Schedule("cosine", 0.2, EPOCHS, warmup=1)
LINE = "cosine:base_lr=0.2,warmup=1,epochs=3"
Make = Callable[[torch.optim.Optimizer], Any]


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LRSEARCH_TRIAL", "LRSEARCH_SCHEDULE"):
        monkeypatch.delenv(name, raising=False)


def found_at(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


class OptimWrapper:
    """mmengine's, as far as a scheduler sees it: no `Optimizer`, but it has one."""

    __module__ = "mmengine.optim.optimizer.optimizer_wrapper"

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer, self.param_groups = optimizer, optimizer.param_groups


def torchtune(optimizer: torch.optim.Optimizer) -> Any:
    """recipes/full_finetune_single_device.py: instantiate(cfg, optimizer, num_training_steps=..., last_epoch=...)."""
    config = {"_component_": "lrsearch.scheduler", "epochs": EPOCHS, "schedule": LINE}
    component = found_at(config.pop("_component_"))  # type: ignore[arg-type]
    return component(optimizer, **{**config, "num_training_steps": EPOCHS * STEPS, "last_epoch": -1})


def mmengine(optimizer: torch.optim.Optimizer) -> Any:
    """mmengine's Runner.build_param_scheduler, tried with mmengine 0.10.7: it adds the wrapper and the end."""
    config = {"type": "lrsearch.scheduler", "steps_per_epoch": STEPS, "schedule": LINE, "end": EPOCHS}
    made = found_at(config.pop("type"))(optimizer=OptimWrapper(optimizer), **config)  # type: ignore[arg-type]
    assert made.by_epoch is False  # what ParamSchedulerHook asks before it steps
    return made


def hydra(optimizer: torch.optim.Optimizer) -> Any:
    """``_target_`` and ``_partial_``, by hydra itself."""
    pytest.importorskip("hydra")
    from hydra.utils import instantiate

    config = {"_target_": "lrsearch.scheduler", "_partial_": True, "steps_per_epoch": STEPS, "schedule": LINE}
    return instantiate(config)(optimizer=optimizer)


def create_scheduler(optimizer: torch.optim.Optimizer) -> Any:
    """What axolotl's plugins and subclasses of transformers' Trainer are called with."""
    return lrsearch.scheduler(optimizer, num_training_steps=EPOCHS * STEPS, schedule=LINE)


def rates_of(make: Make) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    scheduler = make(optimizer)
    with recorded_rates() as rates:
        for _ in range(EPOCHS * STEPS):
            optimizer.step()
            scheduler.step()
    return rates


@pytest.mark.parametrize("make", [torchtune, mmengine, hydra, create_scheduler])
def test_the_framework_gets_the_schedule_by_hand(make: Make) -> None:
    assert_follows(rates_of(make), SCHEDULE, STEPS)


@pytest.mark.parametrize("make", [torchtune, mmengine, hydra, create_scheduler])
def test_and_the_trials_in_a_search(make: Make) -> None:
    def job(run: Run) -> None:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
        scheduler = make(optimizer)
        for _ in range(run.epochs):
            for _ in range(STEPS):
                optimizer.step()
                scheduler.step()
            lrsearch.report(val_loss=1.0)

    schedule = Schedule("exp", 0.1, EPOCHS, {"gamma": 0.5})
    with recorded_rates() as rates:
        train(UserObjective(job, "sgd"), schedule, lambda measurement: True, epochs=EPOCHS, seed=0, device="cpu")
    assert_follows(rates, schedule, STEPS)


def test_a_training_that_goes_on_by_hand_is_at_its_step() -> None:
    last_epoch = functools.partial(lrsearch.scheduler, num_training_steps=12, last_epoch=4, schedule=LINE)
    assert rates_of(last_epoch)[:7] == pytest.approx(SCHEDULE.curve(STEPS)[5:].tolist(), rel=1e-12)


def test_a_trial_does_not_go_on_and_without_a_schedule_there_is_a_line() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)

    def job(run: Run) -> None:
        lrsearch.scheduler(optimizer, num_training_steps=12, last_epoch=4)

    with pytest.raises(ObjectiveError, match=r"a trial trains from the start, got last_epoch=4"):
        train(UserObjective(job, "sgd"), SCHEDULE, lambda measurement: True, epochs=EPOCHS, seed=0, device="cpu")
    with pytest.raises(InputError, match="has no schedule"):
        lrsearch.scheduler(optimizer, num_training_steps=12)
