"""`lrsearch.scheduler`, `report` and `seed`: one function in a trial of any form, and by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lrsearch
from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Measurement, Run, UserObjective, train
from lrsearch.spaces import Schedule

STEPS = 4
SCHEDULE = Schedule("cosine", 0.2, 5, warmup=1)


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LRSEARCH_TRIAL", "LRSEARCH_SCHEDULE"):
        monkeypatch.delenv(name, raising=False)


def trained(length: int = 5, **how: Any) -> list[float]:
    """The rates of every step of a training over `length` epochs whose scheduler comes from `lrsearch.scheduler`."""
    optimizer = made_optimizer()
    return rates_of(optimizer, lrsearch.scheduler(optimizer, STEPS, **how), length)


def made_optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)


def rates_of(optimizer: torch.optim.SGD, scheduler: Any, length: int) -> list[float]:
    rates = []
    for _ in range(length * STEPS):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def assert_follows(rates: list[float], schedule: Schedule) -> None:
    np.testing.assert_allclose(rates, schedule.curve(STEPS), rtol=1e-12)


def test_by_hand_the_schedule_is_a_best_json_a_line_or_itself(tmp_path: Path) -> None:
    exported, bare = tmp_path / "best.json", tmp_path / "bare.json"
    exported.write_text(json.dumps({"kind": "lrsearch trial", "schedule": SCHEDULE.to_dict()}))
    bare.write_text(json.dumps(SCHEDULE.to_dict()))
    for given in (exported, str(bare), "cosine:base_lr=0.2,warmup=1,epochs=5", SCHEDULE):
        assert_follows(trained(schedule=given), SCHEDULE)


def test_the_environment_comes_before_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRSEARCH_SCHEDULE", "linear:base_lr=0.3,epochs=5")
    assert_follows(trained(schedule=SCHEDULE), Schedule("linear", 0.3, 5))


def test_a_schedule_is_stretched_to_the_length_of_the_training() -> None:
    assert_follows(trained(10, schedule=SCHEDULE, epochs=10), SCHEDULE.stretched(10))


def test_a_fallback_serves_where_there_is_no_schedule() -> None:
    optimizer = made_optimizer()
    own = torch.optim.lr_scheduler.LinearLR(optimizer)
    assert lrsearch.scheduler(optimizer, STEPS, fallback=own) is own
    made = lrsearch.scheduler(optimizer, STEPS, fallback=lambda o: torch.optim.lr_scheduler.StepLR(o, 3))
    assert isinstance(made, torch.optim.lr_scheduler.StepLR)
    assert_follows(rates_of(optimizer, lrsearch.scheduler(optimizer, STEPS, SCHEDULE, fallback=own), 5), SCHEDULE)


def test_what_else_was_searched_comes_from_the_same_file_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = replace(SCHEDULE, beside={"weight_decay": 1e-5, "norm": "layer"})
    (tmp_path / "best.json").write_text(json.dumps({"kind": "lrsearch trial", "schedule": schedule.to_dict()}))
    assert lrsearch.param("weight_decay", 0.01) == 0.01
    for given in (tmp_path / "best.json", schedule):
        assert lrsearch.param("weight_decay", 0.01, given) == 1e-5
    assert lrsearch.param("momentum", 0.9, schedule) == 0.9
    monkeypatch.setenv("LRSEARCH_SCHEDULE", str(tmp_path / "best.json"))
    assert (lrsearch.param("norm", "batch"), lrsearch.param("momentum", 0.9)) == ("layer", 0.9)
    monkeypatch.setenv("LRSEARCH_SCHEDULE", "linear:base_lr=0.3")
    assert lrsearch.param("weight_decay", 0.01) == 0.01
    with pytest.raises(
        InputError, match=r"no 'momentum': give it the usual value, as lrsearch\.param\('momentum', 0\.01"
    ):
        lrsearch.param("momentum")


def test_without_any_schedule_a_line_says_what_to_give() -> None:
    with pytest.raises(InputError, match=r"give a best.json to it or in \$LRSEARCH_SCHEDULE, or a fallback"):
        trained()
    with pytest.raises(InputError, match="says no length: add epochs=20"):
        trained(schedule="cosine:base_lr=0.2")
    with pytest.raises(InputError, match="cannot be read"):
        trained(schedule="nowhere/best.json")


def test_a_trial_that_is_over_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LRSEARCH_TRIAL", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="which is no trial under way: unset it to train by hand"):
        trained()


def test_by_hand_a_report_says_go_on_and_the_seed_is_the_scripts_own() -> None:
    assert lrsearch.report(val_loss=0.3)
    assert lrsearch.seed(7) == 7


def generator(run: Run) -> Iterator[dict[str, float]]:
    optimizer = made_optimizer()
    scheduler = lrsearch.scheduler(optimizer, STEPS, fallback=None)
    for _ in range(run.epochs):
        yield {"val_loss": sum(rates_of(optimizer, scheduler, 1)), "seed": lrsearch.seed()}


def pushes(run: Run) -> None:
    optimizer = made_optimizer()
    scheduler = lrsearch.scheduler(optimizer, STEPS)
    for _ in range(run.epochs):
        lrsearch.report(val_loss=sum(rates_of(optimizer, scheduler, 1)), seed=lrsearch.seed())


@pytest.mark.parametrize("job", [generator, pushes])
def test_within_a_trial_of_either_form_it_is_the_trials(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRSEARCH_SCHEDULE", "constant:base_lr=0.9,epochs=5")
    measurements: list[Measurement] = []
    objective = UserObjective(job, "sgd", epochs=5)
    train(objective, SCHEDULE, lambda m: not measurements.append(m), epochs=5, seed=3, device="cpu")  # type: ignore[func-returns-value]
    curve = SCHEDULE.curve(STEPS).reshape(5, STEPS)
    np.testing.assert_allclose([m.metrics["val_loss"] for m in measurements], curve.sum(1), rtol=1e-12)
    assert {m.metrics["seed"] for m in measurements} == {3}


def test_a_generator_that_reports_is_told_to_yield() -> None:
    def job(run: Run) -> Iterator[float]:
        lrsearch.scheduler(made_optimizer(), STEPS)
        lrsearch.report(val_loss=1)
        yield 1.0

    with pytest.raises(ObjectiveError, match="a generator yields"):
        next(UserObjective(job, "sgd").run(SCHEDULE, epochs=5, seed=0, device="cpu"))
