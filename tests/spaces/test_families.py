"""One contract for every registered family: PyTorch's own scheduler is the reference."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD

from lrsearch.errors import InputError
from lrsearch.spaces import DEFAULT_FAMILIES, FAMILIES, Choice, Schedule, ScheduleSpace
from lrsearch.spaces.families import register

EVERY = pytest.mark.parametrize("family", FAMILIES)


def make_optimizer(lr: float = 0.5) -> SGD:
    return SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def pytorch_lrs(schedule: Schedule, steps_per_epoch: int, steps: int) -> list[float]:
    """The rates that PyTorch's scheduler sets, stepped after the optimizer as it asks for."""
    optimizer = make_optimizer()
    scheduler = schedule.scheduler(optimizer, steps_per_epoch)
    lrs = []
    for step in range(steps):
        lrs.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if schedule.interval == "step" or (step + 1) % steps_per_epoch == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                scheduler.step()
    return lrs


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any family with parameters well beyond the default ranges."""
    family = FAMILIES[draw(st.sampled_from(list(FAMILIES)))]
    horizon = draw(st.one_of(st.integers(1, 12), st.floats(0.3, 12)))
    base_lr = draw(st.floats(1e-6, 10))
    params: dict[str, float | str] = {}
    for p in family.params:
        if isinstance(p.valid, Choice):
            params[p.name] = draw(st.sampled_from(p.valid.options))
        elif p.unit == "epochs":
            params[p.name] = draw(st.floats(0.01, 2 * horizon))
        elif p.unit == "lr":
            params[p.name] = base_lr * draw(st.sampled_from([0.0, 1.0, draw(st.floats(0, 1))]))
        else:
            params[p.name] = draw(st.floats(max(p.valid.low, 0.01), min(p.valid.high, 5.0)))
    warmup = draw(st.one_of(st.just(0.0), st.floats(0, 0.99))) * horizon
    interval = draw(st.sampled_from(["step", "epoch"]))
    return Schedule(family.name, base_lr, horizon, params, warmup, draw(st.floats(1e-3, 1)), interval)  # type: ignore[arg-type]


@given(schedules(), st.integers(1, 9), st.floats(0.5, 2.5))
def test_the_closed_form_equals_pytorch_at_every_step(schedule: Schedule, steps_per_epoch: int, longer: float) -> None:
    lrs = schedule.curve(steps_per_epoch, schedule.horizon * longer)
    found = pytorch_lrs(schedule, steps_per_epoch, len(lrs))
    np.testing.assert_allclose(found, lrs, rtol=1e-6, atol=1e-12 * schedule.base_lr)


@given(schedules())
def test_a_schedule_survives_json(schedule: Schedule) -> None:
    import json

    assert Schedule.from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule


@given(schedules(), st.integers(1, 6))
def test_stretching_keeps_the_shape(schedule: Schedule, times: int) -> None:
    steps = 60
    before = schedule.curve(steps * times)
    after = schedule.stretched(schedule.horizon * times).curve(steps)
    if schedule.interval == "step" and len(before) == len(after):
        # jumps and roundings to whole steps may move by a step
        assert np.mean(np.isclose(before, after, rtol=0.05, atol=0.05 * schedule.base_lr)) > 0.9


@EVERY
def test_the_first_rate_is_the_warmup_start_and_the_peak_is_base_lr(family: str) -> None:
    schedule = Schedule(family, base_lr=0.2, horizon=10, warmup=2, warmup_start=0.05)
    lrs = schedule.curve(50)
    assert lrs[0] == pytest.approx(0.01)
    assert lrs[100] == pytest.approx(0.2)
    assert np.all(np.diff(lrs[:101]) > 0)
    assert lrs.max() == pytest.approx(0.2)


@EVERY
def test_without_warmup_the_first_rate_is_base_lr(family: str) -> None:
    assert Schedule(family, base_lr=0.2, horizon=10).curve(7)[0] == 0.2


@EVERY
@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_horizon_of_one_epoch_works(family: str, interval: str) -> None:
    schedule = Schedule(family, base_lr=0.2, horizon=1, interval=interval)  # type: ignore[arg-type]
    assert len(schedule.curve(5)) == 5
    assert len(schedule.curve(1)) == 1
    assert pytorch_lrs(schedule, 5, 5)[0] == 0.2


@EVERY
def test_per_epoch_rates_change_only_between_epochs(family: str) -> None:
    lrs = Schedule(family, base_lr=0.2, horizon=8, warmup=2, interval="epoch").curve(5).reshape(8, 5)
    assert np.all(lrs == lrs[:, :1])


@EVERY
def test_param_groups_keep_their_ratio(family: str) -> None:
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 0.05}], lr=0.5)
    Schedule(family, base_lr=0.2, horizon=4).scheduler(optimizer, 3)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.2, 0.02])


@EVERY
def test_a_second_scheduler_on_one_optimizer_starts_afresh(family: str) -> None:
    optimizer = make_optimizer()
    for base_lr in (0.3, 0.2):
        Schedule(family, base_lr=base_lr, horizon=4, warmup=1).scheduler(optimizer, 3)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * base_lr)


@EVERY
def test_every_family_is_described(family: str) -> None:
    found = FAMILIES[family]
    assert found.summary
    assert found.reference
    assert all(p.summary for p in found.params)
    with pytest.raises(ValueError, match="registered already"):
        register(found)


def test_golden_values() -> None:
    """The tutorial's figures: lr 0.1, gamma 0.98 and 0.65, T_max 150."""

    def at(epoch: int, family: str, **params: float) -> float:
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


def test_zero_warmup_is_not_joined() -> None:
    """SequentialLR starts at the wrong rate when its first part has no length."""
    schedule = Schedule("cosine", 0.1, 5)
    assert type(schedule.scheduler(make_optimizer(), 4)).__name__ == "CosineAnnealingLR"
    warm = Schedule("cosine", 0.1, 5, warmup=1)
    assert type(warm.scheduler(make_optimizer(), 4)).__name__ == "SequentialLR"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"base_lr": 0}, "base_lr must be a number from 1e-30 to"),
        ({"base_lr": math.nan}, "base_lr"),
        ({"horizon": -1}, "horizon"),
        ({"warmup": 10}, "shorter than the horizon of 10 epochs"),
        ({"warmup": -1}, "at least 0"),
        ({"warmup_start": 0}, "warmup_start"),
        ({"interval": "batch"}, "'step' or 'epoch'"),
        ({"family": "cosin"}, "Did you mean 'cosine'"),
        ({"params": {"gamma": 0.9}}, "cosine has no parameter 'gamma'; it takes T_max, eta_min"),
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
    assert set(FAMILIES) == {*DEFAULT_FAMILIES, "constant", "linear", "poly", "rex", "wsd"}


def every_space() -> Iterator[ScheduleSpace]:
    for interval in ("step", "epoch"):
        for horizon in (1, 2, 7, 30.5):
            yield ScheduleSpace(tuple(FAMILIES), horizon, interval=interval)  # type: ignore[arg-type]


def test_default_ranges_give_valid_schedules_for_every_horizon() -> None:
    rng = np.random.default_rng(0)
    for space in every_space():
        found = space.sample(rng, 200)
        assert {s.family for s in found} == set(FAMILIES)
        assert all(np.all(np.isfinite(s.curve(3))) for s in found)
        assert any(s.warmup == 0 for s in found)
