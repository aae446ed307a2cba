"""Two kinds of noise: seeds that vary weights and order alone, and seeds that draw the validation set anew as well.

Run ``python benchmarks/resplit.py``. Two schedules are trained on digits with the same seeds, as a confirmation does,
without and with ``--resplit``. Printed are standard deviations over seeds of the validation loss of one schedule, and
of the difference between the two on one seed, which is what a verdict rests on.
"""

from __future__ import annotations

import argparse

import numpy as np

from lrsearch.objectives import TaskObjective, TensorObjective, get_task
from lrsearch.spaces import Schedule


def losses(objective: TensorObjective, schedule: Schedule, seeds: int) -> list[float]:
    losses = []
    for seed in range(1, seeds + 1):
        *_, last = objective.run(schedule, epochs=objective.epochs, seed=seed, device="cpu", test=True)
        losses.append(last.metrics["val_loss"])
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="digits")
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    fixed = TaskObjective(get_task(args.task))
    tried = [Schedule("cosine", 0.2, fixed.epochs), Schedule("constant", 0.05, fixed.epochs)]
    print(f"{args.task}, {args.seeds} seeds: {' against '.join(s.describe() for s in tried)}")
    for name, objective in (("one validation set", fixed), ("--resplit", fixed.redrawing())):
        a, b = (np.array(losses(objective, schedule, args.seeds)) for schedule in tried)
        print(
            f"{name}: means {a.mean():.4f}, {b.mean():.4f}; sd of a loss {a.std(ddof=1):.4f}, {b.std(ddof=1):.4f}; "
            f"difference {np.mean(b - a):.4f}, sd {np.std(b - a, ddof=1):.4f}"
        )


if __name__ == "__main__":
    main()
