"""Searches in other storages than the run folder's journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages._rdb.storage import _VersionManager
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from lrsearch.errors import StudyError
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
    storage = open_storage(postgres_url)
    assert storage.get_all_studies() == []
    assert len(tries) == 2
    held = storage._backend.engine.pool.checkedin()  # type: ignore[attr-defined]
    patience = time.monotonic() + 30  # the server may take a moment to see that others were closed
    while _connections(postgres_url) > held and time.monotonic() < patience:
        time.sleep(0.1)
    assert _connections(postgres_url) == held, "none but those of the storage that was opened in the end"


def _connections(url: str) -> int:
    """How many connections to a database there are, without the one that asks."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return int(connection.execute(text(count)).scalar_one())


def test_a_connection_that_the_server_has_ended_is_made_anew(postgres_url: str) -> None:
    storage = open_storage(postgres_url)
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"))
    engine.dispose()
    assert storage.get_all_studies() == []


def test_an_empty_study_of_another_direction_is_refused(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    plan = make_plan("4", storage=f"sqlite:///{tmp_path}/made.db")
    optuna.create_study(storage=plan.where, study_name=plan.study, direction="maximize")
    with pytest.raises(StudyError, match="was made to maximize, and val_loss is to be minimized"):
        search(plan)
