"""Searches of commands: pruned, timed out, interrupted, killed, shared; no process of theirs is left."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from jobs import BODY, REPORTS, command
from kills import torment

import lrsearch
from lrsearch.cli import main
from lrsearch.errors import StudyError
from lrsearch.search import Plan, find_rates, search
from lrsearch.search.progress import Silent
from lrsearch.spaces import default_space

MakePlan = Callable[..., Plan]
SLOWLY = REPORTS.replace("    print", "    time.sleep(0.05)\n    print")
SECOND = "schedule['base_lr'] == 0.2512"
"""What the script knows the second trial of a search by."""
HOLDS = REPORTS.replace(
    "    print",
    f"""    here = os.path.dirname(__file__)
    if epoch == 1 and (schedule["family"] == "linear" or {SECOND}):
        open(os.path.join(here, "waits"), "w").close()
        while not os.path.exists(os.path.join(here, "go")):
            time.sleep(0.02)
    print""",
)
"""The second trial waits after its first epoch until it may go on."""


def left_over(folder: Path) -> list[int]:
    """The processes that run a script of a folder, the search itself not counted."""
    pids = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if str(folder / "job.py") in words and "run" not in words and process.status() != psutil.STATUS_ZOMBIE:
            pids.append(process.pid)
    return pids


def assert_none_left(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while left := left_over(folder):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def run(folder: Path, *words: str, job: str = REPORTS, more: tuple[str, ...] = ()) -> int:
    (folder / "job.py").write_text(BODY + job)
    script = [sys.executable, str(folder / "job.py"), "{schedule}", *more]
    return main(["run", "--optimizer", "sgd", "--epochs", "5", "--out", str(folder), *words, "--", *script])


@pytest.mark.slow
def test_a_search_from_the_command_line_prunes_and_writes_a_log_for_every_trial(tmp_path: Path) -> None:
    words = ("--budget", "50ep", "--sampler", "random", "--pruner", "median", "--confirm", "0")
    assert run(tmp_path, *words) == 0
    result = lrsearch.load(tmp_path / "job")
    counts = result.counts()
    assert counts["complete"] >= 5
    assert counts["pruned"]
    for trial in result.trials:
        lines = (tmp_path / "job" / "logs" / f"trial-{trial.number}.log").read_text().splitlines()
        assert lines == [f"epoch {epoch} seed 0" for epoch in range(len(trial.metrics["val_loss"]))]
    assert json.loads((tmp_path / "job" / "best.json").read_text())["schedule"] == result.best.schedule.to_dict()
    assert_none_left(tmp_path)


def test_wrong_use_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in [
        (["run", "--", "--wd", "0.1"], "arguments for an objective's script follow the objective"),
        (["run", "train.py", "--", "--wd", "0.1"], "or run the script as it is, as lrsearch run -- python train.py"),
        (["run", "digits", "--", "python", "train.py"], "only a script of your own takes arguments"),
        (["run", "--metric-json"], "--metric-json is for a command"),
        (["run", "--metric-json", "--metric-regex", "(.)", "--", "true"], "in one place, not in two"),
        (["run", "--metric-file", "a.csv:x", "--jobs", "2", "--", "true"], "would write into the same 'a.csv'"),
        (["run", "--", "true", "{lr}"], "unknown field {lr}"),
        (["run", "--metric-file", "{foldr}/a.csv:x", "--", "true"], "unknown field {foldr}"),
        (["run", "--optimizer", "sgd", "--", "no-such-program"], "there is no program 'no-such-program'"),
        (["run", "--metric-json", "--", "true", "{base_lr}"], "since nothing says which optimizer trains: take that"),
        (["run", "--", "true"], "exit code 0 and reported nothing"),
    ]:
        assert main(["run", "--out", str(tmp_path), *words[1:]]) == 2, words
        assert said in capsys.readouterr().err


def test_secrets_among_arguments_reach_no_file_of_the_run(tmp_path: Path) -> None:
    more = ("--password", "hunter-2-hunter", "--hf-token=abcdefgh")
    fails = f"\nif {SECOND}: raise ValueError(' '.join(sys.argv))\n"
    assert run(tmp_path, "--budget", "4", "--confirm", "0", job=fails + REPORTS.replace("print(", "("), more=more) == 0
    for file in (tmp_path / "job").rglob("*"):
        if file.is_file() and file.suffix != ".log":
            assert b"hunter-2" not in file.read_bytes(), file
            assert b"abcdefgh" not in file.read_bytes(), file
    failed = [t for t in lrsearch.load(tmp_path / "job").trials if t.outcome == "failed"]
    assert "--password *** --hf-token=***" in failed[0].reason
    script = tmp_path / "train.py"
    script.write_text("def objective(run):\n    run.schedule\n    for e in range(run.epochs): yield 1 / (e + 1)\n")
    words = ["run", f"{script}:objective", "--budget", "3", "--epochs", "2", "--out", str(tmp_path), "--", *more]
    assert main(words) == 0
    assert lrsearch.load(tmp_path / "objective").settings["arguments"] == ["--password", "***", "--hf-token=***"]
    assert b"hunter-2" not in (tmp_path / "objective" / "journal.log").read_bytes()


def test_failures_that_differ_in_numbers_alone_stop_the_search(make_plan: MakePlan, tmp_path: Path) -> None:
    body = "lrsearch.report(val_loss=1)\nraise ValueError(time.time())"
    with pytest.raises(StudyError, match=r"3 trials in a row failed the same way.*ended with exit code 1: ValueError"):
        search(make_plan("9", objective=command(tmp_path, body)))


def test_a_search_of_a_command_may_begin_with_a_probe(make_plan: MakePlan, tmp_path: Path) -> None:
    job = command(tmp_path, REPORTS.replace("range(5)", "range(6)"), epochs=6)
    probe = find_rates(make_plan("7", objective=job, probe="auto", space=default_space("sgd", 6)), Silent())
    assert [(run.outcome, run.epochs) for run in probe.runs] == [("complete", 1)] * 4
    assert probe.scale is not None
    assert 0.02 < probe.scale.base_lr < 0.2  # the bowl's middle is at 0.1


@pytest.mark.slow
def test_trials_run_in_processes_at_a_time(make_plan: MakePlan, tmp_path: Path) -> None:
    result = search(make_plan("8", objective=command(tmp_path, SLOWLY, logs=tmp_path / "logs"), jobs=2, pruner="none"))
    assert result.counts() == {"complete": 8}
    assert sorted(p.stem for p in (tmp_path / "logs").glob("trial*")) == [f"trial-{n}" for n in range(8)]
    assert_none_left(tmp_path)


@pytest.mark.slow
def test_a_command_that_hangs_has_failed_at_the_time_limit(make_plan: MakePlan, tmp_path: Path) -> None:
    body = REPORTS.replace("    print", f"    if epoch == 2 and {SECOND}: time.sleep(600)\n    print")
    result = search(make_plan("3", objective=command(tmp_path, body), trial_timeout=8.0, pruner="none"))
    hung = result.trials[1]
    assert hung.outcome == "failed"
    assert "it took longer than --trial-timeout" in hung.reason
    assert_none_left(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["single", "processes"])
def test_kill_9_loses_no_trial_and_leaves_no_process(make_plan: MakePlan, tmp_path: Path, engine: str) -> None:
    options: dict[str, Any] = {"engine": engine, "jobs": 2} if engine == "processes" else {"engine": engine}
    plan = make_plan("14", objective=command(tmp_path, SLOWLY), sampler="random", pruner="none", **options)
    done, result = torment(plan, 4, random.Random(1))
    assert sum(done.values()) == 4
    counted = [t for t in result.trials if t.counted]
    assert len(counted) == 14
    assert {t.reason for t in counted} <= {"", "its process was killed 3 times (out of memory, perhaps)"}
    assert sum(t.outcome == "complete" for t in counted) >= 13  # four kills make but one trial fail
    assert_none_left(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_search_that_is_stopped_ends_its_command_and_goes_on_later(tmp_path: Path, number: int) -> None:
    job = tmp_path / "job.py"
    job.write_text(BODY + HOLDS)
    words = ["run", "--optimizer", "sgd", "--epochs", "5", "--budget", "4", "--confirm", "0", "--out", str(tmp_path)]
    words = [*words, "--pruner", "none", "--", sys.executable, str(job), "{schedule}"]
    lrs = [sys.executable, "-m", "lrsearch"]
    search = subprocess.Popen([*lrs, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for((tmp_path / "waits").exists)
    search.send_signal(number)
    _, said = search.communicate(timeout=600)
    assert search.returncode == (-9 if number == signal.SIGKILL else 130), said
    assert_none_left(tmp_path)
    (tmp_path / "go").touch()
    assert main(words) == 0
    result = lrsearch.load(tmp_path / "job")
    assert [t.outcome for t in result.trials if t.counted] == ["complete"] * 4
    assert [t.outcome for t in result.trials if not t.counted] == ["interrupted"]


@pytest.mark.slow
def test_workers_help_with_a_command_that_is_given_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.py").write_text(BODY + HOLDS)
    options = ["--study", "shared", "--storage", f"sqlite:///{tmp_path / 'study.db'}"]
    script = [sys.executable, str(tmp_path / "job.py"), "{schedule}", "--token", "abcdefgh"]
    lrs = [sys.executable, "-m", "lrsearch"]
    asked = ["--optimizer", "sgd", "--epochs", "5", "--budget", "12", "--confirm", "0", "--pruner", "none"]
    first = subprocess.Popen([*lrs, "run", *asked, "--out", str(tmp_path), *options, "--", *script])
    try:
        wait_for((tmp_path / "waits").exists)
        for words, said in [([], "give it again after --, it was"), ([*script, "x"], "this is not the command")]:
            assert main(["worker", *options, *(["--", *words] if words else [])]) == 2
            told = capsys.readouterr().err
            assert said in told
            assert "abcdefgh" not in told
        helper = subprocess.Popen([*lrs, "worker", *options, "--", *script], stderr=subprocess.PIPE, text=True)
        wait_for(lambda: len(lrsearch.load("shared", storage=options[-1]).trials) >= 4)
        (tmp_path / "go").touch()
        _, told = helper.communicate(timeout=600)
        assert helper.returncode == 0, told
    finally:
        (tmp_path / "go").touch()
        assert first.wait(600) == 0
    result = lrsearch.load("shared", storage=options[-1])
    assert result.counts()["complete"] == 12
    assert_none_left(tmp_path)


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
