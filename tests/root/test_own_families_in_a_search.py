"""A family of the user's own in a whole search, in worker processes, and its study once the file is gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from schedules import run_code

import lrsearch
from lrsearch.cli import main
from lrsearch.errors import InputError
from lrsearch.reports.export import export, read_best
from lrsearch.spaces import FAMILIES
from lrsearch.spaces.families import BUILT_IN

FILE = Path(__file__).parents[1] / "families_of_a_user.py"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget()


def forget() -> None:
    for name in set(FAMILIES) - BUILT_IN:
        del FAMILIES[name]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", "lanes"])
def test_a_study_is_searched_with_the_file_and_read_without_it(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shapes.py"
    shutil.copy(FILE, file)
    families = [f"{file}:two_slopes", f"{file}:SAWTOOTH"]
    given: dict[str, Any] = {"budget": 7, "epochs": 1, "confirm": 0, "out": tmp_path / "runs", "engine": engine}
    given["jobs"] = 2 if engine == "processes" else 0
    result = lrsearch.run("digits", families=families, task_options=lrsearch.TaskOptions(subset=128), **given)
    own = [t for t in result.trials if t.schedule and t.schedule.family in ("two_slopes", "sawtooth")]
    assert len(own) == 6
    assert {t.outcome for t in own} <= {"complete", "pruned"}
    for trial in own:
        assert trial.schedule is not None
        assert trial.lr[0] == pytest.approx(trial.schedule.curve(trial.steps_per_epoch or 1)[-1])  # the function's own
    file.unlink()
    forget()
    folder = str(tmp_path / "runs" / "digits")
    again = lrsearch.load(folder)
    assert isinstance(again, lrsearch.SearchResult)
    for before, after in zip(own, (again.trial(t.number) for t in own), strict=True):
        assert before.schedule is not None
        assert after.schedule is not None
        assert after.schedule.points
        text = export(after, again, "torch", epochs=30)
        assert "POINTS" in text
        assert run_code(text)["BASE_LR"] == before.schedule.base_lr
        assert len(after.schedule.curve(50)) == 50
        assert np.isfinite(after.schedule.curve(50)).all()
    assert main(["report", folder]) == 0
    assert "two_slopes" in Path(folder, "report.html").read_text()
    assert read_best(Path(folder, "best.json")).value == pytest.approx(result.best.value)
    with pytest.raises(InputError, match="is your own: load it"):
        again.space.sample(np.random.default_rng(0), 50)
    capsys.readouterr()
