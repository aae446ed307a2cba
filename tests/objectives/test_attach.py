"""In transformers' Trainer, and trl's, every step has the trial's rate, and every epoch is reported once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rates import assert_follows, assert_halved, halving, recorded_rates

import lrsearch
from lrsearch.errors import ObjectiveError
from lrsearch.objectives import Measurement, Run, UserObjective, train
from lrsearch.spaces import Schedule
from lrsearch.spaces.counting import Counting

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # the libraries' own
]
transformers: Any = pytest.importorskip("transformers")
pytest.importorskip("accelerate", reason="transformers' Trainer needs accelerate")
EPOCHS, BATCHES, BATCH = 4, 10, 2


class Line(torch.nn.Module):
    """A linear regression, as transformers trains models."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(2, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        out = self.line(x)
        return {"loss": (out - 1).square().mean(), "logits": out}


class Points(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """As many random points as wanted."""

    def __init__(self, n: int = BATCHES * BATCH) -> None:
        self.x = torch.randn(n, 2)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[index], "labels": torch.ones(1)}


class Stream(torch.utils.data.IterableDataset[dict[str, torch.Tensor]]):
    """Points without end or length."""

    def __iter__(self) -> Any:
        return iter(lambda: {"x": torch.randn(2), "labels": torch.ones(1)}, None)


def make_trainer(folder: Path, data: Any = None, eval_data: Any = None, **options: Any) -> Any:
    given = {
        "num_train_epochs": EPOCHS,
        "per_device_train_batch_size": BATCH,
        "per_device_eval_batch_size": 20,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "warmup_steps": 5,  # which belong to the Trainer's own schedule
        **{k: v for k, v in options.items() if k not in ("optimizers", "compute_metrics", "callbacks")},
    }
    more = {k: options[k] for k in ("optimizers", "compute_metrics", "callbacks") if k in options}
    return transformers.Trainer(
        Line(),
        transformers.TrainingArguments(str(folder), **given),
        train_dataset=data or Points(),
        eval_dataset=eval_data or Points(20),
        **more,
    )


def fit(
    job: Callable[[Run], Any], until: int = 99, interval: Any = "step", schedule: Schedule | None = None
) -> tuple[list[float], list[Measurement]]:
    """The rates of all steps, and what was reported; the search says no after `until` epochs."""
    measured: list[Measurement] = []

    def report(measurement: Measurement) -> bool:
        measured.append(measurement)
        return len(measured) < until

    with recorded_rates() as rates:
        followed = schedule or make_schedule(interval)
        train(UserObjective(job, "adamw"), followed, report, epochs=EPOCHS, seed=0, device="cpu")
    return rates, measured


def make_schedule(interval: Any = "step") -> Schedule:
    return Schedule("cosine", 0.05, EPOCHS, warmup=1, interval=interval)


@pytest.mark.parametrize("strategy", ["no", "epoch", "steps"])
@pytest.mark.parametrize("accumulation", [1, 3])
def test_every_step_has_the_trials_rate_and_every_epoch_one_report(
    strategy: str, accumulation: int, tmp_path: Path
) -> None:
    options = {"eval_strategy": strategy, "eval_steps": 3, "gradient_accumulation_steps": accumulation}
    rates, measured = fit(lambda run: lrsearch.attach(make_trainer(tmp_path, **options), run).train())
    assert_follows(rates, make_schedule(), 10 if accumulation == 1 else 4)
    assert [m.epoch for m in measured] == [1, 2, 3, 4]
    assert set(measured[0].metrics) == {"train_loss", "val_loss"}
    assert len({m.metrics["val_loss"] for m in measured}) == EPOCHS


@pytest.mark.parametrize("strategy", ["no", "epoch", "steps"])
def test_a_baseline_that_follows_the_metric_lowers_the_rates_between_epochs(strategy: str, tmp_path: Path) -> None:
    def job(run: Run) -> None:
        lrsearch.attach(make_trainer(tmp_path, eval_strategy=strategy, eval_steps=5), run).train()

    rates, measured = fit(job, schedule=halving(EPOCHS))
    assert len(rates) == EPOCHS * BATCHES
    assert_halved(rates, EPOCHS)
    assert_halved([m.lr for m in measured], EPOCHS)


@pytest.mark.parametrize(("steps", "data"), [(40, None), (30, None), (13, None), (30, Stream)], ids=str)
@pytest.mark.parametrize("strategy", ["no", "epoch", "steps"])
def test_max_steps_are_divided_into_the_searchs_epochs(steps: int, data: Any, strategy: str, tmp_path: Path) -> None:
    options = {"max_steps": steps, "eval_strategy": strategy, "eval_steps": 5}
    rates, measured = fit(lambda run: lrsearch.attach(make_trainer(tmp_path, data and data(), **options), run).train())
    assert_follows(rates, make_schedule(), steps / EPOCHS)
    assert [m.epoch for m in measured] == [1, 2, 3, 4]


@pytest.mark.parametrize("options", [{"eval_strategy": "epoch"}, {"max_steps": 12, "eval_strategy": "epoch"}], ids=str)
def test_a_stopped_trial_ends_at_once_and_is_not_evaluated_again(options: dict[str, Any], tmp_path: Path) -> None:
    evaluated: list[int] = []

    class Counting(transformers.TrainerCallback):  # type: ignore[misc]
        def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            evaluated.append(state.global_step)

    def job(run: Run) -> None:
        lrsearch.attach(make_trainer(tmp_path, callbacks=[Counting()], **options), run).train()

    rates, measured = fit(job, until=2)
    steps = options.get("max_steps", 40) // EPOCHS
    assert len(measured) == 2
    assert evaluated == [steps, 2 * steps]
    assert_follows(rates, make_schedule(), steps, epochs=2)


def test_a_trainer_of_more_epochs_ends_with_the_search_and_may_evaluate_afterwards(tmp_path: Path) -> None:
    def job(run: Run) -> None:
        trainer = lrsearch.attach(make_trainer(tmp_path, num_train_epochs=6.5), run)
        trainer.train()
        trainer.evaluate()

    rates, measured = fit(job)
    assert len(measured) == EPOCHS
    assert_follows(rates, make_schedule(), BATCHES)


def test_a_scheduler_that_was_given_is_replaced_and_groups_keep_their_ratio(tmp_path: Path) -> None:
    told: list[Any] = []

    def job(run: Run) -> None:
        model = Line()
        groups: list[dict[str, Any]] = [{"params": [model.line.weight]}, {"params": [model.line.bias], "lr": 1.0}]
        optimizer = torch.optim.SGD(groups, lr=2.0)
        given = optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1)
        trainer = make_trainer(tmp_path, optimizers=given)
        trainer.model.load_state_dict(model.state_dict())
        trainer.model.line.weight, trainer.model.line.bias = model.line.weight, model.line.bias
        lrsearch.attach(trainer, run).train()
        told.append(run.optimizer)

    rates, _ = fit(job)
    assert (told[0].name, told[0].ratios) == ("torch.optim.SGD", (1.0, 0.5))
    assert_follows(rates, make_schedule(), BATCHES)


def test_several_datasets_and_metrics_of_ones_own_come_in_one_report(tmp_path: Path) -> None:
    def compute(evaluated: Any) -> dict[str, Any]:
        return {"accuracy": float(evaluated.predictions.mean()), "table": [1, 2]}

    data = {"near": Points(20), "far": Points(20)}
    _, measured = fit(
        lambda run: lrsearch.attach(make_trainer(tmp_path, None, data, compute_metrics=compute), run).train()
    )
    names = {f"val_{part}_{metric}" for part in data for metric in ("loss", "accuracy")}
    assert [set(m.metrics) for m in measured] == [{"train_loss", *names}] * EPOCHS


@pytest.mark.parametrize("until", [99, 2])
@pytest.mark.parametrize(
    "options",
    [{}, {"gradient_accumulation_steps": 3}, {"eval_strategy": "steps", "eval_steps": 7}, {"eval_strategy": "epoch"}],
    ids=str,
)
def test_a_search_that_counts_steps_gets_a_report_every_so_many(
    options: dict[str, Any], until: int, tmp_path: Path
) -> None:
    schedule = Schedule("cosine", 0.05, 36, warmup=7, unit="step")
    counting, measured = Counting("step", 9), list[Measurement]()

    def job(run: Run) -> None:
        lrsearch.attach(make_trainer(tmp_path, max_steps=run.steps, **options), run).train()

    def report(measurement: Measurement) -> bool:
        measured.append(measurement)
        return len(measured) < until

    with recorded_rates() as rates:
        objective = UserObjective(job, "adamw", epochs=4, counting=counting)
        train(objective, schedule, report, epochs=4, seed=0, device="cpu")
    assert [m.epoch for m in measured] == [1, 2, 3, 4][:until]
    assert all("val_loss" in m.metrics for m in measured)
    assert_follows(rates, schedule, 1, 9 * len(measured))


def test_by_hand_a_schedule_in_steps_is_as_long_as_the_training(tmp_path: Path) -> None:
    schedule = Schedule("cosine", 0.05, 36, warmup=7, unit="step")
    for options, steps in (({"max_steps": 36}, 36), ({"max_steps": 50}, 50), ({"num_train_epochs": 3}, 30)):
        with recorded_rates() as rates:
            lrsearch.attach(make_trainer(tmp_path, **options), schedule=schedule).train()
        assert_follows(rates, schedule.stretched(steps), 1)


def test_by_hand_a_training_goes_on_from_a_checkpoint_where_its_schedule_was(tmp_path: Path) -> None:
    stop = type("Stop", (transformers.TrainerCallback,), {"on_epoch_end": _stop_after_two})
    with recorded_rates() as rates:
        options = {"save_strategy": "epoch", "callbacks": [stop()]}
        lrsearch.attach(make_trainer(tmp_path, **options), schedule=make_schedule()).train()
        lrsearch.attach(make_trainer(tmp_path), schedule=make_schedule()).train(resume_from_checkpoint=True)
    assert_follows(rates, make_schedule(), BATCHES)


def _stop_after_two(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
    control.should_training_stop = state.epoch >= 2


def test_by_hand_a_best_json_or_the_trainers_own_scheduler_is_followed(tmp_path: Path) -> None:
    best = tmp_path / "best.json"
    best.write_text(json.dumps(make_schedule().to_dict()))
    for options, epochs in (({}, 4), ({"num_train_epochs": 8}, 8)):
        with recorded_rates() as rates:
            lrsearch.attach(make_trainer(tmp_path, **options), schedule=best).train()
        assert_follows(rates, make_schedule().stretched(epochs), BATCHES)
    with recorded_rates() as rates:
        lrsearch.attach(make_trainer(tmp_path, learning_rate=2e-5)).train()
    assert max(rates) == 2e-5


def resumed(run: Run, folder: Path) -> None:
    make_trainer(folder, save_strategy="epoch", num_train_epochs=1).train()
    lrsearch.attach(make_trainer(folder, num_train_epochs=9), run).train(resume_from_checkpoint=True)


def deep_speed(run: Run, folder: Path) -> None:
    trainer = make_trainer(folder)
    trainer.is_deepspeed_enabled = True
    lrsearch.attach(trainer, run)


class Sets(transformers.TrainerCallback):  # type: ignore[misc]
    """Sets a rate by hand."""

    def on_step_begin(self, args: Any, state: Any, control: Any, optimizer: Any = None, **rest: Any) -> None:
        optimizer.param_groups[0]["lr"] = 0.7


REFUSED: dict[str, Callable[[Run, Path], Any]] = {
    r"num_train_epochs=3\) ends before the 4 epochs of the search: pass num_train_epochs=run": lambda run, folder: (
        lrsearch.attach(make_trainer(folder, num_train_epochs=3), run).train()
    ),
    r"max_steps=3 are fewer than the 4 epochs": lambda run, folder: lrsearch.attach(
        make_trainer(folder, max_steps=3), run
    ).train(),
    r"goes on from step 10 of a checkpoint, .* load the checkpoint's weights": resumed,
    r"DeepSpeed steps a scheduler of its own": deep_speed,
    r"attach takes a transformers\.Trainer, got Line": lambda run, folder: lrsearch.attach(Line(), run),
    r"step 1 the rate was 0\.7, not .* Remove what else sets": lambda run, folder: lrsearch.attach(
        make_trainer(folder, callbacks=[Sets()]), run
    ).train(),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_follow_a_schedule_is_told_so_in_a_line(says: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectiveError, match=says) as error:
        fit(lambda run: REFUSED[says](run, tmp_path))
    assert "\n" not in str(error.value)


def test_a_schedule_that_changes_every_epoch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ObjectiveError, match=r"changes the rate after every step: leave out --interval epoch"):
        fit(lambda run: lrsearch.attach(make_trainer(tmp_path), run).train(), interval="epoch")
