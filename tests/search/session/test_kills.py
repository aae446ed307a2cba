"""Kill -9 at random moments, of workers, of the parent, of both: nothing is lost, nothing is counted twice.

A few kills by default; LRSEARCH_KILLS=100 takes a hundred for each storage.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from kills import Quick, pushes, torment

from lrsearch.objectives import UserObjective
from lrsearch.search import Plan

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("LRSEARCH_KILLS", "4"))
PER_SEARCH = {"single": (24, 8), "processes": (30, 9)}
"""Trials and kills of a search."""


@pytest.mark.parametrize(("storage", "form"), [("journal", "pull"), ("journal", "push"), ("postgresql", "pull")])
def test_kills_lose_no_trial_and_count_none_twice(
    make_plan: Callable[..., Plan], storage: str, form: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if storage == "postgresql" else None
    done: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    begun, searches = time.time(), 0
    while (left := KILLS - sum(done.values())) > 0:
        engine = ("processes", "single", "single")[searches % 3]
        trials, kills = PER_SEARCH[engine]
        plan = make_plan(
            str(trials),
            objective=Quick() if form == "pull" else UserObjective(pushes, "sgd", epochs=5),
            study=f"killed-{searches}",
            storage=url,
            engine=engine,
            jobs=1 if engine == "single" else 2,
            sampler="random",
            pruner="none",
            confirm=0,
        )
        killed, result = torment(plan, min(left, kills), random.Random(searches))
        done += killed
        outcomes += Counter({str(k): v for k, v in result.counts().items()})
        searches += 1
    print(f"\n{storage}, {form}: {dict(done)} in {searches} searches, {time.time() - begun:.0f} s; {dict(outcomes)}")
    assert sum(done.values()) == KILLS
