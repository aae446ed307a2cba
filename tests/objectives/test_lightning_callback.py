"""In a real Lightning Trainer the callback trains every step at the trial's rates, and reports every epoch once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rates import assert_follows, assert_halved, halving, recorded_rates
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

import lrsearch
from lrsearch.errors import MissingPartError, ObjectiveError
from lrsearch.objectives import Measurement, Run, UserObjective, train
from lrsearch.spaces import Counting, Schedule

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Lightning's own
]
pl: Any = pytest.importorskip("lightning.pytorch")
EPOCHS, BATCHES = 4, 10


class Line(pl.LightningModule):  # type: ignore[misc]
    """A linear regression that brings a scheduler of its own."""

    def __init__(self, interval: str = "step") -> None:
        super().__init__()
        self.line, self.interval = torch.nn.Linear(4, 1), interval

    def loss(self, batch: Any) -> Any:
        return (self.line(batch[0]) - 1).square().mean()

    def training_step(self, batch: Any, index: int) -> Any:
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> None:
        self.log("val_loss", self.loss(batch))

    def on_train_epoch_start(self) -> None:
        self.log("epoch", float(self.current_epoch))  # as many do, for their logger

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=7.0)
        own = StepLR(optimizer, 1, 0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": own, "interval": self.interval}}


def data(batches: int = BATCHES) -> Any:
    return DataLoader(TensorDataset(torch.randn(5 * batches, 4)), 5)


def make_trainer(run: Run | None = None, **options: Any) -> Any:
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    callbacks = [*options.pop("callbacks", []), *([lrsearch.LightningCallback(run)] if run else [])]
    options = {**dict.fromkeys(quiet, False), "max_epochs": EPOCHS, "accelerator": "cpu", **options}
    return pl.Trainer(callbacks=callbacks, **options)


def fit(
    job: Callable[[Run], Any], interval: Any = "step", until: int = 99, schedule: Schedule | None = None
) -> tuple[list[float], list[Measurement]]:
    """The rates of all steps, and what was reported; the search says no after `until` epochs."""
    schedule, measured = schedule or make_schedule(interval), list[Measurement]()

    def report(measurement: Measurement) -> bool:
        measured.append(measurement)
        return len(measured) < until

    with recorded_rates() as rates:
        train(UserObjective(job, "sgd"), schedule, report, epochs=EPOCHS, seed=0, device="cpu")
    return rates, measured


def make_schedule(interval: Any = "step") -> Schedule:
    return Schedule("cosine", 0.05, EPOCHS, warmup=1, interval=interval)


@pytest.mark.parametrize("options", [{}, {"accumulate_grad_batches": 3}, {"limit_train_batches": 7}], ids=str)
@pytest.mark.parametrize("own", ["step", "epoch"])
@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_every_step_has_the_trials_rate_whatever_scheduler_the_module_has(
    interval: str, own: str, options: dict[str, Any]
) -> None:
    rates, measured = fit(lambda run: make_trainer(run, **options).fit(Line(own), data(), data()), interval)
    steps = {"accumulate_grad_batches": 4, "limit_train_batches": 7}.get(next(iter(options), ""), BATCHES)
    assert_follows(rates, make_schedule(interval), steps)
    assert [m.epoch for m in measured] == [1, 2, 3, 4]
    assert set(measured[0].metrics) == {"train_loss", "val_loss"}
    assert len({m.metrics["val_loss"] for m in measured}) == EPOCHS


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_baseline_that_follows_the_metric_lowers_the_rates_between_epochs(interval: str) -> None:
    rates, measured = fit(lambda run: make_trainer(run).fit(Line(), data(), data()), schedule=halving(EPOCHS, interval))
    assert len(rates) == EPOCHS * BATCHES
    assert_halved(rates, EPOCHS)
    assert_halved([m.lr for m in measured], EPOCHS)


@pytest.mark.parametrize("options", [{}, {"max_epochs": 50}, {"max_epochs": -1}, {"min_epochs": 3}], ids=str)
def test_the_search_ends_a_trial_or_its_next_report_does(options: dict[str, Any]) -> None:
    rates, measured = fit(lambda run: make_trainer(run, **options).fit(Line(), data(), data()), until=2)
    kept_on = options.get("min_epochs", 2)
    assert [m.epoch for m in measured] == [1, 2]
    assert_follows(rates, make_schedule(), BATCHES, epochs=kept_on)


def test_a_trainer_of_more_epochs_ends_with_the_search() -> None:
    rates, measured = fit(lambda run: make_trainer(run, max_epochs=50).fit(Line(), data(), data()))
    assert len(measured) == EPOCHS
    assert_follows(rates, make_schedule(), BATCHES)


@pytest.mark.parametrize("options", [{"val_check_interval": 0.5}, {"val_check_interval": 3}], ids=str)
def test_of_several_validations_in_an_epoch_the_last_counts(options: dict[str, Any]) -> None:
    seen: list[float] = []

    class Noting(Line):
        def on_validation_epoch_end(self) -> None:
            if not self.trainer.sanity_checking:
                seen.append(float(self.trainer.callback_metrics["val_loss"]))

    _, measured = fit(lambda run: make_trainer(run, num_sanity_val_steps=2, **options).fit(Noting(), data(), data()))
    a_epoch = len(seen) // EPOCHS
    assert a_epoch in (2, 3)
    assert [m.metrics["val_loss"] for m in measured] == seen[a_epoch - 1 :: a_epoch]


def test_several_validation_loaders_keep_lightnings_names_and_an_early_stop_ends_the_job() -> None:
    early = pl.callbacks.EarlyStopping("val_loss/dataloader_idx_0", divergence_threshold=-1.0)
    _, measured = fit(lambda run: make_trainer(run, callbacks=[early]).fit(Line(), data(), [data(), data()]))
    assert [set(m.metrics) for m in measured] == [
        {"train_loss", "val_loss/dataloader_idx_0", "val_loss/dataloader_idx_1"},
    ]


@pytest.mark.parametrize("saved", [{"save_on_train_epoch_end": True}, {"save_on_train_epoch_end": False}], ids=str)
def test_a_schedule_begins_where_a_checkpoint_ends(saved: dict[str, Any], tmp_path: Path) -> None:
    keep = pl.callbacks.ModelCheckpoint(tmp_path, save_last=True, every_n_epochs=1, **saved)
    make_trainer(max_epochs=2, enable_checkpointing=True, callbacks=[keep]).fit(Line(), data(), data())

    def resume(run: Run) -> None:
        make_trainer(run, max_epochs=2 + run.epochs).fit(Line(), data(), data(), ckpt_path=tmp_path / "last.ckpt")

    rates, measured = fit(resume)
    assert_follows(rates, make_schedule(), BATCHES)
    assert [m.epoch for m in measured] == [1, 2, 3, 4]


class Manual(Line):
    """Two optimizers, stepped by hand."""

    def __init__(self, run: Run | None = None) -> None:
        super().__init__()
        self.automatic_optimization, self.asks = False, run

    def training_step(self, batch: Any, index: int) -> Any:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = self.loss(batch)
        self.manual_backward(loss)
        optimizer.step()
        self.lr_schedulers().step()
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=7.0)
        make = self.asks.scheduler if self.asks else lambda optimizer, steps: StepLR(optimizer, steps)
        return [optimizer], [make(optimizer, BATCHES)]


def test_manual_optimization_works_with_a_scheduler_of_the_run() -> None:
    rates, measured = fit(lambda run: make_trainer(run).fit(Manual(run), data(), data()))
    assert_follows(rates, make_schedule(), BATCHES)
    assert len(measured) == EPOCHS


class DeepSpeedStrategy(pl.strategies.SingleDeviceStrategy):  # type: ignore[misc]
    """Of the real one's name, which needs a GPU."""


class Warms(Line):
    """Sets a rate by hand."""

    def optimizer_step(self, epoch: int, index: int, optimizer: Any, closure: Any = None) -> None:
        optimizer.param_groups[0]["lr"] *= 0.9
        super().optimizer_step(epoch, index, optimizer, closure)


class LogsLate(Line):
    """Logs when the callbacks have been asked already."""

    def training_step(self, batch: Any, index: int) -> Any:
        return self.loss(batch)

    def on_train_epoch_start(self) -> None:
        pass

    def on_train_epoch_end(self) -> None:
        self.log("val_loss", 1.0)


def endless() -> Any:
    class Endless(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(lambda: (torch.randn(4),), None)

    return DataLoader(Endless(), 5)


def mid_epoch(folder: Path) -> Path:
    keep = pl.callbacks.ModelCheckpoint(folder, save_last=True, every_n_train_steps=13)
    make_trainer(max_epochs=2, enable_checkpointing=True, callbacks=[keep]).fit(Line(), data(), data())
    return folder / "last.ckpt"


Spoil = Callable[[Run, Path], Any]
REFUSED: dict[str, Spoil] = {
    r"with manual optimization .* by run\.scheduler\(optimizer, steps_per_epoch\)": lambda run, _: make_trainer(
        run
    ).fit(Manual(), data(), data()),
    r"DeepSpeed steps a scheduler of its own: train with another strategy": lambda run, _: make_trainer(
        run, accelerator="auto", strategy=DeepSpeedStrategy(torch.device("cpu"))
    ).fit(Line(), data(), data()),
    r"max_epochs=2\) ends before the 4 epochs .* pass max_epochs=run\.epochs, or .* --epochs 2": lambda run, _: (
        make_trainer(run, max_epochs=2).fit(Line(), data(), data())
    ),
    r"max_steps=39\) ends before the 4 epochs of 10 steps": lambda run, _: make_trainer(run, max_steps=39).fit(
        Line(), data(), data()
    ),
    r"max_epochs=4\) ends .* pass max_epochs=1 \+ run\.epochs, or .* --epochs 3": lambda run, folder: make_trainer(
        run
    ).fit(Line(), data(), data(), ckpt_path=mid_epoch(folder)),
    r"from the middle of an epoch, 3 steps after its beginning": lambda run, folder: make_trainer(
        run, max_epochs=9
    ).fit(Line(), data(), data(), ckpt_path=mid_epoch(folder)),
    r"did not validate in epoch 1, .* check_val_every_n_epoch=1": lambda run, _: make_trainer(
        run, check_val_every_n_epoch=2
    ).fit(Line(), data(), data()),
    r"number of batches in an epoch is unknown: pass Trainer\(limit_train": lambda run, _: make_trainer(run).fit(
        Line(), endless(), data()
    ),
    r"logged no metric by the end of epoch 1: call self\.log\('val_loss'": lambda run, _: make_trainer(run).fit(
        LogsLate(), data()
    ),
    r"GradientAccumulationScheduler changes the number of steps": lambda run, _: make_trainer(
        run, callbacks=[pl.callbacks.GradientAccumulationScheduler({0: 2, 1: 1})]
    ).fit(Line(), data(), data()),
    r"step 1 the rate was 0\.00045, not 0\.0005\. Remove what else sets": lambda run, _: make_trainer(run).fit(
        Warms(), data(), data()
    ),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_follow_a_schedule_is_told_so_in_a_line(says: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectiveError, match=says) as error:
        fit(lambda run: REFUSED[says](run, tmp_path))
    assert "\n" not in str(error.value)


STEPS = Schedule("cosine", 0.05, 36, warmup=7, unit="step")
IN_STEPS = Counting("step", 9)


def fit_steps(job: Callable[[Run], Any], until: int = 99) -> tuple[list[float], list[Measurement]]:
    """The same for a search of 36 steps with a report after every 9."""
    measured = list[Measurement]()

    def report(measurement: Measurement) -> bool:
        measured.append(measurement)
        return len(measured) < until

    with recorded_rates() as rates:
        train(UserObjective(job, "sgd", counting=IN_STEPS), STEPS, report, epochs=4, seed=0, device="cpu")
    return rates, measured


def assert_steps(rates: list[float], steps: int = 36) -> None:
    assert rates == pytest.approx(list(STEPS.curve())[:steps], rel=1e-12, abs=1e-18)
    assert len(rates) == steps


BY_STEPS: list[dict[str, Any]] = [
    {},
    {"accumulate_grad_batches": 3},
    {"limit_train_batches": 7, "val_check_interval": 0.5},
    {"check_val_every_n_epoch": None, "val_check_interval": 50},
    {"callbacks": [pl.callbacks.GradientAccumulationScheduler({0: 2, 1: 1})]},
    {"reload_dataloaders_every_n_epochs": 1, "num_sanity_val_steps": 2},
]


@pytest.mark.parametrize("options", BY_STEPS, ids=" ".join)
def test_a_search_that_counts_steps_has_a_report_after_every_so_many(options: dict[str, Any]) -> None:
    seen: list[tuple[int, float]] = []

    class Noting(Line):
        def on_validation_epoch_end(self) -> None:
            if not self.trainer.sanity_checking:
                seen.append((self.trainer.global_step, float(self.trainer.callback_metrics["val_loss"])))

    options = {**options, "max_epochs": -1}
    rates, measured = fit_steps(
        lambda run: make_trainer(run, max_steps=run.steps, **options).fit(Noting("epoch"), data(), data())
    )
    assert_steps(rates)
    assert [step for step, _ in seen] == [9, 18, 27, 36]
    assert [m.metrics["val_loss"] for m in measured] == [value for _, value in seen]


def test_a_loss_that_is_logged_once_an_epoch_is_reported_once() -> None:
    _, measured = fit_steps(
        lambda run: make_trainer(run, max_steps=run.steps, max_epochs=-1).fit(Line(), data(), data())
    )
    assert ["train_loss" in m.metrics for m in measured] == [False, True, True, True]  # epochs end at 10, 20, 30
    _, measured = fit_steps(
        lambda run: make_trainer(run, max_steps=run.steps, max_epochs=-1).fit(Line(), data(30), data())
    )
    assert ["train_loss" in m.metrics for m in measured] == [False, False, False, True]


@pytest.mark.parametrize("validation", [True, False])
def test_a_training_in_steps_ends_within_an_epoch(validation: bool) -> None:
    class Logs(Line):
        def training_step(self, batch: Any, index: int) -> Any:
            self.log("train_loss", loss := self.loss(batch))
            return loss

    given = (data(50), data()) if validation else (data(50),)
    rates, measured = fit_steps(lambda run: make_trainer(run, max_epochs=9).fit(Logs(), *given), until=2)
    assert_steps(rates, 18)
    assert [m.epoch for m in measured] == [1, 2]
    assert all(("val_loss" in m.metrics) is validation and "train_loss" in m.metrics for m in measured)


def test_a_training_in_steps_goes_on_from_the_middle_of_an_epoch(tmp_path: Path) -> None:
    kept = mid_epoch(tmp_path)  # after 13 steps

    def resume(run: Run) -> None:
        make_trainer(run, max_epochs=-1, max_steps=13 + run.steps).fit(Line(), data(), data(), ckpt_path=kept)

    rates, measured = fit_steps(resume)
    assert_steps(rates)
    assert [m.epoch for m in measured] == [1, 2, 3, 4]


def test_manual_optimization_in_steps_reports_what_the_modules_own_steps_were() -> None:
    rates, measured = fit_steps(
        lambda run: make_trainer(run, max_steps=run.steps, max_epochs=-1).fit(Manual(run), data(), data())
    )
    assert_steps(rates)
    assert len(measured) == 4


@pytest.mark.parametrize(
    ("says", "options"),
    [
        (r"Trainer's 20 steps are fewer than the 36 .* max_steps=run\.steps and max_epochs=-1", {"max_epochs": 2}),
        (r"Trainer's 35 steps are fewer than the 36", {"max_steps": 35}),
        (r"did not validate at step 9, .* check_val_every_n_epoch=1 or None", {"check_val_every_n_epoch": 3}),
    ],
)
def test_what_cannot_be_counted_in_steps_is_told_so_in_a_line(says: str, options: dict[str, Any]) -> None:
    with pytest.raises(ObjectiveError, match=says) as error:
        fit_steps(lambda run: make_trainer(run, **{"max_epochs": 9, **options}).fit(Line(), data(), data()))
    assert "\n" not in str(error.value)


def test_by_hand_a_schedule_in_steps_is_as_long_as_the_training() -> None:
    with recorded_rates() as rates:
        callbacks = [lrsearch.LightningCallback(schedule=STEPS)]
        make_trainer(max_epochs=3, callbacks=callbacks).fit(Line(), data(), data())
    assert rates == pytest.approx(list(STEPS.stretched(30).curve()), rel=1e-12, abs=1e-18)


def test_iterable_data_of_a_limited_length_are_followed() -> None:
    rates, _ = fit(lambda run: make_trainer(run, limit_train_batches=6).fit(Line(), endless(), data()))
    assert_follows(rates, make_schedule(), 6)


def test_by_hand_a_best_json_or_the_modules_own_scheduler_is_followed_and_nothing_reported(tmp_path: Path) -> None:
    best = tmp_path / "best.json"
    best.write_text(json.dumps(make_schedule().to_dict()))
    for schedule, follows in ((best, make_schedule().stretched(8)), (None, None)):
        with recorded_rates() as rates:
            make_trainer(max_epochs=8, callbacks=[lrsearch.LightningCallback(schedule=schedule)]).fit(
                Line(), data(), data()
            )
        if follows:
            assert_follows(rates, follows, BATCHES)
        else:
            assert rates == pytest.approx([7 * 0.5**step for step in range(8 * BATCHES)])


def test_both_names_of_lightning_work() -> None:
    other: Any = pytest.importorskip("pytorch_lightning")
    run = Run(make_schedule(), EPOCHS, 0, "cpu")
    assert isinstance(lrsearch.LightningCallback(run), (pl.Callback, lrsearch.LightningCallback))

    class Other(other.LightningModule):  # type: ignore[misc]
        configure_optimizers, training_step, loss = Line.configure_optimizers, Line.training_step, Line.loss
        validation_step = Line.validation_step

        def __init__(self) -> None:
            super().__init__()
            self.line, self.interval = torch.nn.Linear(4, 1), "step"

    def job(run: Run) -> None:
        quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
        off = dict.fromkeys(quiet, False)
        callbacks = [lrsearch.LightningCallback(run)]
        other.Trainer(accelerator="cpu", max_epochs=run.epochs, callbacks=callbacks, **off).fit(Other(), data(), data())

    rates, measured = fit(job)
    assert_follows(rates, make_schedule(), BATCHES)
    assert len(measured) == EPOCHS


def test_without_lightning_there_is_a_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lightning", "pytorch_lightning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("lrsearch.objectives.adapters.lightning.find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r"pip install lightning$"):
        lrsearch.LightningCallback(Run(make_schedule(), EPOCHS, 0, "cpu"))
