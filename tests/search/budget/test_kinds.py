"""The three questions that a kind of budget answers, and books that hold whatever happens."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrsearch.search import Budget
from lrsearch.search.budget.kinds import KINDS, Epochs, Seconds, Trials
from lrsearch.search.budget.ledger import Allowance, Ledger

EPOCHS = 10


@pytest.mark.parametrize(
    ("kind", "unfinished", "ended", "full"),
    [(Trials(EPOCHS), 0, 1, 1), (Epochs(EPOCHS), 4, 4, 10), (Seconds(EPOCHS), 0, 0, 30)],
)
def test_a_kind_says_what_a_trial_costs(
    kind: Trials | Epochs | Seconds, unfinished: int, ended: int, full: int
) -> None:
    assert kind.cost(4, counted=False) == unfinished
    assert kind.cost(4, counted=True) == ended
    assert kind.full_trial(30.0) == full


@pytest.mark.parametrize(
    ("kind", "lengths"),
    [("trials", [0, 0, 0, 10, 10, 10]), ("epochs", [0, 0, 0, 1, 7, 10]), ("seconds", [0, 0, 10, 10, 10, 10])],
)
def test_a_kind_says_how_long_the_next_trial_may_be(kind: str, lengths: list[int]) -> None:
    assert [KINDS[kind](EPOCHS).length(available) for available in (-1, 0, 0.5, 1, 7.9, 100)] == lengths


@given(
    st.sampled_from(["trials", "epochs"]), st.integers(1, 60), st.lists(st.tuples(st.integers(1, 10), st.booleans()))
)
def test_no_order_of_reserving_and_committing_spends_more_than_the_budget(
    kind: str, amount: int, ends: list[tuple[int, bool]]
) -> None:
    ledger = Ledger(Budget(kind, amount), EPOCHS, 0.0, time.time())  # type: ignore[arg-type]
    running: list[Allowance] = []
    for used, counted in ends:
        while len(running) < 3 and (allowance := ledger.reserve()):
            running.append(allowance)
        if not running:
            break
        allowance = running.pop(0)
        ledger.commit(allowance, min(used, allowance.epochs), counted=counted)
        assert ledger.spent <= amount
        assert ledger.available >= 0
    for allowance in running:
        ledger.commit(allowance, allowance.epochs, counted=True)
    assert ledger.spent <= amount
    assert ledger.available == amount - ledger.spent


def test_only_wall_time_has_a_deadline_and_passes_by_itself() -> None:
    begun = time.monotonic() - 5
    timed = Ledger(Budget("seconds", 100), EPOCHS, 30.0, begun)
    assert timed.deadline == begun + 70
    assert timed.spent == pytest.approx(35, abs=1)
    for kind in ("trials", "epochs"):
        ledger = Ledger(Budget(kind, 100), EPOCHS, 30.0, begun)
        assert (ledger.deadline, ledger.spent, ledger.left) == (math.inf, 30, None)
