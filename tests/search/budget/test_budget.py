"""Budgets: what is understood, what is refused, and books that balance."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrsearch.errors import InputError
from lrsearch.search import Budget, duration
from lrsearch.search.budget.ledger import Allowance, Ledger


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("40", "trials", 40),
        (" 1 ", "trials", 1),
        (60, "trials", 60),
        ("90s", "seconds", 90),
        ("30m", "seconds", 1800),
        ("1.5h", "seconds", 5400),
        ("1h30m", "seconds", 5400),
        ("500ep", "epochs", 500),
        ("500 epochs", "epochs", 500),
        ("10M", "seconds", 600),
    ],
)
def test_budgets_are_read(text: str, kind: str, amount: float) -> None:
    assert Budget.parse(text) == Budget(kind, amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0", "-3", "5 parsecs", "", "ep", "1.5", "0s", "0ep", "m30", "1e9", "nan", "9" * 30])
def test_other_budgets_are_refused_with_the_rule(text: str) -> None:
    with pytest.raises(InputError, match=r'a budget is trials \("60"\)'):
        Budget.parse(text)


@given(st.text())
def test_no_text_gives_anything_but_a_budget_or_the_rule(text: str) -> None:
    with suppress(InputError):
        assert Budget.parse(text).amount > 0


def test_epochs_in_flight_are_reserved_and_unused_ones_come_back() -> None:
    ledger = Ledger(Budget("epochs", 25), epochs=10, spent=0, begun=time.monotonic())
    assert [ledger.reserve() for _ in range(4)] == [Allowance(10), Allowance(10), Allowance(5), None]
    ledger.commit(Allowance(10), 4, counted=True)
    assert ledger.spent == 4
    assert [ledger.reserve(), ledger.reserve()] == [Allowance(6), None]


def test_an_uncounted_trial_gives_its_place_back() -> None:
    ledger = Ledger(Budget("trials", 2), epochs=10, spent=1, begun=time.monotonic())
    assert [ledger.reserve(), ledger.reserve()] == [Allowance(10), None]
    ledger.commit(Allowance(10), 3, counted=False)
    assert ledger.reserve() == Allowance(10)
    ledger.commit(Allowance(10), 10, counted=True)
    assert (ledger.spent, ledger.reserve()) == (2, None)


def test_durations_read_well() -> None:
    assert [duration(s) for s in (0.44, 12, 185, 7800, 60)] == ["0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "1 min"]


def test_time_that_is_kept_back_starts_no_trial_but_ends_none_either() -> None:
    ledger = Ledger(Budget("seconds", 100), epochs=10, spent=0, begun=time.monotonic() - 70)
    allowance = ledger.reserve()
    assert allowance == Allowance(10, ledger.deadline)
    ledger.kept_back = 40.0
    assert ledger.reserve() is None
    assert ledger.deadline == allowance.deadline


def test_a_budget_of_time_that_is_spent_has_no_full_trials_left_even_if_none_was_timed() -> None:
    ledger = Ledger(Budget("seconds", 20), epochs=10, spent=0, begun=time.monotonic() - 30)
    assert ledger.full_trials(0.0) == 0
    assert ledger.full_trials(5.0) == 0
