"""`lrsearch.run` from Python: what it tells, what it gives back, and wrong arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from bowl import Bowl

import lrsearch
from lrsearch.errors import InputError
from lrsearch.planning import larger_is_better
from lrsearch.spaces import space_to_toml


def run(tmp_path: Path, **changes: Any) -> lrsearch.SearchResult:
    return lrsearch.run(Bowl(), **{"budget": 4, "out": tmp_path, "confirm": 0, "jobs": 1, **changes})


def test_a_function_is_told_every_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    run(tmp_path, progress=lines.append)
    assert lines[0].startswith("Study bowl: 4 trials")
    assert sum("complete" in line or "diverged" in line or "pruned" in line for line in lines) == 4
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("progress", "told"), [(True, True), (False, False), (None, False)])
def test_progress_may_be_switched(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], progress: bool | None, told: bool
) -> None:
    run(tmp_path, progress=progress)
    assert ("Study bowl" in capfd.readouterr().err) == told


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": optuna.samplers.TPESampler()}, "sampler is a name, one of curve, tpe"),
        ({"pruner": optuna.pruners.NopPruner()}, "pruner is a name, one of auto, median"),
        ({"engine": 2}, "engine is a name"),
        ({"progress": 3}, "progress is True, False, a function"),
    ],
)
def test_a_wrong_argument_is_answered_with_the_right_ones(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())


def test_a_result_is_shown_in_a_line_and_as_a_data_frame(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert repr(result).startswith("<SearchResult 'bowl': ")
    assert result.best.schedule is not None
    assert result.best.schedule.describe() in repr(result)
    assert len(repr(result)) < 300
    table = result.dataframe()
    assert len(table) == 4
    assert table.loc[result.best.number, "val_loss"] == result.best.value
    assert {"outcome", "family", "base_lr", "warmup", "epochs", "seconds"} <= set(table.columns)


@pytest.mark.parametrize("name", ["val_accuracy", "Acc", "val_acc", "macro-f1", "val/AUROC", "bleu", "R2", "mean IoU"])
def test_more_of_some_metrics_is_better(name: str) -> None:
    assert larger_is_better(name)


@pytest.mark.parametrize("name", ["val_loss", "error", "perplexity", "inaccuracy", "rmse", "cap", "place"])
def test_less_of_the_others_is_better(name: str) -> None:
    assert not larger_is_better(name)


def test_an_accuracy_is_maximized_unless_told_otherwise(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"budget": 3, "epochs": 1, "confirm": 0, "metric": "val_accuracy", "engine": "single"}
    assert lrsearch.run("digits", out=tmp_path, **asked).maximize
    assert not lrsearch.run("digits", out=tmp_path / "other", maximize=False, **asked).maximize


def test_a_space_made_for_other_epochs_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(space_to_toml(lrsearch.default_space("sgd", 20)))
    with pytest.raises(InputError, match="made for 20 epochs, and trials have 5: pass --epochs 20"):
        run(tmp_path / "runs", space=file)
