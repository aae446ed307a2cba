"""How good the search is: lrsearch's sampler and pruner against Optuna's, at equal compute in epochs.

    uv run python benchmarks/search_quality.py live --tasks digits-mlp --contenders tpe+none,curve+none --compute 40
    uv run python benchmarks/search_quality.py replay --tasks lm124m --contenders random+curve,curve+curve --compute 12
    uv run python benchmarks/search_quality.py record --tasks digits-mlp

A contender is ``sampler+pruner`` (random, qmc, tpe, gp, curve, or what else curve can begin with: probe, a probe that
counts; average, the most average curve and the farthest from it; baselines, the three untuned ones; scan, without what
other jobs tell; in a replay later, which is curve with the baselines after eight trials, as lrsearch run has them, and
there scan has them, too; none, median, halving, hyperband, curve;
Optuna's at their defaults); of a live study also ``sampler+pruner@families``, such as ``curve+none@all`` or
``curve+none@spline``: all values of --contenders are then separated by semicolons. A replay knows other libraries'
searches, too, once they are installed as ``quality/peers.py`` says: smac+none, smac1+none (a fit for each proposal, not
for eight), smac+hyperband, ax+none, cqr+none, bore+none, cqr+asha.
Compute is counted in full trials, pruned trials by their epochs. ``live`` trains: each seed is one study with one trial
at a time, all seeds of a contender side by side in lanes. ``replay`` looks losses up in recorded tables; each seed sees
a random part of the table, and regret is the distance from that part's best, in units of the distance from the table's
best to its best tenth; ``name@LOW`` is a table without the rates below LOW. ``record`` makes a table. ``nosearch``
probes and trains once with a usual schedule. ``ladder`` compares, on schedules of a table, a whole schedule squeezed
into a part of the horizon with the beginning of that length, and with what the weights score there, averaged over an
epoch: how well does each rank the final losses? Shown: means over seeds ± standard error, and differences from the
first contender, seed by seed.
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
from quality import averaged, live, nosearch, peers, record, replay
from quality.tasks import TASKS
from scipy.stats import spearmanr

AT = (1, 2, 3, 4, 5, 8, 10, 12, 15, 20, 25, 30, 40)
TOP = 0.05


def best_at(course: live.Course, compute: float) -> float:
    """Best final loss of the trials that were complete by then."""
    return min((loss for spent, loss in course.points if spent <= compute + 1e-9), default=np.inf)


def show(task: str, contender: str, table: dict[int, list[float]], courses: list[live.Course], more: str = "") -> None:
    means = {n: (np.mean(v), np.std(v, ddof=1) / len(v) ** 0.5) for n, v in table.items()}
    shown = " ".join(f"{n}:{mean:.5f}±{error:.5f}" for n, (mean, error) in means.items())
    trials = np.mean([len(c.trials) for c in courses])
    print(f"{task:16s} {contender:18s} {shown} trials {trials:.0f} {more}", flush=True)


def compare(task: str, contender: str, table: dict[int, list[float]], first: dict[int, list[float]]) -> None:
    behind = {
        n: np.subtract(values, first[n]) for n, values in table.items() if np.isfinite([*values, *first[n]]).all()
    }
    shown = " ".join(f"{n}:{d.mean():+.5f}±{d.std(ddof=1) / len(d) ** 0.5:.5f}" for n, d in behind.items())
    print(f"{task:16s} {contender:18s} less the first: {shown}", flush=True)


def measure_live(args: argparse.Namespace, task: str, contender: str) -> dict[int, list[float]]:
    begun = time.perf_counter()
    groups = [list(range(args.seeds)[i :: args.jobs]) for i in range(args.jobs)]
    by_process = Parallel(n_jobs=args.jobs)(
        delayed(live.run)(contender, task, seeds, args.compute, args.data_dir, args.at_once, args.own_weights)
        for seeds in groups
        if seeds
    )
    courses = sorted((c for group in by_process for c in group), key=lambda c: c.seed)
    table = {n: [best_at(c, n) for c in courses] for n in AT if n <= args.compute}
    worth = np.array([c.worth for c in courses]).T.tolist()
    fresh = " ".join(f"{np.mean(v):.5f}±{np.std(v, ddof=1) / len(v) ** 0.5:.5f}" for v in worth)
    show(task, contender, table, courses, f"on fresh seeds {fresh} ({time.perf_counter() - begun:.0f} s)")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / f"{task}.{contender}.json").write_text(json.dumps({**table, "worth": worth}))
    return table


def measure_replay(args: argparse.Namespace, task: str, contender: str) -> dict[int, list[float]]:
    table = record.load(task)
    unit = np.quantile(table.final, 0.1) - table.final.min()
    worst = np.quantile(table.final, TOP)
    final = dict(zip(table.schedules, table.final, strict=True))
    run = peers.run if contender in peers.PEERS else replay.run
    courses = Parallel(n_jobs=args.jobs)(
        delayed(run)(contender, task, seed, args.compute, args.data_dir) for seed in range(args.seeds)
    )
    floors = [replay.share_of(task, c.seed).final.min() for c in courses]
    regrets = {
        n: [(best_at(c, n) - floor) / unit for c, floor in zip(courses, floors, strict=True)]
        for n in AT
        if n <= args.compute
    }
    stopped = [epochs < table.losses.shape[1] for c in courses for s, epochs in c.trials if final[s] <= worst]
    show(task, contender, regrets, courses, f"of {len(stopped)} tries in the top 5 % pruned: {np.mean(stopped):.2f}")
    return regrets


def ladder(args: argparse.Namespace, task: str) -> None:
    table = record.load(task)
    horizon = table.losses.shape[1]
    schedules, losses = table.schedules[: args.count], table.losses[: args.count]
    final = np.where(np.isfinite(losses[:, -1]), losses[:, -1], np.inf)
    better = np.argsort(final)[: len(final) // 2]
    for part in (4, 2):
        epochs = max(1, horizon // part)
        squeezed = record.train(task, [s.stretched(epochs) for s in schedules], args.data_dir, args.jobs)[:, -1]
        mean = averaged.train(task, schedules, epochs, args.data_dir, args.jobs)
        for name, early in (("squeezed", squeezed), ("cut short", losses[:, epochs - 1]), ("averaged", mean)):
            early = np.where(np.isfinite(early), early, 1e9)
            ranks = [spearmanr(early[rows], np.minimum(final, 1e9)[rows])[0] for rows in (slice(None), better)]
            print(f"{task:16s} {name} at {epochs} of {horizon} epochs: all {ranks[0]:.2f}, better half {ranks[1]:.2f}")


def no_search(args: argparse.Namespace, task: str) -> None:
    cost, losses = nosearch.run(task, range(args.seeds), args.data_dir)
    shown = "; ".join(f"{n} {np.mean(v):.5f}±{np.std(v, ddof=1) / len(v) ** 0.5:.5f}" for n, v in losses.items())
    print(f"{task:16s} no search, {1 + cost:.2f} full trials: {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("live", "replay", "record", "ladder", "nosearch"))
    parser.add_argument(
        "--tasks", default="digits-mlp", help=f"of {', '.join(TASKS)}; replay also lm124m, and name@LOW"
    )
    parser.add_argument("--contenders", default="random+none,qmc+none,tpe+none,gp+none,curve+none,curve+curve")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--compute", type=float, default=40)
    parser.add_argument("--at-once", type=int, default=1, help="trials at a time of a live study")
    parser.add_argument("--own-weights", action="store_true", help="weights and batches of each study's own seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--count", type=int, default=1024, help="schedules to record or compare")
    parser.add_argument("--out", type=Path, help="folder for every study's losses as JSON")
    parser.add_argument("--data-dir", default="data")
    args = parser.parse_args()
    measure = {"live": measure_live, "replay": measure_replay}
    for task in args.tasks.split(","):
        if args.what == "record":
            record.record(task, args.count, args.data_dir, args.jobs)
        elif args.what == "ladder":
            ladder(args, task)
        elif args.what == "nosearch":
            no_search(args, task)
        else:
            first: dict[int, list[float]] | None = None
            for contender in args.contenders.split(";" if ";" in args.contenders else ","):
                table = measure[args.what](args, task, contender)
                if first is not None:
                    compare(task, contender, table, first)
                first = first or table


if __name__ == "__main__":
    main()
