"""Values that families must give, and what schedules refuse."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.interpolate import PchipInterpolator
from torch.optim import SGD, lr_scheduler

from lrsearch.errors import InputError
from lrsearch.spaces import DEFAULT_FAMILIES, Range, Schedule, ScheduleSpace


def test_golden_values() -> None:
    """The tutorial's figures: lr 0.1, gamma 0.98 and 0.65, T_max 150."""

    def at(epoch: int, family: str, **params: float | str) -> float:
        return float(Schedule(family, 0.1, 150, params, interval="epoch").curve(1, epochs=400)[epoch])

    assert at(100, "exp", gamma=0.98) == pytest.approx(0.1 * 0.98**100)
    assert at(59, "step", gamma=0.65, step_size=30) == pytest.approx(0.065)
    assert at(60, "step", gamma=0.65, step_size=30) == pytest.approx(0.04225)
    assert at(75, "cosine", T_max=150, eta_min=0) == pytest.approx(0.05)
    assert at(150, "cosine", T_max=150, eta_min=0) == pytest.approx(0)
    assert at(300, "cosine", T_max=150, eta_min=0) == pytest.approx(0.1)
    assert at(50, "linear") == pytest.approx(0.1 * 2 / 3)
    assert at(75, "poly", power=2) == pytest.approx(0.025)
    assert at(75, "rex") == pytest.approx(0.1 * 0.5 / 0.75)
    assert at(135, "wsd", cooldown=30, shape="1-sqrt") == pytest.approx(0.1 * (1 - math.sqrt(0.5)))
    assert at(135, "wsd", cooldown=30, shape="linear") == pytest.approx(0.05)
    assert at(120, "wsd", cooldown=30, shape="linear") == pytest.approx(0.1)
    assert at(140, "constant") == 0.1
    assert at(135, "wsd", cooldown=30, shape="linear", end_factor=0.2) == pytest.approx(0.06)
    assert at(135, "wsd", cooldown=30, shape="cosine") == pytest.approx(0.05)
    assert at(135, "wsd", cooldown=30, shape="exponential") == pytest.approx(0.1 * (math.sqrt(2) - 1))
    assert at(150, "wsd", cooldown=30, shape="cosine", end_factor=0.1) == pytest.approx(0.01)
    assert at(75, "poly", power=2, end_factor=0.1) == pytest.approx(0.01 + 0.09 / 4)
    assert at(300, "cosine", T_max=150, eta_min=0.01, after="hold") == pytest.approx(0.01)
    assert [at(e, "multistep") for e in (74, 75, 113, 399)] == pytest.approx([0.1, 0.01, 0.001, 0.001])
    assert at(90, "inverse_sqrt", timescale=30) == pytest.approx(0.05)
    assert at(120, "inverse_sqrt", timescale=40, cooldown=60) == pytest.approx(0.025)
    assert at(75, "cosine_restarts", T_0=50, T_mult=1) == pytest.approx(0.05)
    assert [at(e, "cosine_restarts", T_0=50, T_mult=2) for e in (49, 50, 100)] == pytest.approx(
        [9.87e-5, 0.1, 0.05], 1e-3
    )
    assert [at(e, "onecycle") for e in (0, 44, 149)] == pytest.approx([0.004, 0.1, 4e-7])


def test_zero_warmup_is_not_joined() -> None:
    """SequentialLR starts at the wrong rate when its first part has no length."""
    schedule = Schedule("cosine", 0.1, 5)
    assert (
        type(schedule.scheduler(SGD([torch.zeros(1, requires_grad=True)], lr=0.5), 4)).__name__ == "CosineAnnealingLR"
    )
    warm = Schedule("cosine", 0.1, 5, warmup=1)
    assert type(warm.scheduler(SGD([torch.zeros(1, requires_grad=True)], lr=0.5), 4)).__name__ == "SequentialLR"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"base_lr": 0}, "base_lr must be a number from 1e-30 to"),
        ({"base_lr": math.nan}, "base_lr"),
        ({"horizon": -1}, "horizon"),
        ({"warmup": 10}, "shorter than the horizon of 10 epochs"),
        ({"warmup": -1}, "at least 0"),
        ({"warmup_start": -0.1}, "warmup_start"),
        ({"warmup_shape": "sine"}, "one of linear, cosine, exponential, got 'sine'"),
        ({"warmup_shape": "exponential", "warmup_start": 0}, "cannot start at 0"),
        ({"family": "onecycle", "warmup": 1}, "warms up by itself"),
        ({"family": "cosine_restarts", "params": {"T_mult": 1.5}}, "must be a multiple of 1, got 1.5"),
        ({"interval": "batch"}, "'step' or 'epoch'"),
        ({"family": "cosin"}, "Did you mean 'cosine'"),
        ({"params": {"gamma": 0.9}}, "cosine has no parameter 'gamma'; it takes T_max, eta_min, after"),
        ({"params": {"T_max": 0}}, "cosine.T_max"),
        ({"params": {"eta_min": 0.2}}, "eta_min must not exceed base_lr"),
        ({"params": {"T_max": "5"}}, "cosine.T_max"),
    ],
)
def test_nonsense_is_refused(change: dict[str, object], says: str) -> None:
    good: dict[str, object] = {"family": "cosine", "base_lr": 0.1, "horizon": 10}
    with pytest.raises(InputError, match=says):
        Schedule(**{**good, **change})  # type: ignore[arg-type]


def test_the_default_families_are_those_of_the_source() -> None:
    assert DEFAULT_FAMILIES == ("exp", "step", "cosine")


def test_schedules_stored_before_families_had_more_parameters_mean_the_same() -> None:
    old = {"base_lr": 0.1, "horizon": 10, "warmup": 1.0, "warmup_start": 0.01, "interval": "step"}
    for family, params in {
        "cosine": {"T_max": 4.0, "eta_min": 0.01},
        "wsd": {"cooldown": 3.0, "shape": "1-sqrt"},
        "poly": {"power": 2.0},
    }.items():
        data = {**old, "family": family, "params": params}
        schedule = Schedule.from_dict(data)
        assert schedule.to_dict() == data
        t = np.arange(270) / 27
        expected = {
            "cosine": 0.01 + 0.09 * (1 + np.cos(np.pi * t / 4)) / 2,
            "wsd": 0.1 * (1 - np.sqrt(np.clip((t - 6) / 3, 0, 1))),
            "poly": 0.1 * (1 - np.minimum(t / 9, 1)) ** 2,
        }[family]
        np.testing.assert_allclose(schedule.curve(27)[27:], expected[:243], atol=1e-15)


@pytest.mark.parametrize("anneal", ["cos", "linear"])
@pytest.mark.parametrize("pct_start", [0.1, 0.3, 0.55])
def test_onecycle_is_pytorchs_own_without_the_momentum(pct_start: float, anneal: Literal["cos", "linear"]) -> None:
    params: dict[str, float | str] = {
        "pct_start": pct_start,
        "anneal_strategy": anneal,
        "div_factor": 10.0,
        "final_div_factor": 100.0,
    }
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = lr_scheduler.OneCycleLR(
        optimizer, 0.2, total_steps=40, pct_start=pct_start, anneal_strategy=anneal,
        cycle_momentum=False, div_factor=10.0, final_div_factor=100.0,
    )  # fmt: skip
    rates: list[float] = []
    for _ in range(40):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        theirs.step()
    np.testing.assert_allclose(Schedule("onecycle", 0.2, 10, params).curve(4), rates, rtol=1e-12)


def test_a_spline_is_scipys_pchip_only_falls_and_comes_close_to_other_families() -> None:
    x = np.arange(200) / 200
    params = {"x1": 0.3, "y1": 0.9, "x2": 0.5, "y2": 0.2, "end_factor": 0.1}
    pchip = PchipInterpolator([0, 0.3, 0.65, 1], [1, 0.91, 0.1 + 0.81 * 0.2, 0.1])
    np.testing.assert_allclose(Schedule("spline", 0.2, 10, params).curve(20), 0.2 * pchip(x), rtol=1e-12)
    line = Schedule("spline", 1, 10, {"x1": 0.25, "y1": 0.75, "x2": 0.5, "y2": 0.5}).curve(20)
    np.testing.assert_allclose(line, Schedule("linear", 1, 10).curve(20), atol=1e-12)
    rng = np.random.default_rng(0)
    for schedule in ScheduleSpace(("spline",), 10, base_lr=Range(1, 1)).sample(rng, 300):
        lrs = replace(schedule, warmup=0.0).curve(20)
        assert np.all(np.diff(lrs) <= 1e-12)
        assert lrs.min() >= 0
    assert np.abs(Schedule("spline", 1, 10).curve(20) - Schedule("cosine", 1, 10).curve(20)).max() < 0.04


def test_warmups_have_three_shapes_and_may_start_at_zero() -> None:
    def halfway(shape: str, start: float) -> tuple[float, float, float]:
        lrs = Schedule("constant", 0.2, 10, warmup=4, warmup_start=start, warmup_shape=shape).curve(10)  # type: ignore[arg-type]
        return float(lrs[0]), float(lrs[20]), float(lrs[40])

    assert halfway("linear", 0.0) == pytest.approx((0.0, 0.1, 0.2))
    assert halfway("cosine", 0.0) == pytest.approx((0.0, 0.1, 0.2))
    assert halfway("cosine", 0.5) == pytest.approx((0.1, 0.15, 0.2))
    assert halfway("exponential", 0.01) == pytest.approx((0.002, 0.02, 0.2))
    assert Schedule("constant", 0.2, 8, warmup=4, warmup_shape="cosine").curve(1)[1] == pytest.approx(
        0.2 * (0.01 + 0.99 * (1 - math.cos(math.pi / 4)) / 2)
    )


def test_a_schedule_in_words_tells_an_unusual_warmup() -> None:
    assert Schedule("rex", 0.1, 10, warmup=1).describe() == "rex, base_lr 0.1, warmup 1, 10 epochs"
    unusual = Schedule("rex", 0.1, 10, warmup=1, warmup_start=0, warmup_shape="cosine")
    assert unusual.describe() == "rex, base_lr 0.1, warmup 1 (cosine from 0 of base_lr), 10 epochs"
