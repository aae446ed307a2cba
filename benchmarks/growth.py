"""What a study costs as it grows: CPU milliseconds of each thing that is done to it, by its number of trials.

    uv run python benchmarks/growth.py [--trials 100 1000 10000]

CPU time of this process, so that a busy machine does not matter: the lowest of a few tries, after one on a study of 30
trials that pays for the imports. A study is a journal of trials with ten epochs each, made as in `storage.py`. TPE is
left out: its ask is Optuna's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import optuna
import storage

from lrsearch.reports.dashboard.server import prepare
from lrsearch.reports.terminal.run_list import run_rows
from lrsearch.run_folder import load, write_report
from lrsearch.search import JOURNAL, load_result, make_pruner, make_sampler, open_storage
from lrsearch.search.trial.run import run_trial

TRIES = 3
ASKS = 5
STEPS = ("open", "ask random", "ask curve", "whole trial", "page", "runs", "dashboard")


def cpu_ms(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return 1e3 * (time.process_time() - begun)


def read(where: str) -> Any:
    return load_result(open_storage(where), "dummy")


def study_with(where: str, sampler: str) -> optuna.Study:
    """The study, its sampler warm: the first ask reads all trials into it."""
    made = make_sampler(sampler, 0, storage.SPACE)
    pruner = make_pruner("auto", storage.SPACE, made)
    study = optuna.load_study(study_name="dummy", storage=open_storage(where), sampler=made, pruner=pruner)
    ask(study)
    return study


def ask(study: optuna.Study) -> None:
    trial = study.ask()
    storage.SPACE.suggest(trial)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)


def costs(folder: Path) -> dict[str, float]:
    """CPU milliseconds of each of `STEPS` for the study in `folder`."""
    where = str(folder / JOURNAL)
    result, blind, curve = read(where), study_with(where, "random"), study_with(where, "curve")
    tried: dict[str, tuple[int, Callable[[], object]]] = {
        "open": (TRIES, partial(read, where)),
        "page": (TRIES, partial(write_report, result, folder / "report.html")),
        "runs": (TRIES, lambda: run_rows(folder.parent, load)),
        "dashboard": (1, partial(prepare, result, where)),  # a second one finds everything done
        "ask random": (ASKS, partial(ask, blind)),
        "ask curve": (ASKS, partial(ask, curve)),
        "whole trial": (ASKS, lambda: run_trial(blind, storage.Dummy(), storage.TERMS)),
    }
    return {name: min(cpu_ms(call) for _ in range(times)) for name, (times, call) in tried.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10_000])
    args = parser.parse_args()
    storage.TEMPLATE = 100  # trials that are really run, and repeated
    print("| trials |", " | ".join(STEPS), "|\n|---:|" + "---:|" * len(STEPS))
    for trials in [30, *args.trials]:
        with tempfile.TemporaryDirectory() as runs:
            folder = Path(runs) / "dummy"
            folder.mkdir()
            storage.fill(str(folder / JOURNAL), trials)
            times = costs(folder)
        if trials > 30:
            print(f"| {trials:,} |", " | ".join(f"{times[name]:.1f}" for name in STEPS), "|", flush=True)


if __name__ == "__main__":
    main()
