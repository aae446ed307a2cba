"""The journal survives power losses, kills in the middle of a write, and full disks."""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from bowl import StopAfter
from optuna.storages.journal import JournalFileBackend

import lrsearch
from lrsearch.cli import main
from lrsearch.errors import StudyError
from lrsearch.search import Plan, SearchResult, load_result, open_storage, search
from lrsearch.search.engines.pool import dismiss
from lrsearch.search.storage import journal as storage_journal
from lrsearch.search.storage.journal import JournalFile, damage, mend
from lrsearch.search.storage.locks import FlockLock, journal_lock

MakePlan = Callable[..., Plan]


@pytest.fixture
def finished(make_plan: MakePlan) -> tuple[Plan, SearchResult, Path]:
    plan = make_plan("6", sampler="random")
    return plan, search(plan), plan.folder / "journal.log"


def test_a_journal_cut_anywhere_opens_and_loses_at_most_a_line(
    finished: tuple[Plan, SearchResult, Path], tmp_path: Path
) -> None:
    whole = finished[2].read_bytes()
    lines = whole.splitlines(keepends=True)
    last = len(whole) - len(lines[-1])
    cut = tmp_path / "cut.log"
    for size in [*range(last - len(lines[-2]), len(whole)), 1, 5, len(lines[0]) - 1]:
        cut.write_bytes(whole[:size])
        kept = [json.loads(line) for line in whole[:size].splitlines(keepends=True) if line.endswith(b"\n")]
        for line in kept:
            del line["after"]
        said = damage(str(cut))
        assert cut.read_bytes() == whole[:size]
        assert list(JournalFile(str(cut)).read_logs(0)) == kept
        assert bool(said) == (not whole[:size].endswith(b"\n"))
        assert bool(mend(str(cut))) == bool(said)
        assert list(JournalFile(str(cut)).read_logs(0)) == kept
        JournalFile(str(cut)).append_logs([{"op_code": 99}])
        assert list(JournalFile(str(cut)).read_logs(0)) == [*kept, {"op_code": 99}]


def test_a_line_appended_after_a_torn_one_is_not_lost(finished: tuple[Plan, SearchResult, Path]) -> None:
    """A worker that dies in the middle of a write leaves a torn line while others go on."""
    journal = finished[2]
    backend, count = JournalFile(str(journal)), len(journal.read_bytes().splitlines())
    with journal.open("ab") as file:
        file.write(b'{"op_code":5,"worker_id":"gone')
    backend.append_logs([{"op_code": 98}, {"op_code": 99}])
    records = list(backend.read_logs(0))
    assert len(records) == count + 2
    assert records[-2:] == [{"op_code": 98}, {"op_code": 99}]


def test_a_line_that_a_plain_optuna_script_writes_at_the_same_time_is_kept(
    finished: tuple[Plan, SearchResult, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(finished[2])
    before = list(JournalFile(path).read_logs(0))

    def view(data: bytes) -> memoryview:  # between our look for the file's end and our write
        JournalFileBackend(path).append_logs([{"op_code": 8, "by": "a plain script"}])
        return memoryview(data)

    monkeypatch.setattr("lrsearch.search.storage.journal.memoryview", view, raising=False)
    JournalFile(path).append_logs([{"op_code": 8, "by": "lrsearch"}])
    after = list(JournalFile(path).read_logs(0))
    assert after[: len(before)] == before
    assert {line["by"] for line in after[len(before) :]} == {"a plain script", "lrsearch"}


def test_after_a_power_cut_every_trial_that_has_ended_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is flushed survives a power cut: all but what trials under way have told in the last second."""
    path, real = tmp_path / "journal.log", os.fsync
    sizes = [0]

    def fsync(file: int) -> None:
        real(file)
        sizes.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(storage_journal, "SYNC_S", 3600)
    study = optuna.create_study(storage=open_storage(str(path)), study_name="power")
    for _ in range(3):
        trial = study.ask()
        assert sizes[-1] == path.stat().st_size
        before = len(sizes)
        trial.suggest_float("x", 0, 1)
        for step in range(5):
            trial.report(step, step)
        trial.set_user_attr("note", 1)
        assert len(sizes) == before
        study.tell(trial, 1.0)
        assert len(sizes) == before + 1
        assert sizes[-1] == path.stat().st_size
    monkeypatch.setattr(storage_journal, "SYNC_S", 0)
    study.ask().report(0, 0)
    assert sizes[-1] == path.stat().st_size


def test_a_link_to_a_journal_has_the_same_lock(tmp_path: Path) -> None:
    path, link = tmp_path / "journal.log", tmp_path / "link.log"
    path.touch()
    link.symlink_to(path)
    locks = [journal_lock(str(path)), journal_lock(str(link))]
    assert isinstance(locks[0], FlockLock)
    assert len({lock._path for lock in locks if isinstance(lock, FlockLock)}) == 1


@pytest.mark.parametrize("tail", [b'{"op_code":8,"us{"op_code":9}\n', b"\0" * 5000, b"\0" * 20 + b"\n", b"\xff{"])
def test_a_garbled_last_line_is_cut_off(finished: tuple[Plan, SearchResult, Path], tail: bytes) -> None:
    journal = finished[2]
    whole = journal.read_bytes()
    journal.write_bytes(whole + tail)
    assert f"({len(tail)} bytes" in mend(str(journal))
    assert journal.read_bytes() == whole
    assert mend(str(journal)) == ""


@pytest.mark.parametrize("text", ["my notes", "my notes\nmore notes\n", '{"json": 1}\n'])
def test_a_file_that_is_no_journal_is_left_alone(make_plan: MakePlan, tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(StudyError, match=r"notes\.txt"):
        search(make_plan("4", storage=str(path)))
    assert path.read_text() == text


def test_a_run_with_a_torn_journal_goes_on_and_says_so(make_plan: MakePlan) -> None:
    plan = make_plan("12", sampler="random")
    with pytest.raises(KeyboardInterrupt):
        search(plan, StopAfter(5))
    journal = plan.folder / "journal.log"
    before = journal.read_bytes()
    journal.write_bytes(before[:-7])
    progress = StopAfter(100)
    result = search(plan, progress)
    assert sum(t.counted for t in result.trials) == 12
    assert [n for n in progress.notes if "cut off" in n and "removed" in n and "\n" not in n]
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())


def test_reading_a_torn_journal_says_so_and_changes_nothing(
    finished: tuple[Plan, SearchResult, Path],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    plan, result, journal = finished
    torn = journal.read_bytes() + b'{"op_code":'
    journal.write_bytes(torn)
    with caplog.at_level(logging.WARNING):
        assert lrsearch.load(plan.folder).best == result.best
    assert [r.message for r in caplog.records] == [damage(str(journal))]
    assert main(["report", str(plan.folder), "--output", str(tmp_path / "r.html")]) == 0
    assert main(["export", str(plan.folder)]) == 0
    assert "build_scheduler" in capsys.readouterr().out
    assert journal.read_bytes() == torn


def test_a_torn_journal_is_named_on_standard_error_in_a_line(finished: tuple[Plan, SearchResult, Path]) -> None:
    plan, _, journal = finished
    journal.write_bytes(journal.read_bytes()[:-3])
    command = [sys.executable, "-m", "lrsearch", "export", str(plan.folder), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert json.loads(done.stdout)["study"] == "bowl"
    assert done.stderr.count("\n") == 1
    assert "was cut off" in done.stderr


@pytest.mark.parametrize("engine", ["single", "processes"])
def test_a_full_disk_stops_the_run_with_a_readable_study(make_plan: MakePlan, engine: str) -> None:
    plan = make_plan("400", sampler="random", engine=engine, jobs=2 if engine == "processes" else 1)
    with (
        file_size_limit(60_000),
        pytest.raises(StudyError, match=r"journal\.log' cannot be written \(File too large\)"),
    ):
        search(plan)
    stored = load_result(open_storage(plan.where), plan.study)
    assert 5 < len(stored.trials) < 400
    assert not damage(plan.where)
    again = search(make_plan(str(sum(t.counted for t in stored.trials) + 3), sampler="random"))
    assert again.counts().get("failed", 0) == 0
    assert sum(t.counted for t in again.trials) == sum(t.counted for t in stored.trials) + 3


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond `size` bytes of a file fail, part-way through a line, as they do on a full disk.

    Worker processes inherit the limit, so none is kept from before or for later.
    """
    dismiss()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        dismiss()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk takes root")
def test_a_command_on_a_full_disk_ends_with_a_line(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        job = tmp_path / "job.py"
        job.write_text("def objective(run):\n    for epoch in range(run.epochs):\n        yield run.schedule.base_lr\n")
        command = [
            sys.executable,
            "-m",
            "lrsearch",
            "run",
            f"{job}:objective",
            "--budget",
            "400",
            "--sampler",
            "random",
        ]
        command += ["--engine", "single", "--out", str(disk), "--epochs", "5"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert os.strerror(errno.ENOSPC) in done.stderr.splitlines()[-1]
        assert len(lrsearch.load(disk / "objective").trials) > 5
    finally:
        subprocess.run(["umount", disk], check=True)
