"""A job whose DataLoader has worker processes trains in every engine, and leaves no process behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from lrsearch.errors import StudyError
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


def write_job(folder: Path, method: str | None, kept: bool = False, hangs: bool = False) -> tuple[str, Path]:
    """The job's spec, and the folder where its DataLoader's processes leave their ids."""
    seen = folder / "seen"
    seen.mkdir()
    path = folder / f"loader_{method}_{kept}_{hangs}.py"
    path.write_text(f"FOLDER, METHOD, KEPT, HANGS = {str(seen)!r}, {method!r}, {kept}, {hangs}\n{JOB}")
    return f"{path}:objective", seen


def assert_all_ended(seen: Path) -> None:
    """DataLoader's processes look every 5 seconds whether their parent lives."""
    loaders = [int(path.name) for path in seen.iterdir()]
    assert loaders
    deadline = time.monotonic() + 20
    while alive := [pid for pid in loaders if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "kept"), [(None, False), ("fork", True), ("forkserver", True), ("spawn", True)])
def test_data_loaders_with_workers_train_in_worker_processes(
    make_plan: MakePlan, tmp_path: Path, method: str | None, kept: bool
) -> None:
    spec, seen = write_job(tmp_path, method, kept)
    options: dict[str, Any] = {"engine": "processes", "jobs": 2, "study": "loader"}
    result = search(make_plan("2", objective=UserObjective(spec, "sgd", epochs=2), **options))
    assert [t.outcome for t in result.trials] == ["complete"] * 2, [t.reason for t in result.trials]
    dismiss()
    assert_all_ended(seen)


@pytest.mark.slow
def test_a_trial_that_hangs_leaves_none_of_its_loaders_processes(make_plan: MakePlan, tmp_path: Path) -> None:
    spec, seen = write_job(tmp_path, None, kept=True, hangs=True)
    with pytest.raises(StudyError, match="took longer than --trial-timeout"):
        search(make_plan("3", objective=UserObjective(spec, "sgd", epochs=3), trial_timeout=8.0, study="hangs"))
    assert_all_ended(seen)
