"""The baseline that follows the metric: its rates are those of PyTorch's ReduceLROnPlateau, however it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Measurement, Run, TaskObjective, UserObjective, get_task
from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.reports import train
from lrsearch.objectives.training import TorchStepper
from lrsearch.options import TaskOptions
from lrsearch.planning import make_plan
from lrsearch.spaces import Schedule, ScheduleSpace, schedule_from_line

LOSSES = (1.0, 0.5, 0.6, 0.6, 0.6, 0.4, 0.45, 0.45, 0.45, 0.45)
"""With a patience of 1, PyTorch drops the rate after epochs 4, 8 and 10, counted from 1."""
RATES = (*[0.1] * 4, *[0.05] * 4, *[0.025] * 2)
N = 3


def plateau(**params: Any) -> Schedule:
    return Schedule("plateau", 0.1, len(LOSSES), {"factor": 0.5, "patience": 1, **params})


def by_torch(values: Sequence[float], **options: Any) -> list[float]:
    """The rate in each epoch, by PyTorch alone."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    rule = ReduceLROnPlateau(optimizer, **{"factor": 0.5, "patience": 1, **options})
    rates = []
    for value in values:
        rates.append(float(optimizer.param_groups[0]["lr"]))
        rule.step(value)
    return rates


def epochs_of(run: Run, seen: list[list[float]], interval: str = "step") -> Iterator[dict[str, float]]:
    """A job with two groups, one at a tenth of the other's rate, that notes the rates of its steps."""
    one, two = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [one], "lr": 1.0}, {"params": [two], "lr": 0.1}])
    scheduler = run.scheduler(optimizer, N)
    for loss in LOSSES[: run.epochs]:
        for _ in range(N):
            optimizer.zero_grad()
            (one + two).square().sum().backward()
            seen.append([float(g["lr"]) for g in optimizer.param_groups])
            optimizer.step()
            if interval == "step":
                scheduler.step()
        if interval == "epoch":
            scheduler.step()
        yield {"val_loss": loss, "val_accuracy": 1 - loss}


def run_all(objective: UserObjective, schedule: Schedule) -> list[Measurement]:
    measured: list[Measurement] = []

    def see(measurement: Measurement) -> bool:
        measured.append(measurement)
        return True

    train(objective, schedule, see, epochs=len(LOSSES), seed=0, device="cpu")
    return measured


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("push", [False, True])
def test_a_users_loop_steps_at_the_rates_of_torchs_own_class(push: bool, interval: Any) -> None:
    seen: list[list[float]] = []

    def generator(run: Run) -> Iterator[dict[str, float]]:
        yield from epochs_of(run, seen, interval)

    def function(run: Run) -> None:
        for epoch, metrics in enumerate(epochs_of(run, seen, interval)):
            run.report(epoch, **metrics)

    schedule = Schedule("plateau", 0.1, len(LOSSES), {"factor": 0.5, "patience": 1}, interval=interval)
    measured = run_all(UserObjective(function if push else generator, "sgd", len(LOSSES)), schedule)
    assert by_torch(LOSSES) == pytest.approx(RATES)
    assert [m.lr for m in measured] == pytest.approx(RATES)
    steps = [rate for rate in RATES for _ in range(N)]
    assert [rate for rate, _ in seen] == pytest.approx(steps)
    assert [rate for _, rate in seen] == pytest.approx([rate / 10 for rate in steps])
    ran = schedule.ran([m.lr for m in measured])
    assert ran.curve(N).tolist() == pytest.approx(steps)
    assert ran == schedule
    assert ran.to_dict() == schedule.to_dict()


def test_a_metric_of_which_more_is_better_is_followed_upwards() -> None:
    objective = UserObjective(lambda run: (yield from epochs_of(run, [])), "sgd", len(LOSSES))
    measured = run_all(objective, plateau(metric="val_accuracy", mode="max", threshold=0.0, cooldown=2, min_lr=0.04))
    options = {"mode": "max", "threshold": 0.0, "cooldown": 2, "min_lr": 0.04}
    assert [m.lr for m in measured] == pytest.approx(by_torch([1 - loss for loss in LOSSES], **options))


def test_a_task_follows_its_own_loss_alone_and_in_lanes_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TaskObjective(get_task("digits"), TaskOptions(subset=200))
    schedule = Schedule("plateau", 0.1, 8, {"factor": 0.5, "patience": 0, "threshold": 0.05})
    alone = list(task.run(schedule, epochs=8, seed=0, device="cpu"))
    values = [m.metrics["val_loss"] for m in alone]
    expected = by_torch(values, patience=0, threshold=0.05)
    assert len(set(expected)) > 1, "the rate has to fall, or nothing is tested"
    assert [m.lr for m in alone] == pytest.approx(expected)
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", 2)
    lanes.put(0, schedule, seed=0, epochs=8)
    lanes.put(1, Schedule("constant", 0.1, 8), seed=0, epochs=8)
    side = [lanes.run_epoch() for _ in range(8)]
    assert [measured[0].lr for measured in side] == pytest.approx(expected)
    assert [measured[0].metrics["val_loss"] for measured in side] == pytest.approx(values, rel=1e-3)
    assert {measured[1].lr for measured in side} == {0.1}
    monkeypatch.setattr(
        "lrsearch.objectives.lanes.stepper.LaneStepper",
        lambda recipe, model, lrs, steps: TorchStepper(recipe, model, Schedule("constant", 0.1, 8), steps),
    )
    by_optimizer = list(task.run(schedule, epochs=8, seed=0, device="cpu"))
    assert [m.lr for m in by_optimizer] == pytest.approx(expected)
    assert [m.metrics["val_loss"] for m in by_optimizer] == pytest.approx(values, rel=1e-3)


def test_a_job_that_sets_its_rates_itself_cannot_follow() -> None:
    def objective(run: Run) -> Iterator[float]:
        assert run.schedule.base_lr
        yield 1.0

    with pytest.raises(ObjectiveError, match=r"sets its rates itself.* make its scheduler with run\.scheduler"):
        run_all(UserObjective(objective, "sgd", len(LOSSES)), plateau())


def test_a_metric_that_is_not_reported_is_named() -> None:
    objective = UserObjective(lambda run: (yield from epochs_of(run, [])), "sgd", len(LOSSES))
    with pytest.raises(ObjectiveError, match="follows 'f1', but only val_accuracy, val_loss are reported"):
        run_all(objective, plateau(metric="f1", mode="max"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("plateau:base_lr=0.1,factor=2", r"plateau\.factor must be between 1e-09 and 1"),
        ("plateau:base_lr=0.1,patience=2.5", r"plateau\.patience must be a multiple of 1"),
        ("plateau:base_lr=0.1,warmup=2", "plateau has no warm-up here"),
        ("plateau:base_lr=0.1,mode=up", r"plateau\.mode must be one of min, max"),
        ("plateau:base_lr=0.1,metric=a\nb", r"plateau\.metric must be a name"),
        ("plateau:base_lr=0.1,gamma=1", "is not NAME=VALUE with one of .*factor, patience, metric, mode"),
    ],
)
def test_what_makes_no_plateau_is_said(line: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        schedule_from_line(line, 10)


def test_it_is_no_curve_that_could_be_searched_or_made_beforehand() -> None:
    with pytest.raises(InputError, match=r"can only be a baseline, as --baseline plateau:base_lr"):
        ScheduleSpace(families=("plateau",))
    with pytest.raises(InputError, match="train with PyTorch's ReduceLROnPlateau"):
        plateau().scheduler(torch.optim.SGD([torch.zeros(1)], lr=1.0), N)
    assert plateau().ran([0.1, float("nan")]).course == plateau().ran([-0.1]).course == ()
    assert plateau().ran([0.1, 0.05]).stretched(20).course == ()
    assert plateau().ran([0.1, 0.05]).rescaled(0.2).course == ()


def test_the_plan_says_which_metric_is_followed(tmp_path: Any) -> None:
    from lrsearch.keywords import RunOptions

    def planned(**options: Any) -> Schedule | None:
        given = {"objective": "digits", "baseline": "plateau:base_lr=0.1,patience=3", "out": str(tmp_path), **options}
        return make_plan(RunOptions(**given)).baseline

    assert planned() == schedule_from_line("plateau:base_lr=0.1,patience=3,metric=val_loss", 20)
    own = planned(metric="val_accuracy")
    assert own is not None
    assert (own.params["metric"], own.params["mode"]) == ("val_accuracy", "max")
    kept = planned(metric="val_accuracy", baseline="plateau:base_lr=0.1,metric=val_loss")
    assert kept is not None
    assert (kept.params["metric"], kept.params["mode"]) == ("val_loss", "min")
    with pytest.raises(InputError, match="more of 'val_accuracy' is better: add mode=max"):
        planned(baseline="plateau:base_lr=0.1,metric=val_accuracy")
    with pytest.raises(InputError, match="whose metric it can follow: a function of your own or a built-in task"):
        planned(objective=None, arguments=("true",), optimizer="sgd")
