"""The example scripts as commands: every rate that their optimizers really have is the schedule's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from lrsearch.objectives import Command
from lrsearch.spaces import Counting, Schedule

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
RECORDED = str(ROOT / "tests" / "recorded.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def rates(file: Path, rank: int = 0) -> list[float]:
    return [float(line) for line in Path(f"{file}.{rank}").read_text().split()]


def trained(words: list[str], schedule: Schedule, epochs: int, **options: Any) -> Command:
    """The command after a training of so many reports."""
    made = Command(words, "sgd", epochs, **options)
    measurements = list(made.run(schedule, epochs=epochs, seed=1, device="cpu"))
    assert [m.epoch for m in measurements] == list(range(1, epochs + 1))
    assert all(m.metrics["val_loss"] < 10 for m in measurements)
    return made


def script(name: str, file: Path, *words: str) -> list[str]:
    return [sys.executable, RECORDED, str(file), str(ROOT / "examples" / name), *words]


def test_a_plain_script_follows_its_schedule(tmp_path: Path) -> None:
    file, schedule = tmp_path / "rates", Schedule("cosine", 3e-3, 3, warmup=0.5)
    words = script("train_script.py", file, "--seed", "{seed}")  # it would train longer than the trial
    made = trained(words, schedule, 3)
    assert made.steps_per_epoch == 22
    assert made.trained_optimizer is not None
    assert made.trained_optimizer.name == "torch.optim.AdamW"
    np.testing.assert_allclose(rates(file), schedule.curve(22), rtol=1e-12)


def test_a_script_that_counts_steps_follows_its_schedule(tmp_path: Path) -> None:
    file, schedule = tmp_path / "rates", Schedule("wsd", 3e-3, 60, warmup=10, unit="step")
    words = script("train_steps.py", file, "--max_iters", "{steps}", "--eval_interval", "{every}")
    trained(words, schedule, 3, counting=Counting("step", 20))
    np.testing.assert_allclose(rates(file), schedule.curve(), rtol=1e-12)


def test_two_ranks_follow_the_schedule_and_none_of_their_processes_is_left(tmp_path: Path) -> None:
    file, schedule = tmp_path / "rates", Schedule("exp", 0.1, 4, {"gamma": 0.5}, warmup=1)
    words = [*TORCHRUN, *script("train_ddp.py", file, "--epochs", "{epochs}")[1:]]
    before = {p.pid for p in psutil.process_iter()}
    training = Command(words, "sgd", 4).run(schedule, epochs=4, seed=1, device="cpu")
    measured = [next(training) for _ in range(3)]
    training.close()  # type: ignore[attr-defined]
    assert not [p for p in psutil.process_iter() if p.pid not in before and str(file) in " ".join(_words(p))]
    assert all(m.metrics["val_loss"] < 10 for m in measured)
    steps = 3 * 14
    for rank in (0, 1):
        followed = rates(file, rank)[:steps]
        assert len(followed) >= steps - 1  # the second may be on its way to the last one
        np.testing.assert_allclose(followed, schedule.curve(14)[: len(followed)], rtol=1e-12)


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
