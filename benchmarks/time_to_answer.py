"""Time to the answer: from typing a command to a schedule that is as good as the plain Optuna script's.

(a) plain: study.optimize, a DataLoader as tutorials have it, TPE and MedianPruner at their defaults.
(b) tensors: the same with tensors on the device instead of the DataLoader, and n_jobs=2.
lrsearch: ``lrsearch run TASK --budget B`` with its confirmation and its report, for each of --budgets.

All draw from the same space and train the same model on the same data; each pair has a seed of its own. Each contender
is a process of its own, timed from its start to its end, imports included, in turn, so that the machine's moods hit all
alike (the scripts import parts of lrsearch for model, data and space: about 0.3 s). The schedule that each one names
(the lowest loss of a script; what lrsearch recommends) is then trained on 16 fresh seeds, outside of the time. A budget
has answered in a pair if its schedule's mean is at or below the script's.

Usage: uv run python benchmarks/time_to_answer.py --tasks digits,fashion-mlp,fashion-cnn,text --data-dir DIR
       OMP_NUM_THREADS=1 uv run python benchmarks/time_to_answer.py --scripts plain --cpu-time    on a busy machine
       uv run python benchmarks/time_to_answer.py --quick     one pair of 12 trials on digits, a minute
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FRESH = range(1000, 1016)
"""Seeds that no search sees."""


@dataclass(frozen=True)
class Job:
    """A built-in task as it is searched."""

    task: str
    epochs: int
    model: str = ""
    subset: int = 0
    optimizer: str = "sgd"

    def words(self, data_dir: str) -> list[str]:
        """What names it on the command line."""
        more = ["--model", self.model] if self.model else []
        return [self.task, "--epochs", str(self.epochs), "--subset", str(self.subset), "--data-dir", data_dir, *more]

    def objective(self, data_dir: str) -> Any:
        """The same from Python."""
        from lrsearch.objectives import TaskObjective, TaskOptions, get_task

        return TaskObjective(get_task(self.task), TaskOptions(model=self.model, data_dir=data_dir, subset=self.subset))


JOBS = {
    "digits": Job("digits", 20),
    "fashion-mlp": Job("fashion-mnist", 5, "mlp", 10_000),
    "fashion-cnn": Job("fashion-mnist", 3, "cnn", 1_000),
    "text": Job("text", 4, optimizer="adamw"),
}


def script(job: Job, args: argparse.Namespace, *, loader: bool) -> None:
    """(a) and (b): what a person writes with Optuna; prints the best schedule."""
    import optuna

    from lrsearch.spaces import default_space

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objective, space = job.objective(args.data_dir), default_space(job.optimizer, job.epochs)
    data, recipe = objective.data("cpu"), objective.recipe()

    def run(trial: optuna.Trial) -> float:
        schedule = space.suggest(trial)
        trial.set_user_attr("schedule", schedule.to_dict())
        loss = float("nan")
        for epoch, loss in enumerate(losses(recipe, data, schedule, job.epochs, loader=loader)):
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss

    sampler = optuna.samplers.TPESampler(seed=args.seed)
    study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.MedianPruner())
    study.optimize(run, n_trials=args.trials, n_jobs=1 if loader else 2)
    print(json.dumps({"schedule": study.best_trial.user_attrs["schedule"]}))


def losses(recipe: Any, data: Any, schedule: Any, epochs: int, *, loader: bool) -> Any:
    """The validation loss after each epoch, by a loop as tutorials have it."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    def batches(part: Any, size: int, *, train: bool) -> Any:
        if loader:
            return DataLoader(TensorDataset(part.x, part.y), batch_size=size, shuffle=train, drop_last=train)
        order = torch.randperm(len(part.y)) if train else torch.arange(len(part.y))
        chosen = [rows for rows in order.split(size) if len(rows) == size or not train]
        return [(part.x[rows], part.y[rows]) for rows in chosen]

    model = recipe.model()
    optimizer = recipe.optimizer(model)
    steps, noise = len(data.train.y) // recipe.batch_size, torch.Generator()
    scheduler = schedule.scheduler(optimizer, steps)
    for _ in range(epochs):
        model.train()
        for x, y in batches(data.train, recipe.batch_size, train=True):
            loss = recipe.loss(model(x if recipe.augment is None else recipe.augment(x, noise)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            total = [recipe.loss(model(x), y).item() * len(y) for x, y in batches(data.val, 512, train=False)]
        yield sum(total) / len(data.val.y)


def timed(words: list[str], *, cpu: bool) -> tuple[float, str]:
    """Wall seconds of a whole process, or its processor seconds and those of its children, and what it printed."""
    clock = _of_children if cpu else time.perf_counter
    begun = clock()
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    return clock() - begun, done.stdout


def _of_children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def of_script(name: str, kind: str, args: argparse.Namespace, seed: int) -> tuple[float, Any]:
    """Seconds of a script and the schedule that it ends with."""
    more = ["--script", kind, "--tasks", name, "--trials", str(args.trials), "--data-dir", args.data_dir]
    seconds, out = timed([__file__, *more, "--seed", str(seed)], cpu=args.cpu_time)
    return seconds, json.loads(out.splitlines()[-1])["schedule"]


def of_lrsearch(name: str, budget: str, args: argparse.Namespace, seed: int) -> tuple[float, Any]:
    """Seconds of a search and the schedule that it recommends."""
    with tempfile.TemporaryDirectory() as out:
        words = ["-m", "lrsearch", "run", *JOBS[name].words(args.data_dir), "--budget", budget, "--seed", str(seed)]
        seconds, _ = timed([*words, "--out", out, "--study", "answer", *args.more.split()], cpu=args.cpu_time)
        return seconds, json.loads((Path(out) / "answer" / "best.json").read_text())["schedule"]


def worth(job: Job, data_dir: str, schedule: Any) -> float:
    """The mean final loss of a schedule on the fresh seeds."""
    import torch

    from lrsearch.objectives.lanes import Lanes
    from lrsearch.spaces import Schedule

    torch.set_num_threads(1)  # on a busy machine several wait for each other

    objective = job.objective(data_dir)
    lanes = Lanes(objective.recipe(), objective.data("cpu"), "cpu", len(FRESH))
    for seed in FRESH:
        lanes.put(seed, Schedule.from_dict(schedule), seed=seed, epochs=job.epochs)
    for _ in range(job.epochs):
        last = lanes.run_epoch()
    return statistics.fmean(m.metrics["val_loss"] for m in last.values())


Found = dict[str, list[tuple[float, float]]]
"""Seconds and worth of every pair, by contender."""


def measure(name: str, args: argparse.Namespace) -> Found:
    """Every contender in every pair."""
    scripts, budgets = args.scripts.split(","), args.budgets.split(",")
    times: Found = {}
    for seed in range(args.pairs):
        for contender in (*scripts, *budgets):
            of = of_script if contender in scripts else of_lrsearch
            seconds, schedule = of(name, contender, args, seed)
            value = worth(JOBS[name], args.data_dir, schedule)
            times.setdefault(contender, []).append((seconds, value))
            print(f"{name}, pair {seed}, {contender}: {seconds:.1f} s, {value:.4f} on fresh seeds", flush=True)
    return times


def table(name: str, times: Found, scripts: list[str]) -> str:
    """A Markdown table of a task: medians with ranges, and against each script times faster and answers."""
    heads = "".join(f" times as fast as {s} | answered |" for s in scripts)
    lines = [f"| {name} | s | on fresh seeds |{heads}", "|---|---:|---:|" + "---:|---:|" * len(scripts)]
    for contender, runs in times.items():
        shown = contender if contender in scripts else f"lrsearch --budget {contender}"
        cells = [spread([s for s, _ in runs], 1), spread([v for _, v in runs], 4)]
        for other in scripts:
            pairs = list(zip(runs, times[other], strict=True))
            cells.append(spread([theirs[0] / ours[0] for ours, theirs in pairs], 2))
            cells.append(f"{sum(ours[1] <= theirs[1] for ours, theirs in pairs)} of {len(pairs)}")
        lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="digits", help=f"of {', '.join(JOBS)}")
    parser.add_argument("--trials", type=int, default=60, help="of the scripts")
    parser.add_argument("--budgets", default="8,20,60", help="of lrsearch")
    parser.add_argument("--scripts", default="plain,tensors")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--more", default="", help="further options of lrsearch run")
    parser.add_argument("--cpu-time", action="store_true", help="processor time, for a machine that others use")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--quick", action="store_true", help="one pair of 12 trials on digits")
    parser.add_argument("--script", choices=("plain", "tensors"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.script:
        script(JOBS[args.tasks], args, loader=args.script == "plain")
        return
    if args.quick:
        args.tasks, args.trials, args.budgets, args.pairs = "digits", 12, "8", 1
    for name in args.tasks.split(","):
        print(table(name, measure(name, args), args.scripts.split(",")), flush=True)


if __name__ == "__main__":
    main()
