"""Which specs name the same function."""

from __future__ import annotations

from pathlib import Path

import pytest

import lrsearch
from lrsearch.cli import main
from lrsearch.objectives import same_objective


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x.py:f", "./x.py:f", True),
        ("x.py:f", "/home/me/x.py:f", True),
        ("job/x.py:f", "/home/me/job/x.py:f", True),
        ("../job/x.py:f", "job/x.py:f", True),
        ("a/../x.py:f", "x.py:f", True),
        ("digits", "digits", True),
        ("package.module:f", "package.module:f", True),
        ("x.py:f", "x.py:g", False),
        ("x.py:f", "y.py:f", False),
        ("a/x.py:f", "b/x.py:f", False),
        ("package.module:f", "module:f", False),
        ("digits", "text", False),
        ("x.py:f", "f", False),
    ],
)
def test_paths_to_one_file_are_one_objective(one: str, other: str, same: bool) -> None:
    assert same_objective(one, other) is same
    assert same_objective(other, one) is same


def test_a_search_goes_on_however_its_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.py").write_text("def f(run):\n    for rate in run.schedule.curve(1):\n        yield rate\n")
    for budget, spec in enumerate(("x.py:f", "./x.py:f", f"{tmp_path}/x.py:f"), start=3):
        assert main(["run", spec, "--budget", str(budget), "--epochs", "2", "--optimizer", "sgd"]) == 0
    assert len(lrsearch.load("runs/f").trials) == 5
