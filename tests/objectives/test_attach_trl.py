"""trl's SFTTrainer and DPOTrainer train a trial as transformers' Trainer does, and take the exported arguments back."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rates import assert_follows, recorded_rates
from schedules import make_record, run_code

import lrsearch
from lrsearch.objectives import Measurement, Run, UserObjective, train
from lrsearch.reports.export import export
from lrsearch.spaces import Schedule

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # the libraries' own
]
trl: Any = pytest.importorskip("trl", exc_type=ImportError)
EPOCHS, STEPS = 3, 4
WORDS = [f"w{i}" for i in range(20)]


def language_model() -> tuple[Any, Any]:
    """A tiny GPT-2 and its tokenizer, made here."""
    tokenizers: Any = importlib.import_module("tokenizers")
    transformers: Any = importlib.import_module("transformers")
    words = {word: i for i, word in enumerate(["<pad>", "<end>", *WORDS])}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<end>"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<end>")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(words), n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1
    )
    return transformers.GPT2LMHeadModel(config), tokenizer


def make_trainer(kind: str, folder: Path, **options: Any) -> Any:
    datasets: Any = importlib.import_module("datasets")
    texts = [" ".join(WORDS[(i + j) % 20] for j in range(6)) for i in range(2 * STEPS)]
    columns = {
        "SFT": {"text": texts},
        "DPO": {"prompt": texts, "chosen": [" w1 w2"] * len(texts), "rejected": [" w3 w4"] * len(texts)},
    }[kind]
    model, tokenizer = language_model()
    given = {
        "num_train_epochs": EPOCHS,
        "per_device_train_batch_size": 2,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        **options,
    }
    data = datasets.Dataset.from_dict(columns)
    reference = {"ref_model": language_model()[0]} if kind == "DPO" else {}
    return getattr(trl, f"{kind}Trainer")(
        model,
        args=getattr(trl, f"{kind}Config")(output_dir=str(folder), **given),
        train_dataset=data,
        eval_dataset=data,
        processing_class=tokenizer,
        **reference,
    )


def fit(job: Callable[[Run], Any], schedule: Schedule, until: int = 99) -> tuple[list[float], list[Measurement]]:
    measurements: list[Measurement] = []

    def report(measurement: Measurement) -> bool:
        measurements.append(measurement)
        return len(measurements) < until

    with recorded_rates() as rates:
        train(UserObjective(job, "adamw"), schedule, report, epochs=EPOCHS, seed=0, device="cpu")
    return rates, measurements


@pytest.mark.parametrize("kind", ["SFT", "DPO"])
@pytest.mark.parametrize("until", [99, 2])
def test_every_step_has_the_trials_rate_and_every_epoch_one_report(kind: str, until: int, tmp_path: Path) -> None:
    schedule = Schedule("cosine", 1e-3, EPOCHS, warmup=1)
    rates, measurements = fit(lambda run: lrsearch.attach(make_trainer(kind, tmp_path), run).train(), schedule, until)
    assert_follows(rates, schedule, STEPS, epochs=min(EPOCHS, until))
    assert [m.epoch for m in measurements] == [1, 2, 3][:until]
    own = {"SFT": "val_mean_token_accuracy", "DPO": "val_rewards/accuracies"}[kind]
    assert {"val_loss", own} <= set(measurements[0].metrics)


def test_max_steps_and_accumulated_gradients_are_followed(tmp_path: Path) -> None:
    schedule = Schedule("cosine", 1e-3, EPOCHS, warmup=1)
    options = {"max_steps": 7, "gradient_accumulation_steps": 2, "eval_strategy": "steps", "eval_steps": 2}
    rates, measurements = fit(
        lambda run: lrsearch.attach(make_trainer("SFT", tmp_path, **options), run).train(), schedule
    )
    assert_follows(rates, schedule, 7 / EPOCHS)
    assert len(measurements) == EPOCHS


def test_the_exported_arguments_train_in_the_same_trainer(tmp_path: Path) -> None:
    schedule = Schedule("cosine", 1e-3, EPOCHS, warmup=1)
    record = make_record(schedule, steps_per_epoch=STEPS)
    arguments = run_code(export(record, None, "transformers"))["TRAINING_ARGUMENTS"]
    with recorded_rates() as rates:
        make_trainer("SFT", tmp_path, **arguments).train()
    assert_follows(rates, schedule, STEPS)
