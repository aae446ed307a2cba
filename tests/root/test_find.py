"""lrsearch find: a learning-rate finder that says a range, draws it and writes it as TOML."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from bowl import LongBowl

import lrsearch
from lrsearch.cli import main
from lrsearch.errors import InputError
from lrsearch.reports.facts.probe import found_sentences, range_toml
from lrsearch.search import Probe
from lrsearch.search.sampling.scale import Scale
from lrsearch.spaces import default_space, read_space

JOB = """
import math


def objective(run):
    top = run.schedule.base_lr
    for epoch in range(run.epochs):
        yield {"val_loss": math.nan if top > 0.5 else 2 + (math.log10(top) + 1) ** 2}
"""


def test_it_finds_the_scale_of_a_known_job() -> None:
    probe = lrsearch.find(LongBowl(), device="cpu")
    assert probe.scale is not None
    assert 0.03 < probe.scale.base_lr < 0.3
    assert probe.wall == pytest.approx(0.5623)


def test_rates_may_be_given() -> None:
    probe = lrsearch.find(LongBowl(), low=0.01, high=0.4, device="cpu")
    assert [r for r, _ in probe.points] == pytest.approx([0.01 * 40 ** ((i + 0.5) / 4) for i in range(4)], rel=1e-3)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.1), (1.0, 0.1), (-1.0, 1.0), (0.0, 1.0), (math.nan, 1.0)])
def test_rates_that_make_no_range_are_refused(low: float, high: float) -> None:
    with pytest.raises(InputError, match=r"low must be"):
        lrsearch.find(LongBowl(), low=low, high=high, device="cpu")


def test_the_command_says_a_range_draws_it_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(JOB)
    words = ["find", "train.py:objective", "--optimizer", "sgd", "--jobs", "1", "--html", "f.html", "--toml", "f.toml"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "val_loss after 1 epoch at a constant rate" in said
    assert "Training diverged from 0.56 on." in said
    assert Path("f.html").read_text().count("<svg") == 2
    space = read_space("f.toml", default_space("sgd", 12))
    assert space.base_lr.low < 0.1 < space.base_lr.high
    assert not Path("runs").exists()


def test_a_job_that_does_not_care_has_no_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(JOB.replace("math.nan if top > 0.5 else 2 + (math.log10(top) + 1) ** 2", "1.0"))
    assert main(["find", "train.py:objective", "--optimizer", "sgd", "--jobs", "1", "--toml", "f.toml"]) == 2
    printed = capsys.readouterr()
    assert "do not tell the scale" in printed.out.replace("\n", " ")
    assert "no range was found" in printed.err
    assert not Path("f.toml").exists()


def test_sentences_and_toml() -> None:
    assert range_toml(Probe(()), "job") == ""
    assert "0.1" in range_toml(Probe((), Scale(0.1, 0.0)), "job")


def test_sentences_need_runs() -> None:
    probe = lrsearch.find(LongBowl(), device="cpu")
    first, second, third = found_sentences(probe, "val_loss")
    assert first.startswith("6 constant rates from 0.0018 to 0.56")
    assert "should lie near" in second
    assert third.startswith("Training diverged")


SCRIPT = """
import json, math, sys
import lrsearch
loss = 2 + (math.log10(float(sys.argv[1])) + 1) ** 2
for epoch in range(int(sys.argv[2])):
    REPORT
"""
REPORT, PRINT = "lrsearch.report(val_loss=loss)", "print('val_loss', loss)"
METRIC = ("--metric-regex", r"val_loss (\S+)")


@pytest.mark.parametrize(("report", "options"), [(REPORT, ()), (PRINT, METRIC)])
def test_it_finds_the_scale_of_a_command(
    report: str, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT.replace("REPORT", report))
    words = [sys.executable, "train.py", "{base_lr}", "{epochs}", "--family={family}", "--token=abcdefgh"]
    assert main(["find", "--optimizer", "sgd", "--toml", "f.toml", *options, "--", *words]) == 0
    space = read_space("f.toml", default_space("sgd", 10))
    assert space.base_lr.low < 0.1 < space.base_lr.high
    assert "train.py" in Path("f.toml").read_text()
    assert "abcdefgh" not in Path("f.toml").read_text()
    assert not Path("runs").exists()


def test_a_command_that_never_takes_the_rate_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("import lrsearch\nlrsearch.report(val_loss=1)")
    assert main(["find", "--optimizer", "sgd", "--", sys.executable, "train.py"]) == 2
    said = capsys.readouterr().err
    assert "train.py never used its schedule: make its scheduler with lrsearch.scheduler(optimizer, steps" in said
    assert "or say all that is searched in the command's arguments, as {schedule}." in said
    assert main(["find", "--metric-json"]) == 2
    assert "--metric-json is for a command" in capsys.readouterr().err
