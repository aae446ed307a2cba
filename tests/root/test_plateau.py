"""ReduceLROnPlateau as a baseline in a whole search: tried, confirmed, shown with the rates that came out, exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from schedules import run_code
from torch.optim.lr_scheduler import ReduceLROnPlateau

import lrsearch
from lrsearch.cli import main
from lrsearch.errors import InputError
from lrsearch.reports.export import export, read_best

JOB = """
import torch

def objective(run):
    model = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([model], lr=1.0)
    scheduler = run.scheduler(optimizer, 2)
    noise = torch.Generator().manual_seed(run.seed)
    for epoch in range(run.epochs):
        for _ in range(2):
            rate = optimizer.param_groups[0]["lr"]
            optimizer.step()
            scheduler.step()
        shares = [0.5**k for k in range(1, 4)]
        share = next((s for s in shares if abs(rate / 0.08 - s) < 1e-9), 1.0)
        yield {"val_loss": share * (1 + 1e-5 * float(torch.rand((), generator=noise)))}
"""
"""It learns by halving a rate of 0.08 alone, and waits on a plateau until that is done."""
BASELINE = "plateau:base_lr=0.08,factor=0.5,patience=1,threshold=0.01"
RATES = [*[0.08] * 3, *[0.04] * 3, *[0.02] * 3, 0.01]


@pytest.fixture
def result(tmp_path: Path) -> lrsearch.SearchResult:
    """A search that the baseline wins."""
    file = tmp_path / "job.py"
    file.write_text(JOB)
    given: dict[str, Any] = {
        "budget": 26,
        "epochs": 10,
        "confirm": 3,
        "spend_all": True,
        "out": tmp_path / "runs",
        "optimizer": "sgd",
    }
    how: dict[str, Any] = {"sampler": "random", "pruner": "none", "probe": "off", "jobs": 1}
    return lrsearch.run(f"{file}:objective", baseline=BASELINE, **given, **how)


def test_it_is_confirmed_shown_as_it_ran_and_exported(
    result: lrsearch.SearchResult, capsys: pytest.CaptureFixture[str]
) -> None:
    assert result.folder is not None
    best = result.best
    assert best.baseline == "your own"
    assert best.schedule is not None
    assert best.lr == pytest.approx(RATES)
    assert best.schedule.curve(2).tolist() == pytest.approx([rate for rate in RATES for _ in range(2)])
    assert result.confirmation is not None
    assert result.confirmation.word == "worse"
    runs = [t for t in result.confirmation.runs if t.confirms == best.number]
    assert len(runs) >= 3
    assert all(t.lr == pytest.approx(RATES) for t in runs), "each fresh seed lowers its own rate"
    again = lrsearch.load(result.folder)
    assert isinstance(again, lrsearch.SearchResult)
    assert again.best.schedule is not None
    assert again.best.schedule.course == pytest.approx([rate / 0.08 for rate in RATES])
    assert main(["report", result.folder]) == 0
    assert "plateau" in Path(result.folder, "report.html").read_text()
    assert main(["runs", str(Path(result.folder).parent)]) == 0
    assert "plateau" in capsys.readouterr().out
    _check_exports(best, again, Path(result.folder))


def _check_exports(best: lrsearch.TrialRecord, result: lrsearch.SearchResult, folder: Path) -> None:
    made = run_code((folder / "best.py").read_text())
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": 1.0}, {"params": [torch.zeros(1)], "lr": 0.1}])
    scheduler = made["build_scheduler"](optimizer)
    assert isinstance(scheduler, ReduceLROnPlateau)
    assert made["METRIC"] == "val_loss"
    seen = []
    for value in best.metrics["val_loss"]:
        seen.append([float(g["lr"]) for g in optimizer.param_groups])
        scheduler.step(value)
    assert [rate for rate, _ in seen] == pytest.approx(RATES)
    assert [rate for _, rate in seen] == pytest.approx([rate / 10 for rate in RATES])
    record = read_best(folder / "best.json")
    assert record.schedule is not None
    assert record.schedule.curve(1).tolist() == pytest.approx(RATES)
    assert json.loads(export(record, None, "json"))["schedule"]["family"] == "plateau"
    for name in ("lightning", "transformers", "timm"):
        with pytest.raises(InputError, match=r"plateau follows the metric.* Formats that can: torch, json, yaml"):
            export(best, result, name)


def test_a_command_and_a_search_cannot_have_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path), "--budget", "3"]
    assert main(["run", *out, "--baseline", BASELINE, "--optimizer", "sgd", "--", "true"]) == 2
    assert "gets its schedule before it starts" in capsys.readouterr().err
    assert main(["run", "digits", *out, "--families", "cosine,plateau"]) == 2
    assert "it can only be a baseline, as --baseline plateau:base_lr=0.1" in capsys.readouterr().err
    assert main(["run", "digits", *out, "--baseline", "plateau:factor=0.1"]) == 2
    assert "needs base_lr" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
