"""Lanes against a plain loop: trial epochs per second, in one run, for each task and number of lanes.

Run ``python benchmarks/lanes.py --data-dir FOLDER``. A round times one epoch of the plain loop (`TaskObjective.run`)
and one of each number of lanes; the ratio is that of the same round, so that a busy machine slows both. Printed are
the medians and quartiles over the rounds. ``apart`` puts every lane at another epoch, so that each needs its own
batches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from gpu_parts.fused import FusedStep

from lrsearch.errors import LrsearchError
from lrsearch.objectives import TaskObjective, TaskOptions, get_task
from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.recipe import Recipe, Split, Splits
from lrsearch.objectives.training import train
from lrsearch.spaces import Schedule

JOBS = (("digits-plain", "mlp"), ("fashion-mnist", "mlp"), ("fashion-mnist", "cnn"), ("cifar10", "resnet18"))
SCHEDULE = Schedule("cosine", 0.01, horizon=1000)


def alone(recipe: Recipe, data: Splits, device: str) -> Callable[[], object]:
    epochs = train(recipe, data, SCHEDULE, epochs=1000, seed=0, device=device)
    return partial(next, epochs)


def together(
    recipe: Recipe, data: Splits, device: str, count: int, apart: bool, graph: bool, fused: bool = False
) -> Callable[[], object]:
    lanes: Any = Lanes(recipe, data, device, count, graph=graph)
    if fused:
        lanes._graph = FusedStep(lanes._model)
    for trial in range(count):
        lanes.put(trial, SCHEDULE, seed=trial if apart else 0, epochs=1000)
    run_epoch: Callable[[], object] = lanes.run_epoch
    return run_epoch


def seconds(epoch: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    epoch()
    return clock() - start


def shorten(data: Splits, samples: int) -> Splits:
    """At most that many training samples, and a fifth as many for validation."""

    def part(split: Split, n: int) -> Split:
        return Split(split.x[:n], split.y[:n])

    return replace(data, train=part(data.train, samples), val=part(data.val, samples // 5))


def measure(name: str, model: str, args: argparse.Namespace) -> None:
    options = TaskOptions(model=model, optimizer=args.optimizer, data_dir=args.data_dir, bf16=args.bf16)
    objective = TaskObjective(get_task(name), options)
    try:
        data = shorten(objective.data(args.device), args.samples)
    except LrsearchError as error:
        print(f"{name} {model}: left out: {error}")
        return
    recipe = objective.recipe()
    steps = recipe.steps(data)
    runs = {(0, "plain"): alone(recipe, data, args.device)}
    for count in args.lanes:
        for way in ("together", "fused") if args.fused else ("together", "apart"):
            runs[count, way] = together(recipe, data, args.device, count, way == "apart", args.graph, way == "fused")
    clock = time.process_time if args.cpu_time else time.perf_counter
    for (count, way), run in runs.items():
        first = seconds(run, time.perf_counter)
        if way == "fused":
            print(f"{name:14} {model:9} {count} lanes: the first epoch, compiling, took {first:.1f} s", flush=True)
    rounds = [{key: seconds(run, clock) for key, run in runs.items()} for _ in range(args.rounds)]
    for count, way in runs:
        times = [r[count, way] for r in rounds]
        ratios = [r[0, "plain"] * max(1, count) / r[count, way] for r in rounds]
        low, middle, high = statistics.quantiles(ratios, n=4)
        label = f"{count} lanes" if count else "plain loop"
        print(
            f"{name:14} {model:9} {label:11} {way:9} "
            f"{statistics.median(times) / steps * 1e3:9.2f} ms/step  {middle:6.2f}x  ({low:.2f}-{high:.2f})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--jobs", nargs="+", default=[" ".join(job) for job in JOBS[:3]], metavar="'TASK MODEL'")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=2560, help="training samples in an epoch, at most")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves torch's choice")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--graph", action="store_true")
    parser.add_argument(
        "--fused", action="store_true", help="also the step under torch.compile, instead of lanes apart"
    )
    parser.add_argument("--cpu-time", action="store_true", help="count the process's CPU time: for a busy machine")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {args.device}, {args.rounds} rounds")
    for job in args.jobs:
        name, _, model = job.partition(" ")
        measure(name, model or next(iter(get_task(name).models)), args)


if __name__ == "__main__":
    main()
