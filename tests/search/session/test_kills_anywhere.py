"""Kill -9 in every phase of a search: lanes, the engine's measurement, confirmation, longer trainings, outputs, time.

Two kills a phase and storage by default; LRSEARCH_KILLS=1000 takes a hundred of each, a thousand and a hundred in all.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from bowl import Noisy
from kills import Quick, harass, run_session, train_longer_again, write_outputs_often

from lrsearch.objectives import TaskObjective, get_task
from lrsearch.reports.export import read_best
from lrsearch.search import Plan, SearchResult, load_result, open_storage, search
from lrsearch.spaces import default_space

pytestmark = pytest.mark.slow

MakePlan = Callable[..., Plan]
KILLS = max(2, int(os.environ.get("LRSEARCH_KILLS", "20")) // 10)


@pytest.fixture(params=["journal", "postgresql"])
def storage(request: pytest.FixtureRequest) -> str | None:
    """Where a search lies: None for its run folder's journal."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


def loaded(plan: Plan) -> SearchResult:
    return load_result(open_storage(plan.where), plan.study, str(plan.folder))


def check(plan: Plan, kills: int) -> SearchResult:
    """The book is exact; says how often it was killed."""
    result = loaded(plan)
    every = (*result.trials, *result.confirming)
    assert "running" not in {t.outcome for t in every}
    counted = [t for t in result.trials if t.counted]
    assert len({str(t.schedule) for t in counted}) == len(counted), "no schedule was counted twice"
    lost = {str(t.schedule) for t in result.trials if t.outcome == "interrupted" and t.schedule}
    assert lost <= {str(t.schedule) for t in counted} or plan.budget.kind == "seconds", "what was lost ran again"
    runs = [(t.confirms, t.seed) for t in result.confirming if t.counted]
    assert len(set(runs)) == len(runs), "no run on a fresh seed was counted twice"
    if plan.budget.kind == "trials":
        assert len(counted) + len(runs) <= plan.budget.amount
        assert plan.confirm or len(counted) == plan.budget.amount
    print(f"\n{kills} kills; {result.counts()}, {len(runs)} runs on fresh seeds")
    return result


@pytest.mark.parametrize(("engine", "within"), [("lanes", 6.0), ("auto", 10.0)])
def test_in_lanes_and_while_the_engine_is_measured(
    make_plan: MakePlan, storage: str | None, engine: str, within: float
) -> None:
    digits, space = TaskObjective(get_task("digits")), default_space("sgd", 6)
    plan = make_plan(
        "14", objective=digits, space=space, jobs=0, engine=engine, storage=storage, sampler="random", study=engine
    )
    check(plan, harass(run_session, (plan,), KILLS, within, random.Random(1)))


def test_in_a_search_and_its_confirmation(make_plan: MakePlan, storage: str | None) -> None:
    plan = make_plan("30", objective=Quick(), storage=storage, sampler="random", pruner="none", confirm=9)
    result = check(plan, harass(run_session, (plan,), KILLS, 4.0, random.Random(2)))
    assert result.confirmation is not None
    assert result.confirmation.decided or len(result.confirming) >= 10


def test_in_longer_trainings(make_plan: MakePlan, storage: str | None) -> None:
    changes: dict[str, Any] = {"storage": storage, "sampler": "random", "pruner": "none", "confirm": 9}
    plan = make_plan("24", objective=Noisy(), **changes)
    before = search(plan)
    done = harass(train_longer_again, (plan,), KILLS, 1.5, random.Random(3))
    after = check(plan, done)
    assert after.trials == before.trials
    runs = [(t.confirms, t.seed, str(t.schedule)) for t in after.transfer if t.counted]
    assert runs
    assert len(set(runs)) == len(runs)
    assert "running" not in {t.outcome for t in after.transfer}


def test_while_outputs_are_written(make_plan: MakePlan) -> None:
    plan = make_plan("6", sampler="random")
    search(plan)
    done = harass(write_outputs_often, (plan,), KILLS, 1.5, random.Random(4))
    check(plan, done)
    assert read_best(plan.folder / "best.json").schedule == loaded(plan).best.schedule
    assert (plan.folder / "report.html").read_text().rstrip().endswith("</html>")
    names = {"report.html", "best.json", "best.py"}
    assert not [p.name for p in plan.folder.iterdir() if any(n in p.name for n in names) and p.name not in names]


def test_in_a_budget_of_time(make_plan: MakePlan, storage: str | None) -> None:
    plan = make_plan("5s", objective=Quick(), storage=storage, sampler="random", pruner="none")
    result = check(plan, harass(run_session, (plan,), KILLS, 3.0, random.Random(5)))
    assert sum(sum(t.seconds) for t in result.trials if t.counted) < 5 + 3 * KILLS
