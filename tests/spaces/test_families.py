"""One contract for every registered family and for two from a user's file: PyTorch's own scheduler is the reference."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD

from lrsearch.families import choose_families
from lrsearch.spaces import FAMILIES, Choice, Param, Schedule, ScheduleSpace, space_from_toml, space_to_toml
from lrsearch.spaces.families import BUILT_IN, register

FILE = Path(__file__).parents[1] / "families_of_a_user.py"
NAMES = [*FAMILIES, "two_slopes", "sawtooth"]
EVERY = pytest.mark.parametrize("family", NAMES)


@pytest.fixture(autouse=True, scope="module")
def of_a_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Families from a temporary folder are known, and forgotten afterwards."""
    copy = tmp_path_factory.mktemp("user") / "shapes.py"
    copy.write_text(FILE.read_text())
    assert choose_families([f"{copy}:two_slopes", f"{copy}:SAWTOOTH"]) == ("two_slopes", "sawtooth")
    copy.unlink()
    yield
    for name in set(FAMILIES) - BUILT_IN:
        del FAMILIES[name]


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


def values(param: Param, horizon: float, base_lr: float) -> st.SearchStrategy[float | str]:
    """Values of a parameter well beyond the default ranges."""
    if isinstance(param.valid, Choice):
        return st.sampled_from(param.valid.options)
    if param.unit == "epochs":
        return st.floats(0.01, 2 * horizon)
    if param.unit == "lr":
        return (st.sampled_from([0.0, 1.0]) | st.floats(0, 1)).map(lambda share: base_lr * share)
    if param.valid.step:
        return st.integers(int(param.valid.low), 5).map(float)
    return st.floats(max(param.valid.low, 0.01), min(param.valid.high, max(5.0, param.valid.low)))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any family with parameters well beyond the default ranges."""
    family = FAMILIES[draw(st.sampled_from(NAMES))]
    horizon = draw(st.one_of(st.integers(1, 12), st.floats(0.3, 12)))
    base_lr = draw(st.floats(1e-6, 10))
    params = {p.name: draw(values(p, horizon, base_lr)) for p in family.params}
    warmup = 0.0 if family.rises else draw(st.one_of(st.just(0.0), st.floats(0, 0.99))) * horizon
    interval = draw(st.sampled_from(["step", "epoch"]))
    shape = draw(st.sampled_from(["linear", "cosine", "exponential"]))
    start = draw(st.floats(1e-3, 1) if shape == "exponential" else st.just(0.0) | st.floats(1e-3, 1))
    return Schedule(family.name, base_lr, horizon, params, warmup, start, interval, shape)  # type: ignore[arg-type]


@given(schedules(), st.integers(1, 9), st.floats(0.5, 2.5))
def test_the_closed_form_equals_pytorch_at_every_step(schedule: Schedule, steps_per_epoch: int, longer: float) -> None:
    lrs = schedule.curve(steps_per_epoch, schedule.horizon * longer)
    of_pytorch = pytorch_lrs(schedule, steps_per_epoch, len(lrs))
    np.testing.assert_allclose(of_pytorch, lrs, rtol=1e-6, atol=1e-12 * schedule.base_lr)


@given(schedules())
def test_a_schedule_survives_json(schedule: Schedule) -> None:
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
    if FAMILIES[family].rises:
        pytest.skip("it has no other warm-up")
    schedule = Schedule(family, base_lr=0.2, horizon=10, warmup=2, warmup_start=0.05)
    lrs = schedule.curve(50)
    assert lrs[0] == pytest.approx(0.01)
    assert lrs[100] == pytest.approx(0.2)
    assert np.all(np.diff(lrs[:101]) > 0)
    assert lrs.max() == pytest.approx(0.2)


@EVERY
def test_without_warmup_the_first_rate_is_base_lr_unless_it_rises(family: str) -> None:
    lrs = Schedule(family, base_lr=0.2, horizon=10).curve(50)
    assert lrs.max() == pytest.approx(0.2, rel=1e-3)
    assert (lrs[0] == 0.2) != FAMILIES[family].rises


@EVERY
@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_horizon_of_one_epoch_works(family: str, interval: str) -> None:
    schedule = Schedule(family, base_lr=0.2, horizon=1, interval=interval)  # type: ignore[arg-type]
    assert len(schedule.curve(5)) == 5
    assert len(schedule.curve(1)) == 1
    assert pytorch_lrs(schedule, 5, 5)[0] == pytest.approx(schedule.curve(5)[0])


@EVERY
def test_per_epoch_rates_change_only_between_epochs(family: str) -> None:
    warmup = 0 if FAMILIES[family].rises else 2
    lrs = Schedule(family, base_lr=0.2, horizon=8, warmup=warmup, interval="epoch").curve(5).reshape(8, 5)
    assert np.all(lrs == lrs[:, :1])


@EVERY
def test_param_groups_keep_their_ratio(family: str) -> None:
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    groups: list[dict[str, Any]] = [{"params": [a]}, {"params": [b], "lr": 0.05}]
    optimizer = SGD(groups, lr=0.5)
    schedule = Schedule(family, base_lr=0.2, horizon=4)
    schedule.scheduler(optimizer, 3)
    first = schedule.curve(3)[0]
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([first, first / 10])


@EVERY
def test_a_second_scheduler_on_one_optimizer_starts_afresh(family: str) -> None:
    optimizer = make_optimizer()
    for base_lr in (0.3, 0.2):
        schedule = Schedule(family, base_lr=base_lr, horizon=4, warmup=0 if FAMILIES[family].rises else 1)
        schedule.scheduler(optimizer, 3)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(schedule.curve(3)[0])


@EVERY
@pytest.mark.parametrize("saved_after", [1, 4, 9])
def test_a_schedule_goes_on_exactly_after_its_state_is_saved_and_loaded(family: str, saved_after: int) -> None:
    schedule = Schedule(family, base_lr=0.2, horizon=5, warmup=0 if FAMILIES[family].rises else 1, warmup_start=0.0)

    def rates(state: bytes | None, start: int, end: int) -> tuple[list[float], bytes]:
        optimizer = make_optimizer()
        scheduler = schedule.scheduler(optimizer, 3)
        if state:
            for part, saved in zip((optimizer, scheduler), torch.load(io.BytesIO(state)), strict=True):
                part.load_state_dict(saved)  # type: ignore[attr-defined]
        rates = []
        for _ in range(start, end):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step()
        file = io.BytesIO()
        torch.save([optimizer.state_dict(), scheduler.state_dict()], file)
        return rates, file.getvalue()

    before, state = rates(None, 0, saved_after)
    assert before + rates(state, saved_after, 15)[0] == rates(None, 0, 15)[0]


@EVERY
def test_every_family_is_described(family: str) -> None:
    known = FAMILIES[family]
    assert known.summary
    assert known.reference
    assert known.used_by or family not in BUILT_IN
    assert all(p.summary for p in known.params)
    with pytest.raises(ValueError, match="registered already"):
        register(known)


def every_space() -> Iterator[ScheduleSpace]:
    for interval in ("step", "epoch"):
        for horizon in (1, 2, 7, 30.5):
            yield ScheduleSpace(tuple(NAMES), horizon, interval=interval)


def test_default_ranges_give_valid_schedules_for_every_horizon() -> None:
    rng = np.random.default_rng(0)
    for space in every_space():
        schedules = space.sample(rng, 200)
        assert {s.family for s in schedules} == set(NAMES)
        assert all(np.all(np.isfinite(s.curve(3))) for s in schedules)
        assert any(s.warmup == 0 for s in schedules)


@EVERY
def test_every_parameter_can_be_searched_and_the_usual_values_are_valid(family: str) -> None:
    ranges = {f"{family}.{p.name}": p.search(10) for p in FAMILIES[family].params}
    space = ScheduleSpace((family,), 10, ranges=ranges)
    assert space_from_toml(space_to_toml(space), ScheduleSpace(horizon=10)) == space
    for schedule in space.sample(np.random.default_rng(0), 50):
        assert space.contains(schedule)
        assert np.all(np.isfinite(schedule.curve(3)))
