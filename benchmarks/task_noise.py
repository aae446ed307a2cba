"""How much the schedule matters on the built-in tasks, measured against the noise of seeds.

Run ``python benchmarks/task_noise.py --data-dir FOLDER``. For each task, 42 schedules (six families with their usual
parameters at seven rates, no warm-up) are trained as lanes on the same seeds. Printed are, of the losses after the last
epoch:

- noise: how much the loss of one schedule scatters from seed to seed, beside what the seed does to all schedules alike
  (standard deviation, median over the best quarter of the schedules);
- spread: the standard deviation of the mean losses in that quarter, in units of noise;
- constant, linear, ...: how far the best schedule of each family lies behind the best of all, in units of noise;
- ranks: Spearman's correlation of one seed's losses with the mean of the others, in the better half of the schedules;
- CPU seconds of a trial, and the best of the schedules.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from lrsearch.objectives import TASKS, TaskObjective, TaskOptions, get_task
from lrsearch.objectives.lanes import Lanes
from lrsearch.spaces import Schedule

FAMILIES = ("constant", "linear", "cosine", "exp", "step", "wsd")
RATES = {"sgd": (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8), "adamw": (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 0.016, 0.032)}

Array = NDArray[np.float64]


def schedules(optimizer: str, epochs: int) -> list[Schedule]:
    return [Schedule(family, lr, epochs) for family in FAMILIES for lr in RATES[optimizer]]


def losses(objective: TaskObjective, tried: Sequence[Schedule], seed: int, width: int) -> list[float]:
    """The last validation loss of each schedule, infinite after a divergence."""
    lanes = Lanes(objective.recipe(), objective.data("cpu"), "cpu", width)
    waiting, ends = list(range(len(tried))), [np.inf] * len(tried)
    while waiting or len(lanes):
        while waiting and lanes.room:
            lanes.put(waiting[0], tried[waiting.pop(0)], seed=seed, epochs=objective.epochs)
        for trial, measurement in lanes.run_epoch().items():
            ends[trial] = measurement.metrics["val_loss"] if measurement.finite else np.inf
    return ends


def describe(tried: Sequence[Schedule], losses: Array) -> str:
    """A row of the table of losses ``(seeds, schedules)``."""
    order = np.argsort(losses.mean(0))
    good, half = order[: len(order) // 4], order[: len(order) // 2]
    mean = losses.mean(0)
    apart = losses[:, good] - losses[:, good].mean(1, keepdims=True)
    noise = float(np.median(apart.std(0, ddof=1)))
    behind = {f: min(m for m, s in zip(mean, tried, strict=True) if s.family == f) - mean.min() for f in FAMILIES}
    ranks = [spearmanr(row[half], np.delete(losses, i, 0)[:, half].mean(0))[0] for i, row in enumerate(losses)]
    cells = [f"{mean.min():.4f}", f"{noise:.4f}", f"{mean[good].std() / noise:.2f}"]
    cells += [*(f"{b / noise:.1f}" for b in behind.values()), f"{np.mean(ranks):.2f}"]
    return " | ".join(cells)


def measure(name: str, model: str, args: argparse.Namespace) -> None:
    objective = TaskObjective(get_task(name), TaskOptions(model=model, data_dir=args.data_dir, subset=args.subset))
    tried = schedules(objective.optimizer, objective.epochs)
    begun = time.process_time()
    ends = np.array([losses(objective, tried, seed, args.lanes) for seed in range(args.seeds)])
    seconds = (time.process_time() - begun) / ends.size
    best = tried[int(np.argmin(ends.mean(0)))]
    print(
        f"| {objective.name} | {describe(tried, ends)} | {seconds:.2f} | {best.family} {best.base_lr:g} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = [f"{name} {model}" for name, task in TASKS.items() for model in task.models]
    parser.add_argument("--tasks", nargs="+", default=jobs, metavar="'TASK MODEL'")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--lanes", type=int, default=14)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--subset", type=int, default=0, help="training samples; 0 for all")
    parser.add_argument("--data-dir", default="data")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {args.seeds} seeds")
    print(f"| task | loss | noise | spread | {' | '.join(FAMILIES)} | ranks | s | best |")
    for job in args.tasks:
        name, _, model = job.partition(" ")
        measure(name, model, args)


if __name__ == "__main__":
    main()
