"""What export writes: code for PyTorch that gives the very same rates, JSON that is read back, clear refusals."""

from __future__ import annotations

import ast
import json
import math
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from schedules import SCHEDULES, STEPS, make_record, make_result, optimizer, run_code, schedule_id

from lrsearch.errors import InputError, StudyError
from lrsearch.reports.export import FORMATS, export, read_best, write_best
from lrsearch.reports.export._files import PART, replace_file
from lrsearch.search import SearchResult
from lrsearch.spaces import FAMILIES, Schedule, default_space

CODE = ("torch", "lightning", "transformers", "timm")
NASTY = "x\"\"\"\nimport os\r\x0b\x0c\u2028\x85# coding: rot13\n''' \\ \ud800" + "y" * 300


def rates(opt: torch.optim.Optimizer, scheduler: Any, steps: int) -> list[list[float]]:
    """Every group's rate at each of `steps` scheduler steps."""
    by_step = []
    for _ in range(steps):
        by_step.append([float(group["lr"]) for group in opt.param_groups])
        opt.step()
        scheduler.step()
    return by_step


def assert_same_rates(schedule: Schedule, steps_per_epoch: int, *lrs: float) -> None:
    """Exported code and `Schedule.scheduler` give the same rates, to the last bit."""
    names = run_code(export(make_record(schedule, steps_per_epoch=steps_per_epoch), None, "torch"))
    ticks = max(1, round(schedule.horizon * (steps_per_epoch if schedule.interval == "step" else 1)))
    ours, theirs = optimizer(*lrs), optimizer(*lrs)
    expected = rates(ours, schedule.scheduler(ours, steps_per_epoch), ticks)
    exported = rates(theirs, names["build_scheduler"](theirs, steps_per_epoch), ticks)
    tolerance = 0.0
    np.testing.assert_allclose(exported, expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=schedule_id)
def test_torch_code_gives_the_same_rates(schedule: Schedule) -> None:
    assert_same_rates(schedule, STEPS)
    assert_same_rates(schedule, 1)


@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([1, 2, 3.7, 12]), st.sampled_from(["step", "epoch"]))
def test_torch_code_of_any_sampled_schedule(seed: int, steps: int, horizon: float, interval: Any) -> None:
    space = default_space("adamw", horizon, tuple(FAMILIES), interval)
    (schedule,) = space.sample(np.random.default_rng(seed), 1)
    assert_same_rates(schedule, steps)


def test_torch_code_sets_the_rate_and_keeps_the_ratio_of_groups() -> None:
    names = run_code(export(make_record(Schedule("cosine", 0.3, 5)), None, "torch"))
    opt = optimizer(0.7, 0.07)
    names["build_scheduler"](opt, STEPS)
    assert names["BASE_LR"] == opt.param_groups[0]["lr"] == 0.3
    assert opt.param_groups[1]["lr"] == pytest.approx(0.03)
    assert_same_rates(Schedule("step", 0.3, 5, warmup=1), STEPS, 0.7, 0.07)


def test_one_stage_needs_no_sequential_lr() -> None:
    text = export(make_record(Schedule("exp", 0.3, 5)), None, "torch")
    assert "SequentialLR" not in text
    assert "SequentialLR" in export(make_record(Schedule("exp", 0.3, 5, warmup=1)), None, "torch")


def test_code_shows_where_the_scheduler_is_stepped_and_where_the_numbers_come_from() -> None:
    baseline = make_record(Schedule("constant", 0.1, 5), number=0, baseline="constant", value=0.5)
    record = make_record(Schedule("exp", 0.3, 5))
    text = export(record, make_result(baseline, record), "torch")
    assert "            optimizer.step()\n            scheduler.step()\n" in text
    plain = " ".join(text.replace("#", "").split())
    assert "Trial 3 of the study 'bowl' on 'digits': val_loss 0.25 in the search, after 5 epochs." in plain
    assert "Baselines in the search: constant 0.5." in plain
    per_epoch = export(make_record(Schedule("exp", 0.3, 5, interval="epoch")), None, "torch")
    assert "            optimizer.step()\n        scheduler.step()\n" in per_epoch


def test_code_passes_ruff(tmp_path: Path) -> None:
    for i, schedule in enumerate(SCHEDULES):
        record = make_record(schedule)
        for name in CODE:
            if (text := exported(schedule, name)) is not None:
                (tmp_path / f"{name}_{i}.py").write_text(text, encoding="utf-8")
        stretched = export(record, make_result(record), "torch", epochs=90, base_lr=1 / 3)
        (tmp_path / f"stretched_{i}.py").write_text(stretched, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    rules = "--select=E,F,W,I,B,UP,SIM,RUF,C4,RET,D1"
    for width in (88, 100, 120):
        common = ["--isolated", f"--line-length={width}", "--target-version=py310", "."]
        for command in ([*ruff, "format", "--diff", *common], [*ruff, "check", rules, *common]):
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{width}: {done.stdout}{done.stderr}"


def exported(schedule: Schedule, name: str) -> str | None:
    """The text, or None if the format refuses with a message that names formats that can."""
    record = make_record(schedule)
    try:
        return export(record, make_result(record), name)
    except InputError as error:
        message = str(error)
    assert "Formats that can: torch, lightning" in message
    return None


def test_names_from_a_study_stay_text() -> None:
    for name in CODE:
        plain, nasty = (
            export(
                make_record(Schedule("cosine", 0.3, 5), baseline=text),
                make_result(
                    make_record(Schedule("exp", 1, 5), number=0, baseline=text), name=text, objective=text, metric=text
                ),
                name,
            )
            for text in ("plain", NASTY)
        )
        assert ast.dump(ast.parse(nasty.encode())) == ast.dump(ast.parse(plain.encode()))
        assert len(nasty.splitlines()) < len(plain.splitlines()) + 20
    for name, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        text = export(make_record(Schedule("exp", 1, 5)), make_result(name=NASTY), name)
        assert read(text.encode())["study"] == NASTY


def test_export_does_not_import_torch() -> None:
    code = (
        "import sys; from lrsearch.reports.export import FORMATS, export; from lrsearch.search import TrialRecord;"
        "from lrsearch.spaces import Schedule;"
        "t = TrialRecord(0, 'complete', Schedule('cosine', 0.1, 5), 0.1, {}, (), (), steps_per_epoch=9);"
        "[export(t, None, f) for f in FORMATS]; assert 'torch' not in sys.modules; assert 'plotly' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_stretching_and_rescaling() -> None:
    record = make_record(Schedule("cosine", 0.3, 5, {"T_max": 4, "eta_min": 0.03}, warmup=1))

    def schedule(**changes: Any) -> Schedule:
        return Schedule.from_dict(json.loads(export(record, None, "json", **changes))["schedule"])

    assert schedule() == record.schedule
    assert schedule(epochs=50) == Schedule("cosine", 0.3, 50, {"T_max": 40, "eta_min": 0.03}, warmup=10)
    assert schedule(base_lr=0.6) == Schedule("cosine", 0.6, 5, {"T_max": 4, "eta_min": 0.06}, warmup=1)
    kept = schedule(epochs=50, keep_warmup=True)
    assert kept == Schedule("cosine", 0.3, 50, {"T_max": 49, "eta_min": 0.03}, warmup=1)
    in_steps = schedule(epochs=50, keep_warmup=True, steps_per_epoch=10 * STEPS)
    assert in_steps.warmup == pytest.approx(0.1)
    facts = json.loads(export(record, None, "json", epochs=50))
    assert facts["trained_schedule"] == record.schedule.to_dict() if record.schedule else False
    assert "trial's cosine" in export(record, None, "torch", epochs=50)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"epochs": math.nan}, "epochs must be"),
        ({"epochs": 0.5, "keep_warmup": True}, "shorter than the horizon of 0.5"),
        ({"base_lr": -1}, "base_lr must be"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be"),
    ],
)
def test_bad_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        export(make_record(Schedule("exp", 0.3, 5, warmup=1)), None, "torch", **changes)


def test_an_unknown_format_names_the_closest() -> None:
    with pytest.raises(InputError, match=r"unknown format 'pytorch'.*'torch'.*Choose from: torch, lightning, .*yaml"):
        export(make_record(Schedule("exp", 0.3, 5)), None, "pytorch")


def test_a_trial_without_a_schedule_is_refused() -> None:
    with pytest.raises(InputError, match="trial 3 never got a schedule"):
        export(make_record(None), None, "torch")


def test_unknown_steps_per_epoch_are_asked_for_only_where_needed() -> None:
    record = make_record(Schedule("cosine", 0.3, 5, warmup=1), steps_per_epoch=None)
    with pytest.raises(InputError, match="--steps-per-epoch"):
        export(record, None, "transformers")
    assert_same = run_code(export(record, None, "torch"))
    assert "build_scheduler" in assert_same
    assert "sched" in export(record, None, "timm", steps_per_epoch=5)


def test_best_is_written_in_one_go(tmp_path: Path, digits_run: SearchResult) -> None:
    paths = write_best(digits_run, tmp_path)
    assert [p.name for p in paths] == sorted(p.name for p in tmp_path.iterdir()) == ["best.json", "best.py"]
    assert digits_run.best
    assert read_best(paths[0]) == replace(digits_run.best, host="")  # the machine's name stays in the study
    assert run_code(paths[1].read_text())["BASE_LR"] == digits_run.best.schedule.base_lr  # type: ignore[union-attr]
    with pytest.raises(StudyError):
        write_best(make_result(), tmp_path)


def test_what_killed_processes_left_of_a_file_is_removed_when_it_is_written(tmp_path: Path) -> None:
    here, dead, long_ago = socket.gethostname(), 2**22 + 1, time.time() - 2 * 86_400
    names = [f"{here}.{dead}", f"{here}.{os.getppid()}", "elsewhere.7", "old-container.7", "no.number"]
    left = [tmp_path / f".report[1].html.{name}{PART}" for name in names]
    for path in left:
        path.write_text("half")
    for path in left[3:4]:
        os.utime(path, (long_ago, long_ago))
    replace_file(tmp_path / "report[1].html", "whole")
    assert [path.exists() for path in left] == [False, True, True, False, True]


def test_every_format_says_what_it_is() -> None:
    for name, format in FORMATS.items():
        assert name == format.name
        assert format.summary
        assert format.suffix.startswith(".")
