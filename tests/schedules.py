"""Schedules, trials and searches made by hand, for tests of what is done with them."""

from __future__ import annotations

from typing import Any

import torch

from lrsearch.search import SearchResult, TrialRecord
from lrsearch.spaces import FAMILIES, Schedule

STEPS = 7
"""Optimizer steps in an epoch of a made-up trial: odd, so that fractions of an epoch are rounded."""

SCHEDULES = [
    Schedule(family, 0.3, horizon, warmup=warmup, interval=interval)
    for family in FAMILIES
    for horizon in (5, 2.5)
    for warmup in ((0,) if FAMILIES[family].rises else (0, 1.2))
    for interval in ("step", "epoch")
] + [
    Schedule("cosine", 0.3, 5, {"T_max": 2.2, "eta_min": 0.03}, warmup=1),
    Schedule("cosine", 0.3, 5, {"T_max": 9.1, "eta_min": 0.03}),
    Schedule("cosine", 0.3, 5, {"T_max": 2.2}),
    Schedule("linear", 0.3, 5, {"end_factor": 0.2}),
    Schedule("linear", 0.3, 5, {"end_factor": 1.0}),
    Schedule("linear", 0.3, 5, {"end_factor": 0.2}, warmup=0.5, warmup_start=1.0),
    Schedule("poly", 0.3, 5, {"power": 0.4}),
    Schedule("step", 0.3, 5, {"step_size": 0.3, "gamma": 0.8}, warmup=0.7),
    Schedule("step", 0.3, 5, {"step_size": 1, "gamma": 0.5}, warmup=1),
    Schedule("wsd", 0.3, 5, {"cooldown": 9, "shape": "linear"}),
    Schedule("wsd", 0.3, 5, {"cooldown": 0.4, "shape": "1-sqrt"}, warmup=0.6),
    Schedule("wsd", 0.3, 1, {"cooldown": 9, "shape": "1-sqrt"}, warmup=0.6),
    Schedule("wsd", 0.3, 1, {"cooldown": 0.5, "shape": "linear"}),
    Schedule("wsd", 0.3, 5, {"cooldown": 2, "shape": "linear", "end_factor": 0.1}),
    Schedule("wsd", 0.3, 5, {"cooldown": 2, "shape": "1-sqrt", "end_factor": 0.1}),
    Schedule("wsd", 0.3, 5, {"cooldown": 2, "shape": "cosine"}),
    Schedule("wsd", 0.3, 5, {"cooldown": 2, "shape": "cosine", "end_factor": 0.1}, warmup=1, warmup_start=0.0),
    Schedule("wsd", 0.3, 5, {"cooldown": 2, "shape": "exponential", "end_factor": 0.1}),
    Schedule("poly", 0.3, 5, {"power": 0.4, "end_factor": 0.1}),
    Schedule("cosine", 0.3, 5, {"T_max": 2.2, "eta_min": 0.03, "after": "hold"}),
    Schedule("cosine", 0.3, 5, {"T_max": 2.2, "after": "hold"}, warmup=1, warmup_shape="cosine"),
    Schedule("multistep", 0.3, 5, {"milestone_1": 0.7, "milestone_2": 0.2, "milestone_3": 0.9}),
    Schedule("multistep", 0.3, 5, {"milestone_1": 1, "milestone_2": 1}),
    Schedule("inverse_sqrt", 0.3, 5, {"timescale": 1, "cooldown": 2}),
    Schedule("inverse_sqrt", 0.3, 5, {"timescale": 1, "cooldown": 9}, warmup=1, warmup_start=0.0),
    Schedule("cosine_restarts", 0.3, 5, {"T_0": 1, "T_mult": 1, "eta_min": 0.03}),
    Schedule("cosine_restarts", 0.3, 5, {"T_0": 0.7, "T_mult": 3}, warmup=1, warmup_shape="exponential"),
    Schedule("onecycle", 0.3, 5, {"anneal_strategy": "linear", "div_factor": 5, "final_div_factor": 10}),
    Schedule("spline", 0.3, 5, {"x1": 0.1234, "y1": 0.9, "x2": 0.7, "y2": 0.1, "end_factor": 0.05}, warmup=1),
    Schedule("linear", 0.3, 5, warmup=1, warmup_start=0.0),
    Schedule("cosine", 0.3, 5, warmup=1, warmup_start=0.0),
    Schedule("constant", 0.3, 5, warmup=1.2, warmup_start=0.0, warmup_shape="cosine"),
    Schedule("constant", 0.3, 5, warmup=1.2, warmup_shape="exponential", interval="epoch"),
    Schedule("exp", 0.3, 1, warmup=0.01),
    Schedule("cosine", 0.3, 5, warmup=4.9),
]


def schedule_id(schedule: Schedule) -> str:
    """A name for a parametrized test."""
    values = "-".join(str(v if isinstance(v, str) else round(v, 3)) for v in schedule.params.values())
    start = "" if schedule.warmup_start else "-from0"
    shape = f"{schedule.warmup_shape}{schedule.warmup:g}{start}"
    return f"{schedule.family}-{values}-{shape}of{schedule.horizon:g}-{schedule.interval}"


def make_record(schedule: Schedule | None, **changes: Any) -> TrialRecord:
    """A complete trial that was trained with `schedule`."""
    epochs = round(schedule.horizon) if schedule else 0
    given: dict[str, Any] = {
        "number": 3,
        "outcome": "complete",
        "value": 0.25,
        "metrics": {"val_loss": tuple(1 / (1 + e) for e in range(epochs)), "train_loss": (0.1,) * epochs},
        "lr": tuple(schedule.curve(1, epochs).tolist()) if schedule else (),
        "seconds": (0.5,) * epochs,
        "steps_per_epoch": STEPS,
        "device": "cpu",
    }
    return TrialRecord(schedule=schedule, **{**given, **changes})


def make_result(*trials: TrialRecord, name: str = "bowl", folder: str | None = None, **settings: Any) -> SearchResult:
    """A search with those trials."""
    given = {"objective": "digits", "metric": "val_loss", "maximize": False, "epochs": 5, "optimizer": "sgd", "seed": 0}
    return SearchResult(name, {**given, **settings}, (), tuple(sorted(trials, key=lambda t: t.number)), folder)


def optimizer(*lrs: float, lr: float = 0.7) -> torch.optim.Optimizer:
    """A fresh optimizer with a group for each rate."""
    groups: list[dict[str, Any]] = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": x} for x in lrs or (lr,)]
    return torch.optim.SGD(groups, lr=lr)


def run_code(text: str) -> dict[str, Any]:
    """The names that exported code defines."""
    names: dict[str, Any] = {}
    exec(compile(text, "exported.py", "exec"), names)
    return names
