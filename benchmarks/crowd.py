"""Many workers on one search: is the budget kept, and how much of their time goes into the books?

    uv run python benchmarks/crowd.py --workers 8 32 128 --trials 400 --seconds 5

Workers are processes forked from one that has imported everything; a trial sleeps instead of training and reports ten
times. PostgreSQL comes from the system's package, and waits for the disk. Shown for each number of workers: trials per
second against what sleeping alone would allow, the time of a trial beyond its sleep, how often a trial was given back
because others had the rest of the budget, and whether the books are right.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from storage import EPOCHS, PATIENCE_S, SPACE, TERMS, Dummy, create

from lrsearch.objectives import Measurement
from lrsearch.search import load_result, make_sampler, open_storage
from lrsearch.search.budget.kinds import Trials
from lrsearch.search.budget.ledger import Allowance
from lrsearch.search.budget.shared import Quota, read_spending
from lrsearch.search.trial.run import run_trial

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres import postgres


class Sleeper(Dummy):
    """Sleeps for `seconds` in all."""

    seconds = 5.0

    def run(self, *args: Any, **how: Any) -> Iterator[Measurement]:
        """See `Objective.run`."""
        for measurement in super().run(*args, **how):
            time.sleep(self.seconds / EPOCHS)
            yield measurement


def work(where: str, trials: int, ready: Any) -> None:
    """A worker: runs trials until the budget is spent, as a member of a shared search does."""
    sampler = make_sampler("random", 0, SPACE)
    study = optuna.load_study(
        study_name="dummy", storage=open_storage(where), sampler=sampler, pruner=optuna.pruners.NopPruner()
    )
    terms = replace(TERMS, quota=Quota(Trials(EPOCHS), trials, uuid.uuid4().hex))
    ready.wait()
    while (spending := read_spending(study, Trials(EPOCHS))).ended < trials:
        if spending.ended + len(spending.running) < trials:
            run_trial(study, Sleeper(), terms, Allowance(EPOCHS))
        else:
            time.sleep(1)


def crowd(where: str, workers: int, trials: int) -> str:
    """A row of the table."""
    create(where)
    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(workers + 1)
    processes = [fork.Process(target=work, args=(where, trials, ready)) for _ in range(workers)]
    for process in processes:
        process.start()
    ready.wait(PATIENCE_S)
    begun = time.perf_counter()
    time.sleep(Sleeper.seconds)
    connections = connected(where)
    for process in processes:
        process.join()
    seconds = time.perf_counter() - begun
    failed = sum(process.exitcode != 0 for process in processes)
    trials_run = load_result(open_storage(where), "dummy").trials
    study = optuna.load_study(study_name="dummy", storage=open_storage(where))
    withdrawn = len(study.trials) - len(trials_run)
    beyond = [(t.ended - t.started).total_seconds() - Sleeper.seconds for t in trials_run if t.ended and t.started]
    kept = f"{sum(t.outcome == 'complete' for t in trials_run)} of {trials}"
    ideal = workers / Sleeper.seconds
    return (
        f"| {workers} | {connections} | {trials / seconds:.1f} of {ideal:.1f} | {statistics.median(beyond):.2f} "
        f"({max(beyond):.2f}) | {withdrawn} | {kept}, {failed} workers failed |"
    )


def connected(where: str) -> int:
    """How many connections the server has, without the one that asks."""
    engine = sa.create_engine(where)
    with engine.connect() as connection:
        clients = connection.scalar(
            sa.text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        )
    engine.dispose()
    return int(clients or 0) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a trial sleeps")
    args = parser.parse_args()
    Sleeper.seconds = args.seconds
    print("| workers | connections | trials/s | s beyond the sleep (most) | given back | counted |")
    print("|---:|---:|---:|---:|---:|---|")
    for workers in args.workers:
        with postgres(durable=True) as where:
            print(crowd(where, workers, args.trials), flush=True)


if __name__ == "__main__":
    main()
