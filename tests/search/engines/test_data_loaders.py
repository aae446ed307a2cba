"""A job whose DataLoader has worker processes trains in every engine, and leaves no process behind."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from lrsearch.objectives import UserObjective
from lrsearch.search import Plan, search
from lrsearch.search.engines.pool import dismiss

MakePlan = Callable[..., Plan]

JOB = """
import os, time
from pathlib import Path
import torch
from torch.utils.data import DataLoader, Dataset

class Points(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        (Path(FOLDER) / str(os.getpid())).touch()
        return torch.full((2,), float(index))

def objective(run):
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters())
    loader = DataLoader(Points(), batch_size=4, num_workers=1, multiprocessing_context=METHOD, persistent_workers=KEPT)
    scheduler = run.scheduler(optimizer, len(loader))
    for epoch in range(run.epochs):
        for batch in loader:
            loss = model(batch / 8).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        if HANGS and epoch == 1:
            iter(loader)._try_get_data(0.1)
            time.sleep(600)
        yield loss
"""


def write_job(folder: Path, method: str | None, kept: bool, hangs: bool = False) -> str:
    """The spec of a job; its DataLoader's processes leave their ids in a folder, `seen`."""
    seen = folder / "seen"
    seen.mkdir(exist_ok=True)
    path = folder / f"loader_{method}_{kept}_{hangs}_in_{folder.name}.py"  # a name of its own: its processes import it
    path.write_text(f"FOLDER, METHOD, KEPT, HANGS = {str(seen)!r}, {method!r}, {kept}, {hangs}\n{JOB}")
    return f"{path}:objective"


def assert_all_ended(folder: Path) -> None:
    """DataLoader's processes look every 5 seconds whether their parent lives."""
    loaders = [int(path.name) for path in (folder / "seen").iterdir()]
    assert loaders
    deadline = time.monotonic() + 120
    while alive := [pid for pid in loaders if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.1)


@pytest.mark.slow
def test_data_loaders_with_workers_train_in_worker_processes(make_plan: MakePlan, tmp_path: Path) -> None:
    options: dict[str, Any] = {"engine": "processes", "jobs": 2}
    for method, kept in ((None, False), ("fork", True), ("forkserver", True), ("spawn", True)):
        spec = write_job(tmp_path, method, kept)
        objective = UserObjective(spec, "sgd", epochs=2)
        result = search(make_plan("2", objective=objective, study=f"loader {method}", **options))
        assert [t.outcome for t in result.trials] == ["complete"] * 2, [method, *(t.reason for t in result.trials)]
    dismiss()
    assert_all_ended(tmp_path)


@pytest.mark.slow
def test_a_trial_that_hangs_leaves_none_of_its_loaders_processes(make_plan: MakePlan, tmp_path: Path) -> None:
    objective = UserObjective(write_job(tmp_path, None, kept=True, hangs=True), "sgd", epochs=3)
    result = search(make_plan("1", objective=objective, trial_timeout=5.0))
    assert "took longer than --trial-timeout" in result.trials[0].reason
    assert_all_ended(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_data_loaders_with_workers_train_in_the_searchs_own_process(
    make_plan: MakePlan, tmp_path: Path, method: str
) -> None:
    objective = UserObjective(write_job(tmp_path, method, kept=True), "sgd", epochs=2)
    result = search(make_plan("2", objective=objective, engine="single"))
    assert [t.outcome for t in result.trials] == ["complete"] * 2, [t.reason for t in result.trials]
    gc.collect()
    assert_all_ended(tmp_path)


SCRIPT = """
import lrsearch
from types import SimpleNamespace
run = SimpleNamespace(seed=lrsearch.seed(), epochs=3, scheduler=lrsearch.scheduler)
for loss in objective(run):
    lrsearch.report(val_loss=loss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["single", "processes", "command"])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_kill_9_leave_none_of_the_loaders_processes(stop: signal.Signals, form: str, tmp_path: Path) -> None:
    path = write_job(tmp_path, None, kept=True, hangs=True).partition(":")[0]
    words = ["--budget", "4", "--epochs", "3", "--confirm", "0", "--device", "cpu", "--out", str(tmp_path / "runs")]
    if form == "command":
        script = tmp_path / "script.py"
        script.write_text(Path(path).read_text() + SCRIPT)
        words += ["--", sys.executable, str(script)]
    else:
        words += [f"{path}:objective", "--jobs", "2" if form == "processes" else "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "lrsearch", "run", *words], stderr=subprocess.PIPE, start_new_session=True
    ) as command:
        deadline = time.monotonic() + 240
        while not any((tmp_path / "runs").rglob("journal.log")) or not any((tmp_path / "seen").iterdir()):
            assert command.poll() is None, command.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(2)
        command.send_signal(stop)
        command.communicate(timeout=120)
    assert command.returncode == (130 if stop == signal.SIGINT else -signal.SIGKILL)
    assert_all_ended(tmp_path)
