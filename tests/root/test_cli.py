"""The command line as people type it: what it prints, its exit codes, wrong input."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import lrsearch
from lrsearch import cli
from lrsearch.cli import main
from lrsearch.commands import COMMANDS, FORMATS
from lrsearch.options import options_of
from lrsearch.spaces import FAMILIES, Family

COMMAND = [sys.executable, "-m", "lrsearch"]
SLOW_JOB = """
import time

def objective(run):
    for epoch in range(run.epochs):
        time.sleep(0.05)
        yield (run.schedule.base_lr - 0.1) ** 2 + 1 / (epoch + 1)
"""
HELD_JOB = """
import time
from pathlib import Path

HERE = Path(__file__).parent

def objective(run):
    with open(HERE / "calls", "a") as calls:
        calls.write(".")
    late = (HERE / "calls").stat().st_size > 6
    for epoch in range(run.epochs):
        if epoch and late:
            (HERE / "waits").touch()
            while not (HERE / "go").exists() and not (HERE / "objective" / ".stop").exists():
                time.sleep(0.02)
        yield (run.schedule.base_lr - 0.1) ** 2 + 1 / (epoch + 1)
"""
"""From the seventh call on it waits after its first epoch, until it may go on or is to stop."""
HELD_PUSHED_JOB = HELD_JOB.replace("yield (", "run.report(epoch, val_loss=(").replace("+ 1)", "+ 1))")


@pytest.fixture
def job(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    path = tmp_path / "job.py"
    path.write_text(getattr(request, "param", SLOW_JOB))
    return f"{path}:objective"


def test_a_run_leaves_a_report_code_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--budget", "5", "--epochs", "3", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr()
    folder = tmp_path / "digits"
    assert {"report.html", "best.json", "best.py", "journal.log"} <= {p.name for p in folder.iterdir()}
    assert "Too early to say: 4 searched trials." in out.out
    assert "val_loss" in out.out
    assert "baseline" in out.out
    assert f"Report  {folder}/report.html" in out.out
    assert "[5/5 trials]" in out.err
    result = lrsearch.load(folder)
    best = lrsearch.load(folder / "best.json")
    assert best.schedule == result.best.schedule
    assert best.value == result.best.value
    assert main(["runs", str(tmp_path)]) == 0
    listed = capsys.readouterr().out.splitlines()[-1]
    assert listed.startswith(f"{folder}  ")
    assert result.best.schedule is not None
    assert listed.rstrip().endswith(result.best.schedule.describe())
    assert "5 trials  not confirmed  val_loss " in listed
    assert main(["report", str(folder), "--output", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").stat().st_size > 100_000


def test_json_output_is_one_object_per_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--budget", "4", "--epochs", "2", "--out", str(tmp_path), "--json"]) == 0
    events: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["event"] for e in events if e["event"] != "note"] == ["start", *["trial"] * 4, "result"]
    assert any("Training" in e["text"] for e in events if e["event"] == "note")
    assert events[-1]["best"]["value"] == min(e["value"] for e in events if e.get("outcome") == "complete")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_exported_or_refused_in_a_line(
    digits_run: lrsearch.SearchResult, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["export", str(digits_run.folder), "--format", name, "--epochs", "90"])
    out = capsys.readouterr()
    assert (code == 0 and out.out) or (code == 2 and out.err.count("\n") == 1)


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("run --budget 0", 2, "a budget is trials"),
        ("run --budget -3", 2, "got -3 trials"),
        ("run --confirm 2", 2, "confirm must be 0 or at least 3 seeds, got 2"),
        ("run --baseline nothing.json", 2, "'nothing.json' cannot be read"),
        ("transfer nowhere --epochs 40", 2, "there is no run at 'nowhere'"),
        ("run --budget 5_parsecs", 2, "got '5_parsecs'"),
        ("run digit", 2, "Did you mean 'digits'"),
        ("run --families cosin", 2, "Did you mean 'cosine'"),
        ("run --families exp,exp", 2, "distinct"),
        ("run --space none.toml", 2, "lrsearch families --toml"),
        ("run --space upside_down.toml", 2, "upside_down.toml: base_lr: a range needs low <= high"),
        ("run --epochs 0", 2, "epochs must be a whole number of at least 1"),
        ("run --device abacus", 2, "try --device auto or cpu"),
        ("run --sampler tppe", 2, "Did you mean 'tpe'"),
        ("run --pruner halfing", 2, "Did you mean 'halving'"),
        ("run --metric accuracy --epochs 1", 2, "choose one with --metric"),
        ("run --model cnn", 2, "unknown digits model 'cnn'"),
        ("run --jobs -1", 2, "jobs must be at least 1"),
        ("run fashion-mnist --data-dir nowhere", 2, "--download"),
        ("run --out /proc/nothing", 2, "cannot be written"),
        ("run none.py:objective", 2, "there is no file 'none.py'"),
        ("run job.py", 2, "write job.py:objective"),
        ("run job.py:objectiv", 2, "Did you mean 'objective'"),
        ("run job.py:objective --model cnn", 2, "are for built-in tasks"),
        ("run --storage postgresql://me:secret@localhost:1/db", 1, "cannot be opened"),
        ("run --storage abacus://db", 1, "cannot be opened"),
        ("report nowhere", 2, "there is no run at 'nowhere'"),
        ("export nowhere", 2, "there is no run at 'nowhere'"),
        ("export runs/none", 2, "there is no run at 'runs/none' (looked for 'runs/none/journal.log')"),
        ("export runs/none/journal.log", 2, "there is no run at 'runs/none/journal.log': give"),
        ("dashboard nowhere", 2, "there is no run at 'nowhere'"),
        ("export runs/digits --trial 99", 1, "has no trial 99"),
        ("preview --family cosine --gamma 0.9", 2, "cosine has no parameter 'gamma'"),
        ("preview --family exp --gamma 1.5", 2, "exp.gamma must be between"),
        ("preview --family cosine --html /proc/x.html", 2, "cannot be written"),
        ("families --families rexx", 2, "Did you mean 'rex'"),
        ("rnu", 2, "unknown command 'rnu'. Did you mean 'run'"),
        ("run --famlies exp", 2, "lrsearch run has no option --famlies. Did you mean --families?"),
        (
            "run train.py:objective --weight 0.1",
            2,
            "no option --weight. See lrsearch run --help; the options of a",
        ),
        ("preview --family exp --gama 1", 2, "lrsearch preview has no option --gama. Did you mean --gamma?"),
        ("report runs/digits more", 2, "lrsearch report takes no argument 'more': see lrsearch report --help"),
    ],
)
def test_wrong_input_is_answered_in_a_line(
    line: str,
    code: int,
    says: str,
    job: str,
    digits_run: lrsearch.SearchResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/digits").symlink_to(Path(str(digits_run.folder)))
    Path("upside_down.toml").write_text("base_lr = { low = 1.0, high = 0.1 }")
    words = [w.replace("5_parsecs", "5 parsecs") for w in line.split()]
    if words[0] == "run" and "--out" not in words:
        words += ["--out", "new"]
    assert main(words) == code
    err = capsys.readouterr().err
    assert says.replace("_parsecs", " parsecs") in err
    assert err.startswith("lrsearch: error: ")
    assert err.count("\n") == 1
    assert "secret" not in err


def test_an_option_that_no_command_has_is_told_with_the_one_that_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in COMMANDS:
        options = [(o, said) for o, said in options_of(kind) if said.flag != "" and not (said.positional or said.parts)]
        flags = [f"--{said.flag or option.name.replace('_', '-')}" for option, said in options]
        required = ["x"] if kind.command in ("report", "export", "transfer", "dashboard") else []
        more = {"transfer": ["--epochs", "3"], "worker": ["--study", "x"]}.get(kind.command, [])
        flags = [flag for flag in flags if len(flag) > 6][:5]
        assert flags or kind.command in ("runs", "tasks")
        for flag in flags:
            assert main([kind.command, *required, *more, f"{flag[:-2]}{flag[-1]}{flag[-2]}", "1"]) == 2
            err = capsys.readouterr().err
            assert (err.count("\n"), err.count("Did you mean --")) == (1, 1), err


def test_two_runs_of_one_name_with_other_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--budget", "3", "--out", str(tmp_path), "--epochs"]
    assert main([*words, "2"]) == 0
    assert main([*words, "3"]) == 1
    assert "epochs: 2 there, 3 now" in capsys.readouterr().err


def test_the_preview_draws_the_tutorials_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "curves.html"
    assert main(["preview", "--html", str(page)]) == 0
    out = capsys.readouterr().out
    for label in ("exp gamma=0.98", "step gamma=0.65", "cosine T_max=150", "linear warmup=5", "150 epochs"):
        assert label in out
        if "epochs" not in label:
            assert label in page.read_text()
    words = ["--family", "exp", "--gamma", "0.9", "--gamma", "0.98", "--base-lr", "0.1", "--epochs", "100"]
    assert main(["preview", *words]) == 0
    assert "exp gamma=0.9\n" in capsys.readouterr().out


def test_families_and_tasks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["families"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in FAMILIES)
    assert main(["families", "--toml", "--families", "exp,wsd", "--epochs", "30"]) == 0
    assert "[wsd]" in capsys.readouterr().out
    assert main(["tasks"]) == 0
    assert "digits" in capsys.readouterr().out


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_preview_takes_any_parameter_of_any_family(family: Family, tmp_path: Path) -> None:
    usual = {p.name: p.usual(30) for p in family.params}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in usual.items()]
    page = tmp_path / "page.html"
    assert main(["preview", f"--family={family.name}", *words, "--epochs", "30", "--html", str(page)]) == 0
    for name, value in usual.items():
        assert f"{name}={value if isinstance(value, str) else f'{value:g}'}" in page.read_text()


def test_preview_draws_a_family_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    spec = f"{Path(__file__).parents[1] / 'families_of_a_user.py'}:two_slopes"
    try:
        assert main(["preview", "--family", spec, "--knee", "0.3", "--knee", "0.6"]) == 0
        assert "two_slopes knee=0.6" in capsys.readouterr().out
        assert main(["families", "--families", f"llm,{spec}", "--toml"]) == 0
        assert "[two_slopes]" in capsys.readouterr().out
    finally:
        FAMILIES.pop("two_slopes", None)
    assert main(["preview", "--family", "nowhere.py:shape"]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_every_export_format_can_be_asked_for() -> None:
    from lrsearch.reports import export

    assert set(FORMATS) == set(export.FORMATS)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 600
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "jobs", "number"),
    [
        (HELD_JOB, "1", signal.SIGINT),
        (HELD_PUSHED_JOB, "1", signal.SIGTERM),
        (HELD_PUSHED_JOB, "2", signal.SIGINT),
        (HELD_JOB, "2", signal.SIGTERM),
    ],  # every two of the three together
    ids=["yields-alone-ctrl_c", "reports-alone-sigterm", "reports-processes-ctrl_c", "yields-processes-sigterm"],
    indirect=["job"],
)
def test_ctrl_c_or_sigterm_reports_what_there_is_and_the_same_command_resumes(
    tmp_path: Path, job: str, jobs: str, number: signal.Signals
) -> None:
    words = ["run", job, "--budget", "12", "--out", str(tmp_path), "--jobs", jobs, "--pruner", "none"]
    ctrl_c = signal.SIG_IGN if number == signal.SIGTERM else signal.default_int_handler  # ignored as by a script's "&"
    start = partial(signal.signal, signal.SIGINT, ctrl_c)
    pipe = subprocess.PIPE
    process = subprocess.Popen([*COMMAND, *words], stdout=pipe, stderr=pipe, text=True, preexec_fn=start)
    wait_for(tmp_path / "waits")
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "the same command goes on" in err
    assert f"Report  {tmp_path}/objective/report.html" in out
    assert "Trial " in out, "the best so far"
    assert "Traceback" not in err
    assert (tmp_path / "objective" / "report.html").exists()
    stopped = lrsearch.load(tmp_path / "objective")
    assert "interrupted" in stopped.counts()
    assert "running" not in stopped.counts()
    (tmp_path / "go").touch()
    assert main(words) == 0
    result = lrsearch.load(tmp_path / "objective")
    assert sum(t.counted for t in result.trials) == 12
    assert len(result.sessions) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "jobs"),
    [(HELD_PUSHED_JOB, "1"), (HELD_JOB, "2")],
    ids=["reports-alone", "yields-processes"],
    indirect=["job"],
)
def test_after_kill_9_the_same_command_resumes(tmp_path: Path, job: str, jobs: str) -> None:
    words = ["run", job, "--budget", "10", "--out", str(tmp_path), "--jobs", jobs, "--pruner", "none"]
    process = subprocess.Popen([*COMMAND, *words], stderr=subprocess.DEVNULL)
    wait_for(tmp_path / "waits")
    workers = [c for c in psutil.Process(process.pid).children() if "loky_posix" in " ".join(c.cmdline())]
    process.kill()
    process.wait()
    assert not psutil.wait_procs(workers, timeout=120)[1], "orphans end by themselves"
    assert (jobs == "2") == bool(workers)
    before = lrsearch.load(tmp_path / "objective")
    (tmp_path / "go").touch()
    assert main(words) == 0
    result = lrsearch.load(tmp_path / "objective")
    assert sum(t.counted for t in result.trials) == 10
    finished = [t.number for t in before.trials if t.counted]
    assert len(finished) >= 4
    assert [result.trial(n).value for n in finished] == [before.trial(n).value for n in finished]


@pytest.mark.slow
def test_a_live_bar_on_a_terminal(tmp_path: Path, job: str) -> None:
    parent, child = pty.openpty()
    words = ["run", job, "--budget", "4", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [*COMMAND, *words], stderr=child, stdout=subprocess.DEVNULL, env=os.environ | {"TERM": "xterm"}
    )
    os.close(child)
    seen = b""
    while True:
        try:
            seen += os.read(parent, 65536)
        except OSError:
            break
    assert process.wait() == 0
    text = seen.decode()
    assert "Study objective: 4 trials" in text
    assert "left" in text
    assert "lowest val_loss so far" in text
    assert "base_lr" in text


def test_what_follows_two_hyphens_is_for_the_script_alone(tmp_path: Path) -> None:
    job = tmp_path / "decays.py"
    job.write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--wd', type=float, required=True)\n"
        "wd = parser.parse_args().wd\ndef objective(run):\n"
        "    for epoch in range(run.epochs):\n        yield run.schedule.base_lr + wd\n"
    )
    common = ["run", f"{job}:objective", "--budget=2", "--epochs=2", "--confirm=0", f"--out={tmp_path}"]
    assert main([*common, "--", "--wd", "0.25"]) == 0
    assert lrsearch.load(tmp_path / "objective").settings["arguments"] == ["--wd", "0.25"]
    assert main([*common, "--", "--wd", "0.5"]) == 1
    assert main(common) == 2


def test_escape_codes_in_a_name_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "\x1b[31mevil\x1b]0;title\x07"
    main(["report", str(tmp_path / evil)])
    main(["run", "--study", evil, "--budget", "0", "--out", str(tmp_path)])

    def broken(args: Namespace) -> int:
        raise lrsearch.LrsearchError(evil)

    monkeypatch.setitem(cli.COMMANDS, "families", broken)
    assert main(["families"]) == 1
    out = capsys.readouterr()
    assert "\x1b" not in out.out + out.err
    assert "evil" in out.err
