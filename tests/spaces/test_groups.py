"""Parameter groups with rates of their own: base_lr is the highest, the others keep their ratio to it at every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from schedules import SCHEDULES, STEPS, schedule_id

from lrsearch.errors import InputError
from lrsearch.spaces import Schedule
from lrsearch.spaces.groups import group_ratios


def optimizer(*groups: dict[str, Any], **defaults: Any) -> torch.optim.AdamW:
    """An optimizer of a weight for each group."""
    weights = [{"params": [torch.nn.Parameter(torch.zeros(1))], **group} for group in groups]
    return torch.optim.AdamW(weights, **defaults)


def rates(schedule: Schedule, opt: torch.optim.Optimizer) -> np.ndarray:
    """Every group's rate at every optimizer step, shape (steps, groups)."""
    scheduler = schedule.scheduler(opt, STEPS)
    by_step = []
    for step in range(1, len(schedule.curve(STEPS)) + 1):
        by_step.append([float(group["lr"]) for group in opt.param_groups])
        opt.step()
        if schedule.interval == "step" or step % STEPS == 0:
            scheduler.step()
    return np.array(by_step)


def assert_scaled(by_step: np.ndarray, schedule: Schedule, *ratios: float) -> None:
    curve = schedule.curve(STEPS)
    np.testing.assert_allclose(by_step, np.outer(curve, ratios), rtol=1e-9, atol=1e-12 * schedule.base_lr)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=schedule_id)
def test_a_body_with_a_tenth_of_the_heads_rate_has_a_tenth_at_every_step(schedule: Schedule) -> None:
    assert_scaled(rates(schedule, optimizer({"lr": 1e-4}, {}, lr=1e-3)), schedule, 0.1, 1)


def test_the_optimizers_default_rate_is_no_matter_where_every_group_has_its_own() -> None:
    schedule = Schedule("cosine", 0.3, 5, {"eta_min": 0.02}, warmup=1)
    assert_scaled(rates(schedule, optimizer({"lr": 0.2}, {"lr": 0.1}, {"lr": 0.0})), schedule, 1, 0.5, 0)


def test_rates_of_zero_leave_every_group_at_base_lr() -> None:
    schedule = Schedule("exp", 0.3, 5)
    assert_scaled(rates(schedule, optimizer({}, {}, lr=0.0)), schedule, 1, 1)


def test_lr_scale_of_timm_multiplies_the_groups_rate_once_however_often_a_scheduler_is_made() -> None:
    schedule = Schedule("cosine", 0.3, 5, {"eta_min": 0.02})
    opt = optimizer({"lr_scale": 0.25}, {"lr_scale": 1.0}, lr=1e-3)
    schedule.scheduler(opt, STEPS)
    assert_scaled(rates(schedule, opt), schedule, 0.25, 1)


def test_a_rate_kept_in_a_tensor_stays_one() -> None:
    opt = optimizer({}, {}, lr=torch.tensor(1e-3), foreach=False)
    Schedule("exp", 0.3, 5).scheduler(opt, STEPS)
    assert all(isinstance(group["lr"], torch.Tensor) for group in opt.param_groups)
    assert [float(group["lr"]) for group in opt.param_groups] == pytest.approx([0.3, 0.3])


def test_an_optimizer_that_makes_its_own_rates_is_refused_with_the_remedy() -> None:
    optimizer = torch.optim.Adafactor([torch.nn.Parameter(torch.zeros(1))])
    optimizer.param_groups[0]["lr"] = None
    with pytest.raises(InputError, match=r"Adafactor with lr=None makes its own rates.*relative_step=False"):
        group_ratios(optimizer)


def test_several_optimizers_share_one_base_lr_and_are_stepped_as_one() -> None:
    schedule = Schedule("cosine", 0.2, 5, {"eta_min": 0.02}, warmup=1)
    muon, adam = optimizer({}, lr=0.02), optimizer({"lr": 3e-4}, {}, lr=1e-3)
    scheduler, by_step = schedule.scheduler([muon, adam], STEPS), []
    for _ in range(len(schedule.curve(STEPS))):
        by_step.append(scheduler.get_last_lr())
        assert by_step[-1] == [group["lr"] for opt in (muon, adam) for group in opt.param_groups]
        muon.step()
        adam.step()
        scheduler.step()
    assert_scaled(np.array(by_step), schedule, 1, 0.015, 0.05)
    assert scheduler.last_epoch == len(by_step)


def test_schedulers_of_several_optimizers_go_on_from_their_state() -> None:
    schedule, pairs = Schedule("exp", 0.2, 5), [[optimizer({}, lr=0.02), optimizer({}, lr=1e-3)] for _ in range(2)]
    first, again = (schedule.scheduler(pair, STEPS) for pair in pairs)
    for opt in pairs[0]:
        opt.step()
    first.step()
    again.load_state_dict(first.state_dict())
    assert again.last_epoch == 1
    assert again.get_last_lr() == first.get_last_lr()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "a list of different ones"),
        (optimizer, "needs an optimizer, or a list of them; got function"),
    ],
)
def test_what_a_schedule_cannot_train_is_said_in_a_line(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Schedule("exp", 0.1, 5).scheduler(given, STEPS)
