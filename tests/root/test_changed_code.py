"""A script that was edited between two runs: refused, started anew, or gone on with, and never mixed silently."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import lrsearch
from lrsearch.cli import main
from lrsearch.objectives.loading import _load, load_function
from lrsearch.reports.facts.cautions import cautions

JOB = """
from offset import OFFSET

def objective(run):
    for rate in run.schedule.curve(1):
        yield (rate - 0.1) ** 2 + OFFSET
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.path", sys.path.copy())
    sys.modules.pop("offset", None)
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "offset.py").write_text("OFFSET = 1\n")
    assert run(tmp_path, 4) == 0
    return tmp_path


def run(folder: Path, budget: int, *more: str) -> int:
    line = f"--budget {budget} --optimizer sgd --epochs 2 --engine single --confirm 0 --out {folder}/runs"
    return main(["run", f"{folder}/job.py:objective", *line.split(), *more])


def edit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edit the module that the job imports, as before another process starts."""
    (folder / "offset.py").write_text("OFFSET = 50 + 51\n")
    monkeypatch.delitem(sys.modules, "offset")
    _load.cache_clear()


def test_a_study_of_code_that_has_changed_is_not_resumed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, monkeypatch)
    for budget in (4, 6):
        assert run(folder, budget) == 1
        error = capsys.readouterr().err
        assert "the code has changed since the study 'objective' was last trained: offset.py." in error
        assert "--fresh" in error
        assert "--accept-changes" in error
    assert len(lrsearch.load(folder / "runs" / "objective").trials) == 4


def test_fresh_starts_anew_and_keeps_the_old_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, monkeypatch)
    assert run(folder, 5, "--fresh") == 0
    assert f"kept in {folder}/runs/objective-1" in capsys.readouterr().err
    assert len(lrsearch.load(folder / "runs" / "objective-1").trials) == 4
    assert all(t.value > 100 for t in lrsearch.load(folder / "runs" / "objective").trials)
    assert run(folder, 6) == 0
    assert run(folder, 4, "--fresh") == 0
    assert len(lrsearch.load(folder / "runs" / "objective-2").trials) == 6


def test_both_codes_share_a_study_if_one_says_so_and_it_is_remembered(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, monkeypatch)
    assert run(folder, 6, "--accept-changes") == 0
    assert "offset.py" in capsys.readouterr().err
    result = lrsearch.load(folder / "runs" / "objective")
    assert [t.value > 100 for t in result.trials] == [False] * 4 + [True] * 2
    assert "between the sessions of this search (offset.py)" in cautions(result)[0].text
    assert run(folder, 7) == 0


def test_what_was_accepted_when_the_budget_was_spent_is_not_asked_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, monkeypatch)
    assert run(folder, 4, "--accept-changes") == 0
    assert run(folder, 4) == 0
    assert run(folder, 6) == 0
    assert "offset.py" in cautions(lrsearch.load(folder / "runs" / "objective"))[0].text
    (folder / "offset.py").write_text("OFFSET = 7\n")
    capsys.readouterr()
    assert run(folder, 8) == 1
    assert "the code has changed" in capsys.readouterr().err


def test_an_edited_comment_is_no_change(folder: Path) -> None:
    (folder / "offset.py").write_text("OFFSET = 1  # as measured\n")
    assert run(folder, 5) == 0


def test_a_study_from_before_there_were_fingerprints_is_resumed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = folder / "runs" / "objective" / "journal.log"
    text, removed = re.subn(r', ?"sources": ?\{[^}]*\}', "", journal.read_text())
    assert removed == 1
    journal.write_text(re.sub(r',"after":\d+', "", text))  # nor were there checksums of lines
    edit(folder, monkeypatch)
    assert run(folder, 5) == 0


def test_fresh_is_for_run_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, 4, "--fresh", "--storage", f"sqlite:///{folder}/s.db") == 2
    assert "choose another name with --study" in capsys.readouterr().err


def test_a_functions_code_counts_as_well(tmp_path: Path) -> None:
    def job(offset: int) -> str:
        (tmp_path / "mine.py").write_text(JOB.replace("from offset import OFFSET", f"OFFSET = {offset}"))
        return f"{tmp_path}/mine.py:objective"

    options: dict[str, Any] = {
        "epochs": 2,
        "optimizer": "sgd",
        "engine": "single",
        "confirm": 0,
        "out": tmp_path / "runs",
    }
    lrsearch.run(load_function(job(1)), budget=2, **options)
    _load.cache_clear()
    with pytest.raises(lrsearch.StudyError, match=r"the code has changed .*: OFFSET"):
        lrsearch.run(load_function(job(222)), budget=2, **options)
