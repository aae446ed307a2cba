"""A search whose study lies in a database: its run folder says where, and commands need nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

import lrsearch
from lrsearch.cli import main
from lrsearch.options import STORAGE
from lrsearch.run_folder import locate
from lrsearch.search.storage.whereabouts import note_whereabouts

RUN = ["run", "--budget", "4", "--epochs", "2", "--confirm", "0", "--engine", "single"]


def test_a_run_in_a_database_is_found_by_its_folder_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*RUN, "--storage", "sqlite:///sq.db"]) == 0
    assert main(["report", "digits"]) == 0
    capsys.readouterr()
    assert main(["runs"]) == 0
    assert "runs/digits" in capsys.readouterr().out
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for line in ("report ../runs/digits", "export ../runs/digits"):
        assert main(line.split()) == 0
    assert len(lrsearch.load("../runs/digits").trials) == 4


def test_a_run_that_was_typed_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    monkeypatch.setenv(STORAGE, f"sqlite:///{tmp_path}/none.db")
    assert main(["report", str(tmp_path / "digits")]) == 0
    assert not (tmp_path / "none.db").exists()


def test_a_password_is_asked_for_and_never_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:secret@host/db"
    note_whereabouts(tmp_path, url, "mine")
    assert all("secret" not in f.read_text() for f in tmp_path.iterdir())
    with pytest.raises(lrsearch.InputError, match=r"lies in postgresql://me:\*\*\*@host/db: give that URL in"):
        locate(tmp_path)
    monkeypatch.setenv(STORAGE, url)
    assert locate(tmp_path) == url
    monkeypatch.setenv(STORAGE, "postgresql://me:secret@host/other")
    with pytest.raises(lrsearch.InputError, match="lies in"):
        locate(tmp_path)
