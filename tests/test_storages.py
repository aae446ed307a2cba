"""Searches in other storages than the run folder's journal."""

from __future__ import annotations

from collections.abc import Callable

from lrsearch.search import Plan, search


def test_a_search_runs_on_postgresql(make_plan: Callable[..., Plan], postgres_url: str) -> None:
    result = search(make_plan("8", storage=postgres_url))
    assert [t.number for t in result.trials] == list(range(8))
    assert {t.outcome for t in result.trials} <= {"complete", "pruned", "diverged"}
    assert result.best.value is not None
