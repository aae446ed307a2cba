"""Groups with rates of their own get the searched rates from every format; the trained optimizer is named as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from schedules import SCHEDULES, STEPS, make_record, run_code, schedule_id

from lrsearch.errors import InputError
from lrsearch.objectives import TrainedOptimizer
from lrsearch.reports.export import export, read_best
from lrsearch.spaces import Schedule

SOME = [s for s in SCHEDULES if s.horizon == 5]


def two_groups(**head: Any) -> torch.optim.AdamW:
    """A body with a tenth of the head's rate, as people fine-tune."""
    body, weight = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    return torch.optim.AdamW([{"params": [body], "lr": 1e-4}, {"params": [weight], **head}], lr=1e-3, weight_decay=0.1)


def record_of(schedule: Schedule, optimizer: torch.optim.Optimizer) -> Any:
    return make_record(schedule, optimizer=TrainedOptimizer.of(optimizer))


def rates_of(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def stepped(schedule: Schedule, optimizer: torch.optim.Optimizer, step: Any) -> np.ndarray:
    """Every group's rate at every optimizer step, shape (steps, groups); `step(n)` follows the nth."""
    rates = []
    for done in range(1, len(schedule.curve(STEPS)) + 1):
        rates.append(rates_of(optimizer))
        optimizer.step()
        step(done)
    return np.array(rates)


def assert_scaled(rates: np.ndarray, schedule: Schedule, *ratios: float) -> None:
    expected = np.outer(schedule.curve(STEPS), ratios)
    np.testing.assert_allclose(rates, expected, rtol=1e-9, atol=1e-12 * schedule.base_lr)


def per_epoch(schedule: Schedule, scheduler: Any) -> Any:
    """Steps a PyTorch scheduler where the schedule wants it."""
    return lambda done: (schedule.interval == "step" or done % STEPS == 0) and scheduler.step()


@pytest.mark.parametrize("schedule", SOME, ids=schedule_id)
def test_torch_and_best_json_give_a_body_a_tenth_of_the_heads_rate(schedule: Schedule, tmp_path: Path) -> None:
    optimizer = two_groups()
    record = record_of(schedule, optimizer)
    scheduler = run_code(export(record, None, "torch"))["build_scheduler"](optimizer, STEPS)
    rates = stepped(schedule, optimizer, per_epoch(schedule, scheduler))
    assert_scaled(rates, schedule, 0.1, 1)
    (tmp_path / "best.json").write_text(export(record, None, "json"))
    again = read_best(tmp_path / "best.json")
    assert again == record
    assert again.schedule is not None
    optimizer = two_groups()
    scheduler = again.schedule.scheduler(optimizer, STEPS)
    np.testing.assert_array_equal(stepped(schedule, optimizer, per_epoch(schedule, scheduler)), rates)


@pytest.mark.parametrize("schedule", SOME, ids=schedule_id)
def test_timm_gives_a_body_a_tenth_of_the_heads_rate_or_export_refuses(schedule: Schedule) -> None:
    pytest.importorskip("timm")
    optimizer = two_groups(lr_scale=0.5)
    try:
        names = run_code(export(record_of(schedule, optimizer), None, "timm"))
    except InputError as refusal:  # which ones it refuses is tested with the other libraries
        pytest.skip(str(refusal))
    scheduler = names["build_scheduler"](optimizer, STEPS)

    def step(done: int) -> None:
        scheduler.step_update(num_updates=done)
        if done % STEPS == 0:
            scheduler.step(done // STEPS)

    assert_scaled(stepped(schedule, optimizer, step), schedule, 0.2, 1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec:FutureWarning")
@pytest.mark.parametrize(
    "schedule", [SOME[0], Schedule("cosine", 0.3, 5, {"eta_min": 0.05}, warmup=1)], ids=schedule_id
)
def test_lightning_gives_a_body_a_tenth_of_the_heads_rate(schedule: Schedule, tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    optimizer = two_groups()
    names = run_code(export(record_of(schedule, optimizer), None, "lightning"))
    rates: list[list[float]] = []
    optimizer.register_step_pre_hook(lambda *_: rates.append(rates_of(optimizer)))

    class Model(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.ParameterList(p for group in optimizer.param_groups for p in group["params"])

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            return (batch.mean() * sum(self.weights)).square().mean()

        def configure_optimizers(self) -> Any:
            return names["with_scheduler"](optimizer, self.trainer)

    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = lightning.Trainer(max_epochs=5, accelerator="cpu", default_root_dir=tmp_path, **quiet)
    trainer.fit(Model(), torch.utils.data.DataLoader(torch.ones(STEPS, 1)))  # type: ignore[arg-type]
    assert_scaled(np.array(rates), schedule, 0.1, 1)


def test_transformers_has_one_rate_for_all_and_says_so() -> None:
    with pytest.raises(
        InputError, match=r"groups had different ones\. Formats that can: torch, lightning.*optimizers="
    ):
        export(record_of(Schedule("cosine", 0.3, 5), two_groups()), None, "transformers")


def test_code_for_one_rate_refuses_groups_that_would_share_a_smallest_rate() -> None:
    schedule = Schedule("cosine", 0.3, 5, {"eta_min": 0.05})
    code = export(make_record(schedule), None, "torch")
    with pytest.raises(ValueError, match="the smallest rate would be the same"):
        run_code(code)["build_scheduler"](two_groups(), STEPS)


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [
        (
            lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True, weight_decay=5e-4),
            "torch.optim.SGD(model.parameters(), lr=BASE_LR, momentum=0.9, weight_decay=0.0005, nesterov=True)",
        ),
        (lambda p: torch.optim.RMSprop(p, alpha=0.9), "torch.optim.RMSprop(model.parameters(), lr=BASE_LR, alpha=0.9)"),
        (lambda p: torch.optim.AdamW(p, betas=(0.9, 0.95)), "AdamW(model.parameters(), lr=BASE_LR, betas=(0.9, 0.95))"),
        (lambda p: torch.optim.Adadelta(p), "torch.optim.Adadelta(model.parameters(), lr=BASE_LR)"),
        (
            lambda p: torch.optim.AdamW([{"params": p[:1], "lr": 1e-4}, {"params": p[1:]}], weight_decay=0.1),
            "torch.optim.AdamW(groups, lr=0.001, weight_decay=0.1)  # the groups of the search, with their rates",
        ),
    ],
)
def test_code_shows_the_optimizer_that_was_trained(optimizer: Any, says: str) -> None:
    made = optimizer([torch.nn.Parameter(torch.zeros(1)) for _ in range(2)])
    record = record_of(Schedule("exp", 0.3, 5), made)
    assert all(says in export(record, None, name) for name in ("torch", "timm"))
    assert says.replace("model.", "self.") in export(record, None, "lightning")


def test_the_call_that_code_shows_gives_groups_the_ratio_of_the_search() -> None:
    def groups() -> list[dict[str, Any]]:
        return [{"params": [torch.nn.Parameter(torch.zeros(1))], **own} for own in ({"lr": 1e-4}, {})]

    record = record_of(Schedule("exp", 0.3, 5), torch.optim.AdamW(groups(), lr=5e-4))
    code = export(record, None, "torch")
    (call,) = (line.partition("=")[2] for line in code.splitlines() if line.startswith("    optimizer = "))
    optimizer = eval(call, {"torch": torch, "groups": groups()})
    run_code(code)["build_scheduler"](optimizer, STEPS)
    assert rates_of(optimizer) == pytest.approx([0.06, 0.3])


@pytest.mark.parametrize(
    "damage",
    [
        {"name": "torch.optim.SGD(); import os"},
        {"options": {"x": "a b"}},
        {"options": {"a b": 1}},
        {"ratios": ["1; x"]},
    ],
)
def test_an_optimizer_in_best_json_that_is_code_is_refused(damage: dict[str, Any], tmp_path: Path) -> None:
    data = json.loads(export(record_of(Schedule("exp", 0.3, 5), two_groups()), None, "json"))
    data["optimizer"] |= damage
    (tmp_path / "best.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="not an optimizer"):
        read_best(tmp_path / "best.json")


@pytest.mark.parametrize("schedule", SOME, ids=schedule_id)
def test_torch_and_best_json_give_several_optimizers_their_share_of_one_base_lr(
    schedule: Schedule, tmp_path: Path
) -> None:
    def made() -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02, momentum=0.9), two_groups()]

    record = make_record(schedule, optimizer=TrainedOptimizer.of(*made()))
    code, optimizers = export(record, None, "torch"), made()
    schedulers = run_code(code)["build_scheduler"](optimizers, STEPS)
    assert "torch.optim.SGD(..., lr=0.02, momentum=0.9), torch.optim.AdamW(..., lr=0.001, weight_decay=0.1)" in code
    (tmp_path / "best.json").write_text(export(record, None, "json"))
    again = read_best(tmp_path / "best.json")
    assert again == record
    assert again.schedule is not None
    others = made()
    together = again.schedule.scheduler(others, STEPS)
    for step in range(1, len(schedule.curve(STEPS)) + 1):
        rates = [rate for optimizer in optimizers for rate in rates_of(optimizer)]
        np.testing.assert_allclose(rates, schedule.curve(STEPS)[step - 1] * np.array([1, 0.005, 0.05]), rtol=1e-9)
        assert rates == together.get_last_lr()
        for optimizer in (*optimizers, *others):
            optimizer.step()
        if schedule.interval == "step" or step % STEPS == 0:
            together.step()
            for scheduler in schedulers:
                scheduler.step()
    for name in ("lightning", "timm", "transformers"):
        with pytest.raises(InputError, match=r"one optimizer, the trial had 2|Formats that can: torch, .*json, yaml"):
            export(record, None, name)


def test_a_plateau_lowers_several_optimizers_together_and_has_no_floor_that_differs() -> None:
    made = [torch.optim.SGD([torch.zeros(1)], lr=1.0), torch.optim.SGD([torch.zeros(1)], lr=0.1)]
    schedule = Schedule("plateau", 0.2, 5, {"factor": 0.5, "patience": 0, "metric": "val_accuracy", "mode": "max"})
    names = run_code(export(make_record(schedule, optimizer=TrainedOptimizer.of(*made)), None, "torch"))
    schedulers = names["build_scheduler"](made)
    rates = []
    for value in (0.5, 0.6, 0.6, 0.7, 0.1):
        rates.append([rate for optimizer in made for rate in rates_of(optimizer)])
        for scheduler in schedulers:
            scheduler.step(value)
    np.testing.assert_allclose(rates, np.outer([0.2, 0.2, 0.2, 0.1, 0.1], [1.0, 0.1]))
    floored = Schedule("plateau", 0.2, 5, {"min_lr": 0.01})
    names = run_code(export(record_of(floored, two_groups()), None, "torch"))
    with pytest.raises(ValueError, match="the smallest rate would be the same for every group"):
        names["build_scheduler"](two_groups())
