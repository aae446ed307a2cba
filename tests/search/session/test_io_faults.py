"""Every call that touches a file fails once: nothing that had ended is lost, a line says why, and the search goes on.

By default, of the calls that are made in one way, through the same lines of lrsearch, the last one fails;
``LRSEARCH_IO_FAULTS=all`` lets each fail, and says how many there were.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bowl import StopAfter
from io_faults import failing

from lrsearch.errors import LrsearchError
from lrsearch.reports.export import read_best
from lrsearch.run_folder import write_outputs
from lrsearch.search import Plan, SearchResult, Tally, TrialRecord, load_result, open_storage, search

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")]

MakePlan = Callable[..., Plan]
ALL = os.environ.get("LRSEARCH_IO_FAULTS") == "all"


class Kept(StopAfter):
    """Progress that keeps what it was told of trials that have ended."""

    def __init__(self) -> None:
        super().__init__(99)
        self.ended: dict[int, Any] = {}

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        self.ended[trial.number] = (str(trial.schedule), trial.value, trial.outcome)


def facts(result: SearchResult) -> list[Any]:
    """What was trained, in no order: a baseline that is run again comes behind the others."""
    return sorted((str(t.schedule), t.value, t.outcome) for t in result.trials if t.outcome != "interrupted")


def chosen(sites: list[tuple[str, ...]]) -> list[int]:
    """Which calls fail."""
    return list(range(len(sites))) if ALL else sorted({site: number for number, site in enumerate(sites)}.values())


def test_a_file_that_fails_loses_nothing_and_the_search_goes_on(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("4", sampler="random", pruner="none")
    with failing(tmp_path, None) as calls:
        whole = search(plan)
        write_outputs(whole)
    files = sorted(p.name for p in plan.folder.iterdir())
    said: list[str] = []
    for number in chosen(calls.sites):
        shutil.rmtree(plan.folder)
        told = Kept()
        with failing(tmp_path, number):
            try:
                write_outputs(search(plan, told))
            except LrsearchError as error:
                said.append(str(error))
        where = f"call {number}, {calls.sites[number]}"
        if told.ended:
            stored = load_result(open_storage(plan.where), plan.study)
            kept = {t.number: (str(t.schedule), t.value, t.outcome) for t in stored.trials}
            assert {n: kept.get(n) for n in told.ended} == told.ended, where
        result = search(plan)
        write_outputs(result)
        assert facts(result) == facts(whole), where
        assert sorted(p.name for p in plan.folder.iterdir()) == files, where
        assert read_best(plan.folder / "best.json").schedule == whole.best.schedule
    assert not [line for line in said if "\n" in line or "Input/output error" not in line]
    print(f"\n{len(chosen(calls.sites))} of {len(calls.sites)} calls failed, {len(said)} of them ended the search")
