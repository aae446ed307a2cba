"""A command as an objective: its measurements, its end, and each thing that can be wrong with it in a line."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from jobs import REPORTS, command

from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Command, Measurement
from lrsearch.objectives.commands.sources import MetricFile, MetricJson, MetricPattern
from lrsearch.spaces import Counting, Schedule

SCHEDULE = Schedule("cosine", 0.01, 5, warmup=1)
EXPECTED = [1 + 1 / (epoch + 1) for epoch in range(5)]


def measured(objective: Command, **how: Any) -> list[Measurement]:
    return list(objective.run(SCHEDULE, **{"epochs": 5, "seed": 3, "device": "cpu", **how}))


def losses(objective: Command) -> list[float]:
    return [m.metrics["val_loss"] for m in measured(objective)]


def failure(objective: Command, **how: Any) -> str:
    with pytest.raises(ObjectiveError) as caught:
        measured(objective, **how)
    return str(caught.value)


def test_a_script_reports_its_epochs_and_takes_its_seed(tmp_path: Path) -> None:
    measurements = measured(command(tmp_path, logs=tmp_path / "logs"), test=True)
    assert [m.metrics for m in measurements] == [{"train_loss": 1, "val_loss": v, "test_loss": 3} for v in EXPECTED]
    assert [m.epoch for m in measurements] == [1, 2, 3, 4, 5]
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text().splitlines() == [f"epoch {epoch} seed 3" for epoch in range(5)]


def test_a_training_without_epochs_counts_steps(tmp_path: Path) -> None:
    body = "for report in range(4): lrsearch.report(val_loss=float(sys.argv[2]) / (report + 1))"
    objective = command(tmp_path, body, ["{steps}"], counting=Counting("step", 25), epochs=4)
    measurements = list(objective.run(Schedule("linear", 0.1, 100, unit="step"), epochs=4, seed=0, device="cpu"))
    assert [m.metrics["val_loss"] for m in measurements] == [100, 50, 100 / 3, 25]
    assert [m.lr for m in measurements] == pytest.approx([0.1 * (1 - step / 100) for step in (24, 49, 74, 99)])
    objective = command(tmp_path, body, ["{epochs}"], counting=Counting("step", 25), epochs=4)
    with pytest.raises(InputError, match=r"\{epochs\} is for searches that count epochs; this one counts steps"):
        next(objective.run(Schedule("linear", 0.1, 100, unit="step"), epochs=4, seed=0, device="cpu"))


def test_test_data_are_looked_at_only_where_a_schedule_is_judged(tmp_path: Path) -> None:
    assert set(measured(command(tmp_path))[-1].metrics) == {"train_loss", "val_loss"}


def test_a_script_that_would_go_on_ends_with_the_trial(tmp_path: Path) -> None:
    body = REPORTS.replace("range(5)", "range(999)") + "\nprint('unreachable')"
    objective = command(tmp_path, body, logs=tmp_path / "logs")
    assert losses(objective) == EXPECTED
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text().splitlines()[-1] == "epoch 4 seed 3"


def test_what_is_not_finite_is_told_as_it_is(tmp_path: Path) -> None:
    body = "for value in ('nan', 'inf', '-inf', '1', '2'): lrsearch.report(val_loss=float(value))"
    values = losses(command(tmp_path, body))
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, 1, 2]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "raise ValueError('no data at all')",
            r"job ended with exit code 1: ValueError: no data at all; that was after 0 epochs of 5",
        ),
        ("print('a'); print('b'); sys.exit(7)", r"ended with exit code 7: a \| b; that was"),
        ("os.kill(os.getpid(), 9)", r"was killed by SIGKILL, for want of memory perhaps, and printed nothing"),
        ("pass", r"exit code 0 and reported nothing: call lrsearch.report\(val_loss=...\) after every epoch, or"),
        ("lrsearch.report(val_loss=1)", r"ended after 1 epoch of 5: let it train as many, as by --epochs \{epochs\}"),
        ("lrsearch.report(val_loss='0.3')", r"job.py gave '0.3' as val_loss, which is not a number"),
        ("lrsearch.report()", r"job.py gave no metric: call lrsearch.report"),
    ],
)
def test_a_command_that_ends_is_described_with_its_last_lines(tmp_path: Path, body: str, said: str) -> None:
    import re

    message = failure(command(tmp_path, body))
    assert re.search(said, message), message
    assert "\n" not in message


def test_a_program_or_a_field_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for words, said in [
        (["no-such-program"], "there is no program 'no-such-program' here"),
        ([], "begins with a program"),
        (["--wd", "0.1"], r"got '--wd'; arguments for an objective's script follow the objective"),
        (["true", "--lr={base_rl}"], r"unknown field \{base_rl\}.*Did you mean \{base_lr\}"),
        (
            ["true", "--lr", "{lr}"],
            r"unknown field \{lr\} in '\{lr\}'\. Did you mean \{base_lr\}\? All fields are in",
        ),
    ]:
        with pytest.raises(InputError, match=said):
            losses(Command(words, "sgd"))
    assert "can't open file" in failure(Command([sys.executable, "nowhere.py"], "sgd"))


def test_a_script_that_never_uses_its_schedule_or_its_seed_is_refused(tmp_path: Path) -> None:
    objective = command(tmp_path)
    objective.by_flags = False
    assert "job.py never used its schedule: make its scheduler with lrsearch.scheduler" in failure(objective)
    objective = command(tmp_path, REPORTS.replace("seed)", "0)").replace('"seed", seed', "0"))
    objective.needs_seed = True
    assert measured(objective)  # lrsearch.seed() was called
    (tmp_path / "job.py").write_text("import lrsearch\nlrsearch.report(val_loss=1)")
    assert "takes no seed, and the winner is judged on fresh ones: add one to the command" in failure(objective)


@pytest.mark.parametrize(
    ("source", "body"),
    [
        (MetricPattern(r"val_loss=(\S+)", "val_loss"), "print(f'{epoch} val_loss={loss}, lr 3')"),
        (MetricPattern(r"v (?P<val_loss>\S+) t (?P<train_loss>\S+)", "?"), "print(f'v {loss} t 1', end='\\r')"),
        (
            MetricJson("val_loss"),
            "print(3); print('{'); print(json.dumps({'step': 1})); print(json.dumps(dict(val_loss=loss)))",
        ),
        (MetricFile("{folder}/*.csv", "val_loss"), "file.write(f'{epoch},{loss},abc\\n'); file.flush()"),
    ],
    ids=["regex", "named groups", "json", "csv"],
)
def test_a_script_that_knows_nothing_of_lrsearch_is_read(tmp_path: Path, source: Any, body: str) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        "import json, sys\nfile = open(sys.argv[1] + '/log.csv', 'w'); file.write('epoch,val_loss,note\\n')\n"
        f"for epoch in range(5):\n    loss = 1 + 1 / (epoch + 1)\n    {body}\n"
    )
    objective = Command([sys.executable, str(script), "{folder}", "{schedule}"], "sgd", 5, source=source)
    objective.by_flags = True
    assert losses(objective) == EXPECTED


def test_metrics_that_are_not_there_are_missed_in_a_line(tmp_path: Path) -> None:
    body = "print(json.dumps({'loss': 1})); open('m.csv', 'w').write('epoch,loss\\n1,0.5\\n')"
    cwd = os.getcwd()
    os.chdir(tmp_path)
    try:
        for source, said in [
            (
                MetricPattern("acc=(.*)", "acc"),
                "no line of its output has 'acc=(.*)', the --metric-regex: {\"loss\": 1}",
            ),
            (MetricJson("val_loss"), "its JSON lines have no 'val_loss', only loss: choose one with --metric"),
            (MetricFile("x.csv", "loss"), "wrote no row into 'x.csv', the --metric-file"),
            (MetricFile("m.csv", "val_loss"), "m.csv has no column 'val_loss', only epoch, loss"),
        ]:
            assert said in failure(command(tmp_path, body, source=source))
    finally:
        os.chdir(cwd)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MetricPattern("loss", "loss"), "needs one group"),
        (lambda: MetricPattern("(", "loss"), "is no regular expression"),
        (lambda: MetricFile.parse("summary.csv"), "is FILE:COLUMN"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


def test_rows_of_an_earlier_training_do_not_count(tmp_path: Path) -> None:
    table = tmp_path / "all.csv"
    table.write_text("epoch,val_loss\n1,99\n2,99\n")
    body = f"for epoch in range(5): open({str(table)!r}, 'a').write(f'{{epoch}},{{epoch}}\\n')"
    assert losses(command(tmp_path, body, source=MetricFile(str(table), "val_loss"))) == [0, 1, 2, 3, 4]


CHILD = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(sys.argv[2], "w").write(f"{child.pid} {os.getpid()}")
"""


def gone(file: Path) -> bool:
    """Whether the processes whose ids a script has written down have ended."""
    pids = [int(pid) for pid in file.read_text().split()]
    assert pids
    return not any(psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE for p in pids)


@pytest.mark.parametrize(
    "ending", ["", "for _ in range(99): lrsearch.report(val_loss=1)", "sys.exit(3)", "time.sleep(600)"]
)
def test_nothing_that_it_has_started_outlives_it(tmp_path: Path, ending: str) -> None:
    pids = tmp_path / "pids"
    body = CHILD + "lrsearch.report(val_loss=1)\n" + ending
    training = command(tmp_path, body, [str(pids)]).run(SCHEDULE, epochs=5, seed=0, device="cpu")
    next(training)
    training.close()  # type: ignore[attr-defined]
    assert gone(pids)


def test_a_script_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    body = "import signal\nsignal.signal(15, signal.SIG_IGN)\n" + CHILD + "print('v=1', flush=True)\ntime.sleep(600)"
    objective = command(tmp_path, body, [str(pids)], source=MetricPattern("v=(.*)", "val_loss"))
    training = objective.run(SCHEDULE, epochs=5, seed=0, device="cpu")
    next(training)
    training.close()  # type: ignore[attr-defined]
    assert gone(pids)


@pytest.mark.parametrize("victim", ["supervisor", "search"])
def test_after_kill_9_no_process_is_left(tmp_path: Path, victim: str) -> None:
    pids = tmp_path / "pids"
    objective = command(tmp_path, CHILD + "lrsearch.report(val_loss=1)\ntime.sleep(600)", [str(pids)])
    if victim == "supervisor":
        training = objective.run(SCHEDULE, epochs=5, seed=0, device="cpu")
        next(training)
        (supervisor,) = [p for p in psutil.Process().children() if "supervisor.py" in " ".join(p.cmdline())]
        supervisor.kill()
        with pytest.raises(ObjectiveError, match="was killed by SIGKILL"):
            next(training)
    else:
        pid = os.fork()
        if not pid:
            next(objective.run(SCHEDULE, epochs=5, seed=0, device="cpu"))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
    wait_for(lambda: gone(pids))


def test_a_process_that_was_just_starting_when_its_supervisor_was_killed_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment after ``execve`` a process has no environment that could be read."""
    pids, environ, looks = tmp_path / "pids", psutil.Process.environ, iter(range(5))
    objective = command(tmp_path, CHILD + "lrsearch.report(val_loss=1)\ntime.sleep(600)", [str(pids)])
    training = objective.run(SCHEDULE, epochs=5, seed=0, device="cpu")
    next(training)
    late = int(pids.read_text().split()[0])

    def none_yet(process: psutil.Process) -> dict[str, str]:
        return {} if process.pid == late and next(looks, None) is not None else environ(process)

    monkeypatch.setattr(psutil.Process, "environ", none_yet)
    (supervisor,) = [p for p in psutil.Process().children() if "supervisor.py" in " ".join(p.cmdline())]
    supervisor.kill()
    with pytest.raises(ObjectiveError, match="was killed by SIGKILL"):
        next(training)
    assert gone(pids)


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_secrets_are_neither_stored_nor_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "envsecret1")
    words = ["--password", "argsecret2", "--hf-token=argsecret3", "--max-token", "512", "--sort-key", "size"]
    body = "print(*sys.argv, os.environ['MY_API_KEY'])\nsys.exit(1)"
    objective = command(tmp_path, body, words)
    stored = objective.settings()["command"]
    assert stored[-7:] == ["--password", "***", "--hf-token=***", "--max-token", "512", "--sort-key", "size"]
    told = failure(objective)
    assert told.count("***") == 3
    assert not any(secret in told for secret in ("envsecret1", "argsecret2", "argsecret3"))
