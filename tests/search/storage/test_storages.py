"""Searches in other storages than the run folder's journal."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from optuna.storages._rdb.storage import _VersionManager
from sqlalchemy.exc import ProgrammingError

from lrsearch.search import Plan, open_storage, search


def test_a_search_runs_on_postgresql(make_plan: Callable[..., Plan], postgres_url: str) -> None:
    result = search(make_plan("8", storage=postgres_url))
    assert [t.number for t in result.trials] == list(range(8))
    assert {t.outcome for t in result.trials} <= {"complete", "pruned", "diverged"}
    assert result.best.value is not None


def test_a_try_to_open_a_database_that_fails_leaves_no_connection(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    check = _VersionManager.check_table_schema_compatibility

    def too_early_at_first(self: Any) -> None:
        check(self)
        tries.append(1)
        if len(tries) == 1:
            raise ProgrammingError("another process was making the tables", None, Exception())

    monkeypatch.setattr(_VersionManager, "check_table_schema_compatibility", too_early_at_first)
    assert open_storage(postgres_url).get_all_studies() == []
    assert len(tries) == 2
    gc.collect()  # warns of connections left open, which is an error here
