"""What may befall a storage while a search uses it: the search ends with a line, its book is exact, and it goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from bowl import Bowl, Noisy
from postgres import NoPostgres, postgres

from lrsearch.errors import InputError, LrsearchError, StudyError
from lrsearch.objectives import Measurement
from lrsearch.run_folder import write_outputs
from lrsearch.search import Plan, SearchResult, Silent, load_result, open_storage, search, train_longer
from lrsearch.search.results.transfer import Transfer
from lrsearch.spaces import Schedule

pytestmark = pytest.mark.slow

MakePlan = Callable[..., Plan]
Act = Callable[[], object]
GIVES_UP_S = 60.0
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"


class Then(Bowl):
    """Something happens once, in the first epoch of a trial.

    Args:
        trial: Which trial that this process trains, from 1.
        act: What happens.
    """

    def __init__(self, trial: int, act: Act) -> None:
        self.trial, self.act, self.trained = trial, act, 0

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        self.trained += 1
        for measurement in super().run(schedule, **how):
            if self.trained == self.trial and measurement.epoch == 1:
                self.act()
            yield measurement


def ends_with_a_line(plan: Plan) -> str:
    """Run a search that cannot go on; returns what it says, in a minute at most."""
    begun = time.monotonic()
    with pytest.raises(LrsearchError) as raised:
        write_outputs(search(plan))
    assert time.monotonic() - begun < GIVES_UP_S
    assert "\n" not in str(raised.value)
    return str(raised.value)


def goes_on(plan: Plan, trials: int) -> SearchResult:
    """Run the same search again, to its end; its book must be exact."""
    result = search(replace(plan, objective=Bowl()))
    assert sum(t.counted for t in result.trials) == trials
    assert result.counts().keys() <= {"complete", "pruned", "diverged", "interrupted"}
    assert len({str(t.schedule) for t in result.trials if t.counted}) == trials
    return result


class TestPostgreSQL:
    """A server that is restarted, throws its clients out, or refuses to do what it is asked."""

    @pytest.fixture
    def url(self) -> Iterator[str]:
        """A server of the test's own."""
        pytest.importorskip("psycopg")
        try:
            with postgres() as url:
                yield url
        except NoPostgres as missing:
            pytest.skip(str(missing))

    def do(self, url: str, *commands: str) -> None:
        """Run statements as the owner of the database."""
        import psycopg

        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
            for command in commands:
                server.execute(command)

    def plan(self, make_plan: MakePlan, url: str, act: Act, **changes: Any) -> Plan:
        return make_plan("8", objective=Then(4, act), storage=url, sampler="random", pruner="none", **changes)

    def test_connections_that_are_dropped_are_made_anew(self, make_plan: MakePlan, url: str) -> None:
        plan = self.plan(make_plan, url, lambda: self.do(url, OTHERS))
        with suppress(StudyError):
            search(plan)
        goes_on(plan, 8)

    def test_a_server_that_crashes_and_comes_back(self, make_plan: MakePlan, url: str) -> None:
        import postgres as own

        folder = Path(url.partition("host=")[2])
        call = [*own._as_user(), str(own._binaries() / "pg_ctl"), "-D", str(folder / "data"), "-s", "-w"]
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"

        def restart() -> None:
            own._call([*call, "-m", "immediate", "stop"], folder)
            own._call([*call, "-o", options, "-l", str(folder / "log"), "start"], folder)

        plan = self.plan(make_plan, url, restart)
        with suppress(StudyError):
            search(plan)
        goes_on(plan, 8)

    def test_a_role_that_may_only_read_is_named(self, make_plan: MakePlan, url: str) -> None:
        refuse = "ALTER ROLE lrsearch SET default_transaction_read_only = on"
        plan = self.plan(make_plan, url, lambda: self.do(url, refuse, OTHERS))
        said = ends_with_a_line(plan)
        assert "secret" not in said
        assert "the same command goes on" in said
        assert "read-only transaction" in ends_with_a_line(replace(plan, objective=Bowl()))
        self.do(url, "SET default_transaction_read_only = off", "ALTER ROLE lrsearch RESET ALL")
        goes_on(plan, 8)

    def test_statements_that_take_too_long_are_named(self, make_plan: MakePlan, url: str) -> None:
        import psycopg

        with psycopg.connect(url.replace("+psycopg", "")) as other:

            def lock() -> None:
                other.execute("LOCK TABLE trials")  # until the transaction ends
                self.do(
                    url,
                    "ALTER ROLE lrsearch SET statement_timeout = '200ms'",
                    f"{OTHERS} AND pid != {other.info.backend_pid}",
                )

            plan = self.plan(make_plan, url, lock)
            assert "the same command goes on" in ends_with_a_line(plan)
            said = ends_with_a_line(replace(plan, objective=Bowl()))
            assert "statement timeout" in said
        self.do(url, "ALTER ROLE lrsearch RESET ALL")
        goes_on(plan, 8)

    def test_a_server_without_free_connections_is_named(self, make_plan: MakePlan, url: str) -> None:
        import psycopg

        self.do(url, "CREATE ROLE poor LOGIN SUPERUSER")
        self.do(
            url,
            "ALTER ROLE poor NOSUPERUSER",
            "GRANT ALL ON SCHEMA public TO poor",
            "ALTER ROLE poor CONNECTION LIMIT 1",
        )
        poor = url.replace("lrsearch:secret", "poor:secret")
        with psycopg.connect(poor.replace("+psycopg", "")):
            said = ends_with_a_line(self.plan(make_plan, poor, lambda: None))
        assert "too many connections" in said
        self.do(url, "ALTER ROLE poor CONNECTION LIMIT -1")
        goes_on(self.plan(make_plan, poor, lambda: None), 8)


def test_a_study_of_plain_optuna_of_the_same_name_is_left_alone(make_plan: MakePlan, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db"
    plan = make_plan("4", storage=url, sampler="random")
    optuna.create_study(storage=url, study_name=plan.study).optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    assert "was not made by lrsearch: choose another name with --study" in ends_with_a_line(plan)
    assert len(optuna.load_study(storage=url, study_name=plan.study).trials) == 3


@contextmanager
def small_disk(folder: Path, size: str = "2m") -> Iterator[Path]:
    """A disk of this size; skips where none can be mounted."""
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small disk takes root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with suppress(OSError), open(disk / "ballast", "wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    ballast.write(b"\0" * size)


@pytest.mark.parametrize("phase", ["search", "confirmation"])
def test_a_disk_that_fills_while_trials_run(make_plan: MakePlan, tmp_path: Path, phase: str) -> None:
    with small_disk(tmp_path / "disk") as disk:
        trials = 6 if phase == "search" else 22
        plan = make_plan(
            "30", out=str(disk), confirm=9, sampler="random", pruner="none", objective=Then(trials, lambda: fill(disk))
        )
        assert "No space left on device" in ends_with_a_line(plan)
        stored = load_result(open_storage(plan.where), plan.study)
        before = {t.number: t.value for t in stored.trials if t.counted}
        assert len(before) >= 5
        assert bool(stored.confirming) == (phase == "confirmation")
        (disk / "ballast").unlink()
        result = search(replace(plan, objective=Bowl()))
        assert {n: result.trials[n].value for n in before} == before, "nothing that had ended is lost"
        assert sum(t.counted for t in (*result.trials, *result.confirming)) <= 30
        assert result.confirmation is not None
        assert "running" not in result.counts()


@pytest.mark.parametrize("file", ["report.html", "best.json"])
def test_a_disk_that_fills_while_the_outputs_are_written(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        plan = make_plan("5", out=str(disk), sampler="random", pruner="none")
        result = search(plan)
        write_outputs(result)
        before = (plan.folder / file).read_bytes()
        fill(disk)
        if file == "best.json":
            monkeypatch.setattr("lrsearch.run_folder._write_report", lambda *args: None)
        with pytest.raises(StudyError, match=r"No space left on device.*every trial is kept.*lrsearch report"):
            write_outputs(result)
        assert (plan.folder / file).read_bytes() == before, "the older file is whole"
        (disk / "ballast").unlink()
        write_outputs(result)
        left = {p.name for p in plan.folder.iterdir() if p.name.startswith(".report") or ".tmp" in p.name}
        assert not left


def test_a_folder_on_a_disk_that_becomes_read_only(make_plan: MakePlan, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:

        def protect() -> None:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True, capture_output=True)

        plan = make_plan("6", out=str(disk), sampler="random", pruner="none", objective=Then(4, lambda: None))
        search(replace(plan, budget=replace(plan.budget, amount=3)))
        with suppress(subprocess.CalledProcessError):
            protect()
            with pytest.raises(InputError, match=r"cannot be written \(Read-only file system\): pass --out DIR"):
                search(plan)
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True, capture_output=True)
            goes_on(plan, 6)


def test_a_folder_that_is_deleted_while_a_search_runs_in_it(make_plan: MakePlan) -> None:
    plan = make_plan("8", sampler="random", pruner="none")
    said = ends_with_a_line(replace(plan, objective=Then(4, lambda: shutil.rmtree(plan.folder))))
    assert str(plan.folder) in said
    assert "what it held is lost, unless it was moved" in said
    goes_on(plan, 8)


@pytest.mark.parametrize("table", ["trials", "trial_user_attributes"])
def test_longer_trainings_on_a_database_that_fails_end_in_a_line_and_go_on(
    make_plan: MakePlan, tmp_path: Path, table: str
) -> None:
    url, file = f"sqlite:///{tmp_path}/db", tmp_path / "db"
    plan = make_plan("24", objective=Noisy(), storage=url, sampler="random", pruner="none", confirm=9)
    search(plan)

    def spoil() -> None:
        with closing(sqlite3.connect(file)) as database:
            database.execute(f"ALTER TABLE {table} RENAME TO away")

    def mend() -> None:
        with closing(sqlite3.connect(file)) as database:
            database.execute(f"ALTER TABLE away RENAME TO {table}")

    with pytest.raises(StudyError, match=r"^the storage .* failed: .*\. What it holds is kept.*goes on\.$"):
        train_longer(replace(plan, objective=Then(3, spoil)), [2 * plan.epochs], 3, Silent())
    mend()
    after = train_longer(plan, [2 * plan.epochs], 3, Silent())
    runs = [(t.confirms, t.seed, str(t.schedule)) for t in after.transfer if t.counted]
    assert len(set(runs)) == len(runs) >= 6
    assert after.counts().keys() <= {"complete", "pruned", "diverged"}


def test_a_finalist_without_a_schedule_is_said_before_longer_trainings(make_plan: MakePlan) -> None:
    plan = make_plan("24", objective=Noisy(), sampler="random", pruner="none", confirm=9)
    result = search(plan)
    assert result.confirmation is not None
    winner = result.confirmation.winner
    lost = tuple(replace(t, schedule=None) if t.number == winner else t for t in result.trials)
    with pytest.raises(StudyError, match=f"trial {winner} of '{plan.study}' has no schedule"):
        Transfer(replace(result, trials=lost))
