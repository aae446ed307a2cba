"""Whether confirmation is to be trusted.

    uv run python benchmarks/confirmation.py simulated --gap 0 --searches 1000
    uv run python benchmarks/confirmation.py simulated --gap 2 --searches 300
    uv run python benchmarks/confirmation.py simulated --gap 0 --searches 300 --noise skewed
    uv run python benchmarks/confirmation.py real --task digits-plain --searches 10 --seeds 20

``simulated``: whole searches with the default sampler, pruner and budget on a task without training. A run's loss is
noise, which depends on the seed and the schedule, and `gap` more for every baseline (constant, or linear or cosine to
zero). A baseline's noise is normal and of unit size, that of other schedules is as `--noise` says, with mean 0.
Counted: how often a search says "better", "worse" or "not distinguishable".

``real``: searches with different seeds; the schedules that each could recommend are then trained on further seeds, in
lanes: does the verdict hold there?
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from statistics import fmean, stdev
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed

import lrsearch
from lrsearch.objectives import Measurement, TaskObjective, TaskOptions, get_task
from lrsearch.objectives.lanes import Lanes
from lrsearch.search import Budget, Plan, search
from lrsearch.spaces import Schedule, default_space

NOISES: dict[str, Callable[[np.random.Generator], float]] = {
    "normal": lambda rng: rng.standard_normal(),
    "skewed": lambda rng: 3 * (rng.exponential() - 1),
    "spikes": lambda rng: rng.standard_normal() + (9 if rng.random() < 0.1 else -1),
}
TITLES = ("constant", "linear", "cosine")


class Simulated:
    """Losses without training: 100 + noise, and `gap` more for baselines; epochs before the last say nothing else."""

    name, optimizer, epochs = "simulated", "sgd", 4
    steps_per_epoch: int | None = 10
    start_loss: float | None = 200.0

    def __init__(self, gap: float, noise: str) -> None:
        self.gap, self.noise = gap, noise

    def run(  # noqa: D102
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        rng = np.random.default_rng([seed, zlib.crc32(str(schedule.to_dict()).encode())])
        plain = Schedule(schedule.family, schedule.base_lr, schedule.horizon, warmup=schedule.warmup)
        baseline = schedule.family in TITLES and schedule.params == plain.params
        loss = 100 + NOISES["normal" if baseline else self.noise](rng) + self.gap * baseline
        for epoch in range(1, epochs + 1):
            yield Measurement(epoch, {"val_loss": loss + epochs - epoch}, schedule.base_lr, 1e-4)

    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {"objective": self.name, "gap": self.gap, "noise": self.noise}


def simulate(gap: float, noise: str, seed: int, budget: int) -> tuple[str, int]:
    """The verdict of one search, and how many runs its confirmation took."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as out:
        objective = Simulated(gap, noise)
        space = default_space("sgd", objective.epochs)
        plan = Plan(objective, space, Budget.parse(budget), "s", out, jobs=1, seed=1000 * seed, spend_all=True)
        contest = search(plan).confirmation
    return (contest.word, len(contest.every)) if contest else ("none", 0)


def simulated(args: argparse.Namespace) -> None:
    begun = time.perf_counter()
    results = Parallel(n_jobs=args.jobs)(
        delayed(simulate)(args.gap, args.noise, s, args.budget) for s in range(args.searches)
    )
    words = Counter(word for word, _ in results)
    runs = [n for _, n in results]
    print(
        f"gap {args.gap:g} noise units, {args.noise} noise, budget {args.budget}, {args.searches} searches: "
        f"{dict(words)}; "
        f"{fmean(runs):.1f} runs on fresh seeds ({time.perf_counter() - begun:.0f} s)"
    )


def further(task: str, options: TaskOptions, schedules: list[Schedule], seeds: range) -> list[list[float]]:
    """Final validation losses of every schedule on every seed, trained in lanes."""
    job = TaskObjective(get_task(task), options)
    pairs = [(s, seed) for s in schedules for seed in seeds]
    lanes = Lanes(job.recipe(), job.data("cpu"), "cpu", 16)
    losses: dict[int, float] = {}
    waiting = list(enumerate(pairs))
    while waiting or len(lanes):
        while lanes.room and waiting:
            number, (schedule, seed) = waiting.pop(0)
            lanes.put(number, schedule, seed=seed, epochs=int(schedule.horizon))
        for number, m in lanes.run_epoch().items():
            losses[number] = m.metrics["val_loss"]
    return [[losses[i * len(seeds) + j] for j in range(len(seeds))] for i in range(len(schedules))]


def real(args: argparse.Namespace) -> None:
    options = TaskOptions(data_dir=args.data_dir, subset=args.subset)
    held = 0
    for seed in range(args.searches):
        with tempfile.TemporaryDirectory() as out:
            result = lrsearch.run(
                args.task,
                budget=args.budget,
                seed=100 * seed,
                out=out,
                task_options=options,
                spend_all=True,
                engine=args.engine,
                epochs=args.epochs,
            )
        c = result.confirmation
        assert c is not None
        assert c.winner is not None
        lucky = result.ranking[0].number
        shown = {"lucky": lucky, "model's": c.contest.candidates[0], "winner": c.winner, "rival": c.rivals[0]}
        schedules = [result.trial(n).schedule for n in shown.values()]
        values = dict(
            zip(
                shown,
                further(args.task, options, [s for s in schedules if s], range(50_000, 50_000 + args.seeds)),
                strict=True,
            )
        )
        differences = [a - b for a, b in zip(values["winner"], values["rival"], strict=True)]
        mean, error = fmean(differences), stdev(differences) / args.seeds**0.5
        holds = {"better": mean < 0, "worse": mean > 0, "not distinguishable": abs(mean) < 3 * error}[c.word]
        held += holds
        means = ", ".join(f"{name} {fmean(v):.4f}" for name, v in values.items())
        print(
            f"{100 * seed}: {c.word} ({result.trial(c.rivals[0]).baseline}); searched {result.ranking[0].value:.4f}; "
            f"on {args.seeds} further seeds {means}; winner - rival {mean:+.4f} +- {error:.4f}: "
            f"{'holds' if holds else 'does not hold'}",
            flush=True,
        )
    print(f"{held} of {args.searches} verdicts held")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("simulated", "real"))
    parser.add_argument("--searches", type=int, default=10)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--gap", type=float, default=0.0, help="how far baselines are behind, in noise units")
    parser.add_argument("--noise", choices=NOISES, default="normal", help="of what is searched")
    parser.add_argument("--task", default="digits-plain")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--subset", type=int, default=0)
    args = parser.parse_args()
    {"simulated": simulated, "real": real}[args.what](args)


if __name__ == "__main__":
    main()
