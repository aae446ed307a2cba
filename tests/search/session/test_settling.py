"""A search that has settled: it ends before its budget, confirms, stays ended, and goes on if it is told to."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from bowl import Bowl
from rich.console import Console

from lrsearch.objectives import Measurement
from lrsearch.reports.facts.answer import tally
from lrsearch.reports.terminal.summary import print_summary
from lrsearch.search import Plan, Silent, search
from lrsearch.spaces import Range, Schedule

MakePlan = Callable[..., Plan]


class Noisy(Bowl):
    """The bowl, with luck of a tenth that differs from schedule to schedule."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        luck = 0.1 * random.Random(str((schedule, how["seed"]))).gauss(0, 1)
        for m in super().run(schedule, **how):
            yield Measurement(m.epoch, {name: value + luck for name, value in m.metrics.items()}, m.lr, m.seconds)


class Hears(Silent):
    """Collects what a person would be told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def settles(make_plan: MakePlan) -> MakePlan:
    """Plans of a search that may settle."""

    def make(budget: str = "60", **changes: object) -> Plan:
        return make_plan(budget, **{"spend_all": False, "pruner": "none", "objective": Noisy(), **changes})

    return make


def test_a_settled_search_ends_before_its_budget_and_says_so(settles: MakePlan) -> None:
    told = Hears()
    result = search(settles(), told)
    assert 15 <= len(result.trials) < 60
    assert result.settled == len(result.trials)
    (note,) = [n for n in told.notes if "has settled" in n]
    assert f"after {len(result.trials)} trials" in note
    assert f"left over: about {60 - len(result.trials)}." in note
    assert "--spend-all goes on" in note


def test_it_stays_ended_whatever_the_budget_and_goes_on_if_all_is_to_be_spent(settles: MakePlan) -> None:
    first = search(settles())
    told = Hears()
    again = search(settles("70"), told)
    assert len(again.trials) == len(first.trials)
    assert not told.notes
    further = search(settles(f"{len(first.trials) + 3}", spend_all=True))
    assert len(further.trials) == len(first.trials) + 3
    assert further.settled == 0


def test_it_is_judged_anew_in_a_wider_space(settles: MakePlan) -> None:
    plan, told = settles(), Hears()
    settled = len(search(plan).trials)
    wider = replace(plan, space=replace(plan.space, base_lr=Range(1e-6, 1.0, log=True)))
    result = search(wider, told)
    assert any("space is wider now" in note for note in told.notes)
    assert len(result.trials) > settled or any("has settled" in note for note in told.notes)
    assert len(result.trials) < 60


def test_it_confirms_with_what_is_left_of_the_budget(settles: MakePlan) -> None:
    told = Hears()
    result = search(settles(confirm=9), told)
    assert result.settled
    assert result.confirmation is not None
    (duel,) = result.confirmation.duels
    assert len(result.confirmation.judged(duel.rival)) == 9
    assert len(result.trials) + len(result.confirming) < 60


def test_a_settled_search_that_was_never_confirmed_is_confirmed_later(settles: MakePlan) -> None:
    unconfirmed = search(settles())
    result = search(settles(confirm=3))
    searched = [t for t in result.trials if not str(t.baseline).endswith(", tuned")]
    assert len(searched) == len(unconfirmed.trials)
    assert result.confirmation is not None


def test_a_search_that_went_on_in_a_wider_space_has_not_settled_any_more(settles: MakePlan) -> None:
    plan = settles()
    settled = len(search(plan).trials)
    more = settles(str(settled + 3), spend_all=True)
    wider = replace(more, space=replace(plan.space, base_lr=Range(1e-6, 1.0, log=True)))
    result = search(wider)
    assert len(result.trials) == settled + 3
    assert result.settled == 0


@pytest.mark.parametrize("changes", [{"spend_all": True}, {"sampler": "random"}], ids=["all", "random"])
def test_other_searches_spend_their_budget(settles: MakePlan, changes: dict[str, object]) -> None:
    assert len(search(settles("45", **changes)).trials) == 45


def test_fifteen_full_trials_come_first(settles: MakePlan) -> None:
    assert len(search(settles("14")).trials) == 14


def test_the_report_and_the_terminal_say_so(settles: MakePlan) -> None:
    result = search(settles())
    assert tally(result).endswith("; settled early")
    shown = io.StringIO()
    print_summary(result, Console(file=shown, width=200))
    assert "the same command with --spend-all" in shown.getvalue()
