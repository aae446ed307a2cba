"""What searching further numbers along costs: trials until a search is as good as one of the schedule alone.

    uv run python benchmarks/params_cost.py --seeds 8

The job is an MLP on scikit-learn's digits, 5 epochs. Searched are the schedule alone, with the weight decay, and with
weight decay and batch size; what is not searched has its usual value. Shown are the lowest final validation loss after
some trials, and the first trial at which a search is as good as the schedule's alone of the same seed after 15.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from torch import nn

from lrsearch.objectives import Run, UserObjective
from lrsearch.search import Budget, Plan, search
from lrsearch.spaces import default_space, params_from

EPOCHS, MARK = 5, 15
AT = (5, 10, 15, 20, 25)
DECAY = {"low": 1e-6, "high": 0.1, "log": True, "default": 5e-4}
SIZE = {"choices": [32, 64, 128], "default": 64}
SEARCHED: dict[str, dict[str, Any]] = {
    "schedule alone": {},
    "+ weight decay": {"weight_decay": DECAY},
    "+ weight decay, batch size": {"weight_decay": DECAY, "batch_size": SIZE},
}


def job(run: Run) -> Iterator[dict[str, float]]:
    """The MLP, trained with SGD and momentum."""
    torch.manual_seed(run.seed)
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, val = order[:1200], order[1200:]
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    decay, size = float(run.params.get("weight_decay", 5e-4)), int(run.params.get("batch_size", 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=decay)
    steps = len(train) // size
    scheduler = run.scheduler(optimizer, steps)
    for _ in range(run.epochs):
        for batch in train[torch.randperm(len(train))][: steps * size].split(size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
            scheduler.step()
        with torch.no_grad():
            yield {"val_loss": float(nn.functional.cross_entropy(model(x[val]), y[val]))}


def lowest(seed: int, params: dict[str, Any], trials: int) -> list[float]:
    """The lowest final loss after each trial of a search, ``(trials,)``."""
    torch.set_num_threads(1)
    beside, usual = params_from(params)
    space = default_space("sgd", EPOCHS)
    space = type(space)(space.families, EPOCHS, space.base_lr, beside=beside, usual=usual)
    with tempfile.TemporaryDirectory() as folder:
        how: dict[str, Any] = {"pruner": "none", "confirm": 0, "jobs": 1, "device": "cpu", "seed": seed}
        objective = UserObjective(job, "sgd", EPOCHS)
        result = search(Plan(objective, space, Budget.parse(trials), "cost", str(Path(folder)), **how))
    losses = [t.value if t.value is not None else np.inf for t in sorted(result.trials, key=lambda t: t.number)]
    return [float(v) for v in np.minimum.accumulate(losses)]


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    courses: dict[str, list[list[float]]] = {}
    for name, params in SEARCHED.items():
        found = Parallel(asked.jobs)(delayed(lowest)(s, params, asked.trials) for s in range(asked.seeds))
        courses[name] = [list(course) for course in found]
        means = {n: np.mean([c[n - 1] for c in courses[name]]) for n in AT if n <= asked.trials}
        alone = courses["schedule alone"]
        behind = {n: np.subtract([c[n - 1] for c in courses[name]], [c[n - 1] for c in alone]) for n in means}
        marks = [c[MARK - 1] for c in alone]
        first = [
            next((n for n, loss in enumerate(course, 1) if loss <= mark), asked.trials + 1)
            for course, mark in zip(courses[name], marks, strict=True)
        ]
        print(
            f"{name:28s}",
            " ".join(f"{n}:{m:.4f}" for n, m in means.items()),
            "less the first:",
            " ".join(f"{n}:{d.mean():+.4f}±{d.std(ddof=1) / len(d) ** 0.5:.4f}" for n, d in behind.items()),
            f"as good as alone after {MARK}: median trial {np.median(first):g}, never in {asked.trials} for",
            f"{sum(n > asked.trials for n in first)} of {len(first)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
