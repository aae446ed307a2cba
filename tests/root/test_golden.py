"""A run in the first stored format stays readable: ``tests/golden`` holds its journal and its best.json."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import lrsearch
from lrsearch.cli import main
from lrsearch.search import SearchResult, Transfer

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """The run folder as the first version left it."""
    folder = tmp_path / "golden"
    folder.mkdir()
    (folder / "journal.log").write_bytes(gzip.decompress((GOLDEN / "journal.log.gz").read_bytes()))
    (folder / "best.json").write_bytes((GOLDEN / "best.json").read_bytes())
    return folder


def load(folder: Path) -> SearchResult:
    result = lrsearch.load(folder)
    assert isinstance(result, SearchResult)
    return result


def test_an_old_study_says_what_it_said_then(golden: Path) -> None:
    result = load(golden)
    assert result.counts() == {"complete": 18, "pruned": 1}
    assert result.ranking[0].number == 14
    assert {t.schedule.family for t in result.trials if t.schedule} > {"exp", "step", "cosine", "rex", "wsd"}
    assert result.confirmation is not None
    assert result.confirmation.word == "not distinguishable"
    assert (result.confirmation.winner, result.confirmation.recommended) == (14, 18)
    assert len(result.confirming) == 10
    assert Transfer(result).horizons == [5, 10]
    assert result.sessions[0]["engine"] == "single"


def test_an_old_best_json_is_the_recommended_trial(golden: Path) -> None:
    best, result = lrsearch.load(golden / "best.json"), load(golden)
    assert isinstance(best, lrsearch.TrialRecord)
    assert best.schedule == result.best.schedule
    assert best.value == result.best.value


@pytest.mark.parametrize("how", ["torch", "lightning", "timm", "json", "yaml"])
def test_an_old_run_is_exported(golden: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(golden), "--format", how]) == 0
    assert "linear" in capsys.readouterr().out


def test_an_old_run_gets_a_report(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(golden)]) == 0
    page = (golden / "report.html").read_text()
    assert "not distinguishable" in page or "No gain" in page or "too noisy" in page
    assert json.loads((golden / "best.json").read_text())["kind"]


def test_an_old_run_opens_in_the_dashboard(golden: Path) -> None:
    from lrsearch.reports.dashboard.server import prepare

    prepare(load(golden), str(golden / "journal.log"))
    assert load(golden).counts() == {"complete": 18, "pruned": 1}
