"""Journals that something has damaged, and run folders that are copied, linked, or on disks without locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from bowl import Bowl
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lrsearch.cli import main
from lrsearch.errors import StudyError
from lrsearch.objectives import Measurement
from lrsearch.search import Plan, load_result, open_storage, search
from lrsearch.search.storage.journal import JournalFile
from lrsearch.search.storage.leases import LEASE_S, let_go, recover, take
from lrsearch.search.storage.owners import _ticks
from lrsearch.spaces import Schedule

MakePlan = Callable[..., Plan]
CREATE_TRIAL = b'{"op_code":4,'


@pytest.fixture
def run(make_plan: MakePlan) -> tuple[Plan, list[bytes]]:
    """A finished run and its journal's lines."""
    plan = make_plan("6", sampler="random")
    search(plan)
    return plan, Path(plan.where).read_bytes().splitlines(keepends=True)


def opens(plan: Plan, lines: list[bytes]) -> None:
    """Put these lines into the journal, and open it as every command does."""
    Path(plan.where).write_bytes(b"".join(lines))
    open_storage(plan.where)


def test_lines_know_what_they_follow_and_say_nothing_of_it(run: tuple[Plan, list[bytes]]) -> None:
    plan, lines = run
    assert all("after" in json.loads(line) for line in lines)
    assert not any("after" in log for log in JournalFile(plan.where).read_logs(0))
    assert len(list(JournalFileBackend(plan.where).read_logs(0))) == len(lines), "plain Optuna reads them, too"


@pytest.mark.parametrize("what", ["doubled", "lost", "changed", "swapped"])
def test_a_line_that_was_doubled_lost_or_changed_is_named_wherever_it_stands(
    run: tuple[Plan, list[bytes]], what: str
) -> None:
    plan, lines = run
    for at in range(1, len(lines) - 2):
        damaged = {
            "doubled": [*lines[: at + 1], *lines[at:]],
            "lost": [*lines[:at], *lines[at + 1 :]],
            "changed": [*lines[:at], lines[at].replace(b'"worker_id":"', b'"worker_id":"x', 1), *lines[at + 1 :]],
            "swapped": [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
        }[what]
        first = at + 2 if what in ("doubled", "changed") else at + 1
        with pytest.raises(StudyError, match=rf"line {first} of the journal .* doubled, lost or changed"):
            opens(plan, damaged)


def test_a_doubled_last_line_is_named_and_what_stands_before_it_goes_on(run: tuple[Plan, list[bytes]]) -> None:
    plan, lines = run
    with pytest.raises(StudyError, match=rf"line {len(lines) + 1} .*head -n {len(lines)} ") as raised:
        opens(plan, [*lines, lines[-1]])
    command = str(raised.value).partition("run ")[2].partition(" and put")[0]
    subprocess.run(command, shell=True, check=True, cwd=plan.folder)
    (plan.folder / "kept.log").replace(plan.where)
    assert sum(t.counted for t in search(replace(plan, budget=replace(plan.budget, amount=8))).trials) == 8


def test_the_line_of_a_plain_script_may_stand_anywhere(run: tuple[Plan, list[bytes]]) -> None:
    plan, lines = run
    foreign = b'{"op_code":2,"worker_id":"x","study_id":0,"user_attr":{"note":1}}\n'
    for at in range(1, len(lines) + 1):
        opens(plan, [*lines[:at], foreign, foreign, *lines[at:]])


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xffgarbage\n",
        b"[1]\n",
        b'{"a":1}\n',
        b'{"op_code":77,"worker_id":"x"}\n',
        b"\n",
        b'"op"\n',
        b"[" * 9**5 + b"\n",
    ],
)
def test_garbage_in_the_middle_is_named_by_every_command_in_a_line(
    run: tuple[Plan, list[bytes]], garbage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, lines = run
    damaged = b"".join([*lines[:20], garbage, *lines[20:]])
    Path(plan.where).write_bytes(damaged)
    folder = str(plan.folder)
    for command in (
        ["report", folder],
        ["export", folder],
        ["transfer", folder, "--epochs", "9"],
        ["dashboard", folder],
    ):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "line 21 of the journal" in said
    with pytest.raises(StudyError, match="line 21 of the journal"):
        search(plan)
    assert Path(plan.where).read_bytes() == damaged, "nothing is lost"


def test_an_empty_journal_is_a_new_one(make_plan: MakePlan) -> None:
    plan = make_plan("4", sampler="random")
    plan.folder.mkdir(parents=True)
    Path(plan.where).touch()
    assert len(search(plan).trials) == 4


def test_a_folder_that_was_copied_while_a_search_ran_goes_on_by_itself(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrsearch.search.storage.leases.WORKERS_END_WITHIN_S", 0.2)
    plan = make_plan("4", sampler="random", pruner="none")
    search(plan)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    study = optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))
    trial = take(study)
    let_go(study, trial)
    trial.set_user_attr("schedule", study.trials[0].user_attrs["schedule"])
    owner = {**trial.user_attrs["owner"], "pid": sleeper.pid, "ticks": _ticks(sleeper.pid)}
    trial.set_user_attr("owner", owner)  # of a session that goes on in the other folder
    shutil.copytree(plan.folder, tmp_path / "copy" / plan.folder.name)
    try:
        result = search(replace(plan, out=str(tmp_path / "copy"), budget=replace(plan.budget, amount=7)))
    finally:
        sleeper.kill()
        sleeper.wait()
    assert sum(t.counted for t in result.trials) == 7
    assert result.trials[trial.number].outcome == "interrupted"
    assert study.trials[trial.number].state == TrialState.RUNNING, "the other folder is as it was"


def test_a_process_that_was_stopped_is_waited_for_as_long_as_a_lease_lasts(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("3", sampler="random")
    search(plan)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    study = optuna.load_study(study_name=plan.study, storage=open_storage(plan.where))
    trial = take(study)
    let_go(study, trial)
    trial.set_user_attr("owner", {**trial.user_attrs["owner"], "pid": sleeper.pid, "ticks": _ticks(sleeper.pid)})
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    try:
        os.kill(sleeper.pid, signal.SIGSTOP)
        os.waitpid(sleeper.pid, os.WUNTRACED)
        assert recover(study) == []
        now += LEASE_S - 1
        assert recover(study) == []
        now += 2
        assert recover(study) == [trial.number]
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_link_to_a_journal_in_use_is_in_use(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("3", sampler="random")
    linked = replace(plan, out=str(tmp_path / "other"))
    linked.folder.mkdir(parents=True)
    Path(linked.where).symlink_to(plan.where)

    class Looks(Bowl):
        said = ""

        def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
            try:
                search(linked)
            except StudyError as error:
                Looks.said = str(error)
            return super().run(schedule, **how)

    search(replace(plan, objective=Looks()))
    assert "another lrsearch is running" in Looks.said
    assert sum(t.counted for t in search(linked).trials) == 3


def test_a_symlinked_folder_is_the_folder(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("3", sampler="random", out=str(tmp_path / "real"))
    search(plan)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    result = search(replace(plan, out=str(tmp_path / "link"), budget=replace(plan.budget, amount=5)))
    assert sum(t.counted for t in result.trials) == 5


@pytest.mark.parametrize("how", ["missing", "does nothing"])
def test_a_disk_without_locks_is_refused_with_a_remedy(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def flock(file: int, operation: int) -> None:
        if how == "missing":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    plan = make_plan("3", sampler="random")
    with pytest.raises(StudyError, match=r"cannot be locked .*: pass --out DIR .*--storage URL"):
        search(plan)
    assert not os.path.exists(plan.where)


def test_a_text_where_a_parameter_is_a_number_is_refused(run: tuple[Plan, list[bytes]]) -> None:
    plan, lines = run
    for at, line in enumerate(lines):
        log = json.loads(line)
        if log.get("param_name") == "base_lr" and log["trial_id"] == 4:
            lines[at] = json.dumps({**log, "param_value_internal": "text"}).encode() + b"\n"
    Path(plan.where).write_bytes(b"".join(json.dumps(_plain(line)).encode() + b"\n" for line in lines))
    with pytest.raises(StudyError, match="trial 4 holds values that are no numbers"):
        load_result(open_storage(plan.where), plan.study)


def _plain(line: bytes) -> dict[str, Any]:
    """A line as a plain script writes it, which follows no other."""
    return {name: value for name, value in json.loads(line).items() if name != "after"}
