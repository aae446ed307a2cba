"""How good the search is: lrsearch's sampler and pruner against Optuna's, at equal compute in epochs.

Usage: uv run python benchmarks/search_quality.py --task digits-mlp --contenders tpe+none,curve+none --seeds 20
       --compute 40 [--data-dir DIR]; `record` as the first word records a task's table instead.

Compute is counted in full trials, pruned trials by their epochs. Each seed is one study; all seeds of a contender train
side by side, one trial each at a time, so that samplers see what they would see with one worker.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed
from quality import live
from quality.tasks import TASKS

AT = (5, 10, 15, 20, 25, 30, 40)
OUT = Path(__file__).parent / "quality" / "results"


def best_at(course: live.Course, compute: float) -> float:
    """Best final loss of the trials that were complete by then."""
    return min((loss for spent, loss in course.points if spent <= compute + 1e-9), default=np.inf)


def measure(args: argparse.Namespace, contender: str, task: str) -> None:
    begun = time.perf_counter()
    groups = [range(args.seeds)[i :: args.jobs] for i in range(args.jobs)]
    found = Parallel(n_jobs=args.jobs)(
        delayed(live.run)(contender, task, list(g), args.compute, args.data_dir) for g in groups if len(g)
    )
    courses = sorted((c for group in found for c in group), key=lambda c: c.seed)
    ats = [n for n in AT if n <= args.compute]
    table = {n: [best_at(c, n) for c in courses] for n in ats}
    trials = [len(c.trials) for c in courses]
    seconds = time.perf_counter() - begun
    OUT.mkdir(exist_ok=True)
    result = {"task": task, "contender": contender, "compute": args.compute, "best": table, "trials": trials}
    (OUT / f"{task}.{contender}.{args.tag}.json").write_text(json.dumps(result))
    shown = " ".join(f"{n}:{np.mean(v):.5f}±{np.std(v, ddof=1) / len(v) ** 0.5:.5f}" for n, v in table.items())
    print(f"{task:16s} {contender:18s} {shown} trials {np.mean(trials):.0f} ({seconds:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="digits-mlp", help=f"one or more of {', '.join(TASKS)}")
    parser.add_argument("--contenders", default="random+none,qmc+none,tpe+none,gp+none,curve+none")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--compute", type=float, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tag", default="live")
    parser.add_argument("--data-dir", default="data")
    args = parser.parse_args()
    for task in args.task.split(","):
        for contender in args.contenders.split(","):
            measure(args, contender, task)


if __name__ == "__main__":
    main()
