"""A run folder that was backed up and is restored under another path, on a machine of another name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bowl import Behind, StopAfter

import lrsearch
from lrsearch.cli import main
from lrsearch.objectives import Measurement
from lrsearch.reports.dashboard.server import prepare
from lrsearch.run_folder import write_outputs
from lrsearch.search import Plan, SearchResult, search, train_longer
from lrsearch.search.storage import owners
from lrsearch.spaces import Schedule

MakePlan = Callable[..., Plan]


class BackedUp(Behind):
    """The run folder is copied in the third epoch of a trial, the sixth to begin."""

    folder, backup = Path(), Path()

    def __init__(self) -> None:
        self.begun = 0

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        self.begun += 1
        for measurement in super().run(schedule, **how):
            if self.begun == 7 and measurement.epoch == 3:  # an epoch was run before the first trial
                shutil.copytree(self.folder, self.backup)
            yield measurement


def facts(result: SearchResult) -> list[Any]:
    """What was trained and found."""
    return sorted((str(t.schedule), t.value, t.outcome) for t in result.trials if t.outcome != "interrupted")


@pytest.mark.parametrize("moment", ["in a trial", "at the end"])
def test_a_run_that_is_restored_elsewhere_goes_on(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    objective, restored = BackedUp(), tmp_path / "elsewhere" / "bowl"
    plan = make_plan("24", objective=objective, sampler="random", pruner="none", confirm=9)
    objective.folder = plan.folder
    objective.backup = restored if moment == "in a trial" else tmp_path / "early"
    whole = search(plan)
    write_outputs(whole)
    if moment == "at the end":
        shutil.copytree(plan.folder, restored)
    shutil.rmtree(plan.folder)

    elsewhere = replace(owners.this_process(), host="another", place="another")
    monkeypatch.setattr(owners, "_process", lambda pid: replace(elsewhere, pid=pid))
    plan, progress = replace(plan, out=str(restored.parent), objective=Behind()), StopAfter(999)
    result = search(plan, progress)
    assert facts(result) == facts(whole)
    assert result.counts().get("interrupted", 0) == (moment == "in a trial")
    assert result.confirmation is not None
    assert whole.confirmation is not None
    assert result.confirmation.word == whole.confirmation.word == "better"
    write_outputs(result)

    followed = train_longer(plan, [10], 2, progress)
    assert {r.outcome for r in followed.transfer} == {"complete"}
    assert main(["report", str(restored)]) == 0
    assert main(["export", str(restored), "--format", "json", "--output", str(tmp_path / "schedule.json")]) == 0
    assert (tmp_path / "schedule.json").exists()
    prepare(lrsearch.load(restored), str(restored / "journal.log"))
    assert facts(lrsearch.load(restored)) == facts(whole)
    assert not (tmp_path / "bowl").exists()
