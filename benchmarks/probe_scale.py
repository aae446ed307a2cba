"""How well a few constant rates tell the scale of base_lr, and how well a learning-rate range test does.

    uv run python benchmarks/probe_scale.py --tasks digits-mlp,text-transformer

The best base_lr of a task is that of cosine with a tenth of warm-up among 25 rates over the default range (mean of two
seeds, smoothed over neighbours). Shown: decades from it to what a number of constant rates name after an epoch each
(three seeds; the minimum of the parabola, before the offset that a search puts on it), and to the smoothed minimum of
the loss in a range test of 100 steps with rising rate (five seeds): mean and standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from quality.live import DIVERGED
from quality.tasks import TASKS, get, space_of

from lrsearch.objectives import TensorTask
from lrsearch.objectives.lanes import Lanes
from lrsearch.search.sampling.scale import OFFSET, scale_of
from lrsearch.spaces import Schedule

Array = NDArray[np.float64]
GRID, RUNS = 25, (4, 5, 6, 7, 9, 10)
STEPS, SMOOTH, SKIPPED = 100, 0.9, 5


def last_losses(task: TensorTask, schedules: Sequence[Schedule], epochs: int, seed: int) -> Array:
    lanes = Lanes(task.recipe(), task.data("cpu"), "cpu", len(schedules))
    for i, schedule in enumerate(schedules):
        lanes.put(i, schedule, seed=seed, epochs=epochs)
    for _ in range(epochs):
        last = lanes.run_epoch()
    losses = np.array([last[i].metrics["val_loss"] for i in range(len(schedules))])
    return np.where(np.isfinite(losses), np.minimum(losses, 2 * DIVERGED), 2 * DIVERGED)


def range_test(task: TensorTask, low: float, high: float, seed: int) -> float:
    """The rate at the smoothed minimum of the training loss while the rate rises from `low` to `high`."""
    torch.manual_seed(seed)
    recipe, data = task.recipe(), task.data("cpu")
    model = recipe.model()
    optimizer, order = recipe.optimizer(model), torch.Generator().manual_seed(seed)
    rates, average, best, rate_of_best = np.geomspace(low, high, STEPS), 0.0, np.inf, low
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(data.train.y), (recipe.batch_size,), generator=order)
        optimizer.zero_grad()
        loss = recipe.loss(model(data.train.x[rows]), data.train.y[rows])
        loss.backward()
        optimizer.step()
        average = SMOOTH * average + (1 - SMOOTH) * loss.item() if step else loss.item()
        if not np.isfinite(average):
            break
        if step >= SKIPPED and average < best:
            best, rate_of_best = average, rate
    return float(rate_of_best)


def measure(name: str, data_dir: str) -> None:
    task = get(name, data_dir)
    space, epochs = space_of(task), task.epochs
    rates = np.geomspace(space.base_lr.low, space.base_lr.high, GRID)
    x = np.log10(rates)
    whole = [Schedule("cosine", rate, epochs, warmup=0.1 * epochs) for rate in rates]
    ends = np.mean([last_losses(task, whole, epochs, seed) for seed in range(2)], 0)
    ends = np.minimum(ends, 2 * ends.min())
    best = x[np.argmin(np.convolve(np.pad(ends, 1, "edge"), [0.25, 0.5, 0.25], "valid"))]
    constant = [Schedule("constant", rate, epochs) for rate in rates]
    first = [last_losses(task, constant, 1, seed) for seed in range(3)]
    off = {}
    for runs in RUNS:
        places = x[0] + (np.arange(runs) + 0.5) / runs * (x[-1] - x[0])
        scales = [scale_of((10**places).tolist(), np.interp(places, x, losses).tolist()) for losses in first]
        off[f"{runs} rates"] = [np.log10(s.base_lr / OFFSET) - best for s in scales if s]
    tested = [range_test(task, space.base_lr.low / 100, space.base_lr.high * 3, seed) for seed in range(5)]
    off["range test"] = list(np.log10(tested) - best)
    shown = "; ".join(f"{how} {np.mean(v):+.2f} ± {np.std(v):.2f}" for how, v in off.items())
    print(f"{name:16s} {task.optimizer:6s} best {10**best:.3g}; {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="digits-mlp", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--data-dir", default="data")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.tasks.split(","):
        measure(name, args.data_dir)


if __name__ == "__main__":
    main()
