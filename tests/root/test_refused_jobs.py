"""Jobs that are refused leave nothing behind; those that look wrong are told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrsearch.cli import main

JOB = """
import torch

def objective(run):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = run.scheduler(optimizer, 1)
    for epoch in range(run.epochs):
        optimizer.step()
        scheduler.step()
        yield float(epoch)

def ignores(run):
    yield 1.0

def own_rate(run):
    optimizer = torch.optim.Adafactor(torch.nn.Linear(1, 1).parameters())
    optimizer.param_groups[0]["lr"] = None
    run.scheduler(optimizer, 1)
    yield 1.0
"""


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.py").write_text(JOB)


@pytest.mark.parametrize("more", [[], ["--out", "a/b"], ["--storage", "sqlite:///s.db"], ["--trial-timeout", "60"]])
def test_a_refused_job_leaves_no_folder(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "job.py:ignores", *more]) == 2
    assert "never used its schedule" in capsys.readouterr().err
    left = {path.name for path in Path().iterdir()} - {"job.py", "__pycache__", "s.db"}
    assert left == set()


def test_a_folder_that_holds_something_stays() -> None:
    Path("runs/ignores").mkdir(parents=True)
    Path("runs/notes.txt").write_text("mine")
    assert main(["run", "job.py:ignores"]) == 2
    assert main(["run", "job.py:own_rate", "--optimizer", "adamw"]) == 2
    assert {path.name for path in Path("runs").iterdir()} == {"ignores", "notes.txt"}


def test_an_optimizer_without_a_rate_is_refused_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "job.py:own_rate"]) == 2
    assert capsys.readouterr().err.startswith("lrsearch: error: Adafactor with lr=None makes its own rates")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], False),
        (["--optimizer", "adamw"], False),
        (["--optimizer", "sgd"], True),
        (["--optimizer", "sgd", "--space", "own.toml"], False),
    ],
)
def test_a_range_of_another_optimizer_is_told(more: list[str], told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.toml").write_text("base_lr = { low = 0.001, high = 0.1, log = true }\n")
    assert main(["run", "job.py:objective", "--budget", "2", "--epochs", "2", *more]) == 0
    said = (
        "The job trains with AdamW, and --optimizer sgd searches base_lr from 0.001 to 1. "
        "The range for AdamW is 1e-05 to 0.03: it is taken without --optimizer."
    )
    assert (said in capsys.readouterr().err) is told
