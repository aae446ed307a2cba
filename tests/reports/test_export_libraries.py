"""The rates that Lightning, transformers and timm really apply with exported code are ours, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from schedules import SCHEDULES, make_record, make_result, optimizer, run_code, schedule_id

from lrsearch.errors import InputError
from lrsearch.reports.export import export
from lrsearch.spaces import Schedule

pytestmark = pytest.mark.slow

STEPS = 3
"""Optimizer steps in an epoch of these trainings: few, so that they are quick."""


class Recorder(torch.optim.SGD):
    """SGD that notes the rate of every step it takes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rates: list[float] = []

    def step(self, closure: Any = None) -> Any:
        self.rates.append(float(self.param_groups[0]["lr"]))
        return super().step(closure)


class Line(torch.nn.Module):
    """One weight, trained as transformers trains models."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        out = self.linear(x)
        return {"loss": (out**2).mean(), "logits": out}


class Points(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """As many equal points as wanted."""

    def __init__(self, n: int = 2 * STEPS) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": torch.ones(2)}


def assert_ours(rates: list[float], schedule: Schedule) -> None:
    """The rates are the schedule's curve."""
    np.testing.assert_allclose(rates, schedule.curve(STEPS)[: len(rates)], rtol=1e-9, atol=1e-12 * schedule.base_lr)


def code(schedule: Schedule, name: str) -> dict[str, Any]:
    """The names that the exported file defines."""
    record = make_record(schedule, steps_per_epoch=STEPS)
    return run_code(export(record, make_result(record), name))


def train_with_lightning(folder: Path, schedule: Schedule, **options: Any) -> list[float]:
    """The rates that a Lightning Trainer applies."""
    lightning = pytest.importorskip("lightning.pytorch")
    names = code(schedule, "lightning")
    made: list[Recorder] = []

    class Model(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.line = Line()

        def training_step(self, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
            return self.line(**batch)["loss"]  # type: ignore[no-any-return]

        def configure_optimizers(self) -> Any:
            made.append(Recorder(self.parameters(), lr=names["BASE_LR"]))
            return names["with_scheduler"](made[0], self.trainer)

    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = lightning.Trainer(
        max_epochs=int(schedule.horizon), accelerator="cpu", default_root_dir=folder, **quiet, **options
    )
    batches = STEPS * options.get("accumulate_grad_batches", 1)
    trainer.fit(Model(), torch.utils.data.DataLoader(Points(2 * batches), batch_size=2))
    return made[0].rates


treespec = pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec:FutureWarning")
"""Lightning 2.6 asks torch 2.13 in an older way."""


@treespec
@pytest.mark.parametrize("schedule", [s for s in SCHEDULES if s.horizon >= 5], ids=schedule_id)
def test_lightning_applies_our_rates(schedule: Schedule, tmp_path: Path) -> None:
    rates = train_with_lightning(tmp_path, schedule)
    assert len(rates) == STEPS * schedule.horizon
    assert_ours(rates, schedule)


@treespec
@pytest.mark.parametrize("batches", [1, 4])
def test_lightning_counts_optimizer_steps_when_gradients_are_accumulated(batches: int, tmp_path: Path) -> None:
    schedule = Schedule("cosine", 0.3, 5, warmup=1)
    rates = train_with_lightning(tmp_path, schedule, accumulate_grad_batches=batches)
    assert len(rates) == STEPS * 5
    assert_ours(rates, schedule)


def test_lightning_asks_for_the_steps_that_it_cannot_know() -> None:
    pytest.importorskip("lightning.pytorch")
    names = code(Schedule("cosine", 0.3, 5), "lightning")

    class Endless:
        estimated_stepping_batches = float("inf")
        max_epochs = 5

    with pytest.raises(ValueError, match="pass steps_per_epoch"):
        names["with_scheduler"](optimizer(), Endless())
    assert names["with_scheduler"](optimizer(), Endless(), 9)["lr_scheduler"]["interval"] == "step"


def train_with_transformers(folder: Path, arguments: dict[str, Any], optimizers: Any = None) -> list[float]:
    """The rates that a Trainer applies."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate", reason="transformers' Trainer needs accelerate")
    model = Line()
    pair = optimizers(model) if optimizers else (Recorder(model.parameters(), lr=arguments["learning_rate"]), None)
    given = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
        dataloader_pin_memory=False,
        **arguments,
    )
    transformers.Trainer(model, given, train_dataset=Points(), optimizers=pair).train()
    rates: list[float] = pair[0].rates
    return rates


def exported(schedule: Schedule, name: str, steps: int = STEPS) -> str | None:
    """The text, or None if the format refuses and names formats that can."""
    record = make_record(schedule, steps_per_epoch=steps)
    try:
        return export(record, None, name)
    except InputError as error:
        message = str(error)
    assert "Formats that can: torch, lightning" in message
    return None


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("transformers", "constant cosine inverse_sqrt linear poly wsd"),
        ("timm", "constant cosine cosine_restarts exp inverse_sqrt linear multistep poly step wsd"),
    ],
)
def test_formats_refuse_no_family_that_they_have(name: str, families: str) -> None:
    able = {s.family for s in SCHEDULES if s.interval == "step" and exported(s, name)}
    warm = {s.family for s in SCHEDULES if s.warmup and s.warmup_start == 0 and exported(s, name)}
    assert able >= set(families.split())
    assert warm >= {"linear", "cosine"}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=schedule_id)
def test_transformers_applies_our_rates_or_export_refuses(schedule: Schedule, tmp_path: Path) -> None:
    text = exported(schedule, "transformers")
    if text is None:
        return
    rates = train_with_transformers(tmp_path, run_code(text)["TRAINING_ARGUMENTS"])
    assert len(rates) == len(schedule.curve(STEPS))
    assert_ours(rates, schedule)


@pytest.mark.parametrize(
    "schedule", [s for s in SCHEDULES if s.interval == "step" and s.warmup == 1.2], ids=schedule_id
)
def test_transformers_takes_our_torch_scheduler(schedule: Schedule, tmp_path: Path) -> None:
    names = code(schedule, "torch")

    def optimizers(model: torch.nn.Module) -> Any:
        recorder = Recorder(model.parameters(), lr=names["BASE_LR"])
        return recorder, names["build_scheduler"](recorder, STEPS)

    steps = len(schedule.curve(STEPS))
    rates = train_with_transformers(tmp_path, {"max_steps": steps}, optimizers)
    assert len(rates) == steps
    assert_ours(rates, schedule)


def test_transformers_refusals_say_what_is_missing_and_what_to_do() -> None:
    with pytest.raises(
        InputError, match=r"no step decay\. Formats that can: torch, lightning, timm, json, yaml\. .*opt"
    ):
        code(Schedule("step", 0.3, 5), "transformers")
    with pytest.raises(InputError, match=r"linear schedule at 0, this one starts at 0\.01"):
        code(Schedule("linear", 0.3, 5, warmup=1), "transformers")
    with pytest.raises(InputError, match=r"this schedule every epoch\. Formats that can: torch, lightning, timm, json"):
        code(Schedule("cosine", 0.3, 5, interval="epoch"), "transformers")


@pytest.mark.parametrize("steps", [1, STEPS, 7, 49])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=schedule_id)
def test_timm_applies_our_rates_or_export_refuses(schedule: Schedule, steps: int) -> None:
    pytest.importorskip("timm")
    text = exported(schedule, "timm", steps)
    if text is None:
        return
    names = run_code(text)
    opt = Recorder([torch.nn.Parameter(torch.zeros(1))], lr=0.7)
    scheduler = names["build_scheduler"](opt, steps)
    total = len(schedule.curve(steps))
    for update in range(1, total + 1):
        opt.step()
        scheduler.step_update(num_updates=update)
        if update % steps == 0:
            scheduler.step(update // steps)
    np.testing.assert_allclose(opt.rates, schedule.curve(steps), rtol=1e-9, atol=1e-12 * schedule.base_lr)


@pytest.mark.parametrize("times", [2, 3, 5])
def test_timm_begins_growing_cycles_where_we_do(times: int) -> None:
    pytest.importorskip("timm")
    schedule = Schedule("cosine_restarts", 0.3, 60, {"T_0": 1, "T_mult": times, "eta_min": 0.01})
    text = exported(schedule, "timm", 3)
    assert text is not None
    opt = Recorder([torch.nn.Parameter(torch.zeros(1))], lr=0.7)
    scheduler = run_code(text)["build_scheduler"](opt, 3)
    for update in range(1, 181):
        opt.step()
        scheduler.step_update(num_updates=update)
    np.testing.assert_allclose(opt.rates, schedule.curve(3), rtol=1e-9)


def test_growing_cycles_that_timm_would_begin_late_are_refused() -> None:
    schedule = Schedule("cosine_restarts", 0.3, 200, {"T_0": 1, "T_mult": 3})
    with pytest.raises(InputError, match=r"timm's rounding begins cycle 6, at step 121, a step late\. Formats"):
        export(make_record(schedule, steps_per_epoch=1), None, "timm")
