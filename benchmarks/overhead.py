"""What lrsearch itself costs: start-up of commands, and a trial's books with many trials in the study.

Usage: uv run python benchmarks/overhead.py [--trials 1000]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lrsearch.search import make_sampler, open_storage
from lrsearch.search.notes.study import Settings
from lrsearch.search.sampling.pruners import make_pruner
from lrsearch.search.storage.ending import end
from lrsearch.search.storage.studies import open_study
from lrsearch.spaces import default_space, space_to_dict

SPACE = default_space("sgd", 20)
COUNT = 30


class Times(NamedTuple):
    """Seconds of whole processes, sorted: on the clock, and of the processor, which other programs lengthen less."""

    wall: list[float]
    cpu: list[float]


def startup(words: list[str], times: int = 7) -> Times:
    """Run a command so many times; NUMBER in it stands for which one it is."""
    wall, cpu = [], []
    for number in range(times):
        begun, used = time.perf_counter(), _of_children()
        subprocess.run(
            [sys.executable, *(w.replace("NUMBER", str(number)) for w in words)],
            check=True,
            capture_output=True,
        )
        wall.append(time.perf_counter() - begun)
        cpu.append(_of_children() - used)
    return Times(sorted(wall), sorted(cpu))


def _of_children() -> float:
    """Seconds of the processor that all children so far have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def books(sampler: str, trials: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of ask, of one report, and of tell, with `trials` trials of one report each in the study."""
    settings = Settings(metric="val_loss", maximize=False, epochs=20, seed=0, space=space_to_dict(SPACE))
    storage = open_storage(str(folder / f"{sampler}.log"))
    study = open_study(storage, sampler, settings, make_sampler("random", 0, SPACE), make_pruner("median", SPACE))
    times: dict[str, list[float]] = {"ask": [], "report": [], "tell": []}
    for number in range(trials + COUNT):
        if number == trials:
            study.sampler = make_sampler(sampler, 0, SPACE)
        begun = time.perf_counter()
        trial = study.ask()
        schedule = SPACE.suggest(trial)
        asked = time.perf_counter()
        value = float(np.log10(schedule.base_lr) + 1) ** 2
        trial.report(value, 1)
        trial.should_prune()
        reported = time.perf_counter()
        end(study, trial, "complete", value=value)
        told = time.perf_counter()
        if number > trials:  # the first one fills the sampler's caches
            for name, seconds in zip(times, (asked - begun, reported - asked, told - reported), strict=True):
                times[name].append(1e3 * seconds)
    return times


def _line(what: str, times: Times) -> str:
    shown = (f"{statistics.median(t):.2f} s, {t[0]:.2f} to {t[-1]:.2f}" for t in times)
    return f"{what:<20} median {', processor '.join(shown)}, n={len(times.wall)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--samplers", default="random,qmc,tpe", help="gp takes minutes at 1,000 trials")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        finished = f"{name}/finished"
        startup(["-m", "lrsearch", "run", "digits", "--budget", "40", "--spend-all", "--out", finished], 1)
        one = ["run", "digits", "--budget", "1", "--epochs", "1", "--out", f"{name}/NUMBER"]
        reading = ["report", f"{finished}/digits"], ["export", f"{finished}/digits"], ["runs", finished]
        print(_line("import optuna", startup(["-c", "import optuna"])))
        print(_line("import torch, optuna", startup(["-c", "import torch, optuna"])))
        for words in (["--help"], ["preview", "--family", "exp"], ["tasks"], *reading, one):
            print(_line(words[0], startup(["-m", "lrsearch", *words])))
        for sampler in args.samplers.split(","):
            times = books(sampler, args.trials, Path(name))
            shown = ", ".join(f"{k} {statistics.median(v):.1f}" for k, v in times.items())
            total = statistics.median(map(sum, zip(*times.values(), strict=True)))
            print(f"{sampler:<8} {args.trials} trials: {shown}; together {total:.1f} ms (medians, n={COUNT - 1})")


if __name__ == "__main__":
    main()
