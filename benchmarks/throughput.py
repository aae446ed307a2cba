"""Trials per minute: lrsearch against what people write with Optuna (and Ray Tune, where installed).

(a) plain: study.optimize, a DataLoader, TPE and MedianPruner at their defaults.
(b) tensors: the same with tensors on the device instead of the DataLoader, and n_jobs=2.
(c) ray: Ray Tune with ASHA on the function of (b), a trial per core.
lrsearch: `lrsearch.run` without confirmation, its report included. All draw from the same space and train the same
model on the same data; each round has a seed of its own. Compared are the time for so many trials, which says little of
what they are worth (who stops more of them is faster), the epochs trained per second, and the time that lrsearch needs
for the loss that another one ends with (the median of its rounds).
The schedule that each one names is then trained on 16 fresh seeds (--fresh): what was found, without the luck.

Each contender runs in a process of its own after its imports, in turn, so that the machine's moods hit all alike.
Usage: uv run python benchmarks/throughput.py --task digits-plain --trials 60 --repeat 3 [--data-dir DIR]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

Course = tuple[int, list[tuple[float, float, Any]]]
"""Epochs trained, and of every complete trial ``time.time()`` at its end, its final loss and its schedule."""
FRESH = 1000
"""The first of the seeds that no search sees, for what the schedule that it found is worth."""
EPOCHS = {"digits-plain": 20, "fashion-mnist-mlp": 5, "fashion-mnist-cnn": 3}


def objective_of(args: argparse.Namespace) -> Any:
    from lrsearch.objectives import TaskObjective, TaskOptions, get_task

    name, _, model = args.task.rpartition("-") if args.task != "digits-plain" else (args.task, "", "mlp")
    return TaskObjective(get_task(name), TaskOptions(model=model, data_dir=args.data_dir, subset=args.subset))


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def as_written(recipe: Any) -> Any:
    """The same with the optimizer of `torch.optim` that a script would make."""
    made = recipe.optimizer
    return replace(recipe, optimizer=lambda model: made(model))


def with_loader(recipe: Any, data: Any, schedule: Any, epochs: int, where: str) -> Any:
    """The loop that tutorials show: a DataLoader, `.to(device)`, `loss.item()`."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    train = DataLoader(
        TensorDataset(data.train.x, data.train.y), batch_size=recipe.batch_size, shuffle=True, drop_last=True
    )
    val = DataLoader(TensorDataset(data.val.x, data.val.y), batch_size=512)
    model = recipe.model().to(where)
    optimizer = recipe.optimizer(model)
    scheduler = schedule.scheduler(optimizer, len(train))
    noise = torch.Generator(device=where)
    for _ in range(epochs):
        model.train()
        for x, y in train:
            x = x.to(where) if recipe.augment is None else recipe.augment(x.to(where), noise)
            loss = recipe.loss(recipe.predict(model, x), y.to(where))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            losses = [recipe.loss(recipe.predict(model, x.to(where)), y.to(where)).item() * len(y) for x, y in val]
        yield sum(losses) / len(data.val.y)


def optuna_study(args: argparse.Namespace, *, loader: bool) -> Course:
    """(a) and (b)."""
    import optuna

    from lrsearch.objectives.training import train
    from lrsearch.spaces import default_space

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    epochs, space, objective = EPOCHS[args.task], default_space("sgd", EPOCHS[args.task]), objective_of(args)
    data, recipe = objective.data("cpu" if loader else device()), as_written(objective.recipe())
    trained: list[int] = []
    complete: list[tuple[float, float, Any]] = []

    def run(trial: optuna.Trial) -> float:
        schedule = space.suggest(trial)
        if loader:
            losses = with_loader(recipe, data, schedule, epochs, device())
        else:
            measurements = train(recipe, data, schedule, epochs=epochs, seed=0, device=device())
            losses = (m.metrics["val_loss"] for m in measurements)
        loss = float("nan")
        for epoch, loss in enumerate(losses):
            trained.append(1)
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        if math.isfinite(loss):
            complete.append((time.time(), loss, schedule))
        return loss

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=args.seed), pruner=optuna.pruners.MedianPruner()
    )
    study.optimize(run, n_trials=args.trials, n_jobs=1 if loader else 2)
    return len(trained), complete


def ray_tune(args: argparse.Namespace) -> Course:
    """(c)."""
    import numpy as np
    from ray import init, tune
    from ray.tune.schedulers import ASHAScheduler

    from lrsearch.objectives.training import train
    from lrsearch.spaces import Schedule, default_space

    init(include_dashboard=False, log_to_driver=False)
    epochs = EPOCHS[args.task]
    schedules = default_space("sgd", epochs).sample(np.random.default_rng(args.seed), args.trials)
    place = argparse.Namespace(**vars(args) | {"data_dir": os.path.abspath(args.data_dir)})

    def run(config: dict[str, Any]) -> None:
        objective = objective_of(place)
        schedule = Schedule.from_dict(config["schedule"])
        data, recipe = objective.data(device()), as_written(objective.recipe())
        for m in train(recipe, data, schedule, epochs=epochs, seed=0, device=device()):
            tune.report({"val_loss": m.metrics["val_loss"], "epoch": m.epoch})

    tuner = tune.Tuner(
        run,
        param_space={"schedule": tune.grid_search([s.to_dict() for s in schedules])},
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            scheduler=ASHAScheduler(time_attr="epoch", max_t=epochs),
            reuse_actors=True,  # or every trial imports torch
        ),
        run_config=tune.RunConfig(verbose=0),
    )
    reports = [r.metrics for r in tuner.fit() if r.metrics]  # type: ignore[attr-defined]
    complete = [
        (float(m["timestamp"]), float(m["val_loss"]), Schedule.from_dict(m["config"]["schedule"]))
        for m in reports
        if m["epoch"] == epochs and math.isfinite(m["val_loss"])
    ]
    return sum(int(m["epoch"]) for m in reports), complete


def ours(args: argparse.Namespace, confirm: int) -> Course:
    """lrsearch with its report; the schedule that it names comes first."""
    import lrsearch

    with tempfile.TemporaryDirectory() as out:
        result = lrsearch.run(
            objective_of(args),
            budget=args.trials,
            epochs=EPOCHS[args.task],
            out=out,
            engine=args.engine,
            seed=args.seed,
            confirm=confirm,
            spend_all=True,
        )
        ends = [t.ended.timestamp() for t in result.trials if t.ended]
        busy = sum(sum(t.seconds) for t in result.trials) / (max(ends) - result.sessions[-1]["started"])
        print(f"{result.sessions[-1]['why']}; the device trains for {busy:.0%} of the search", file=sys.stderr)
        ranked = sorted(result.ranking, key=lambda t: t.number != result.best.number)
        complete = [(t.ended.timestamp(), t.value, t.schedule) for t in ranked if t.ended and t.value is not None]
        return sum(t.epochs for t in (*result.trials, *result.confirming)), complete


CONTENDERS = {
    "lrsearch": lambda args: ours(args, 0),
    "confirmed": lambda args: ours(args, 9),
    "a-plain": lambda args: optuna_study(args, loader=True),
    "b-tensors": lambda args: optuna_study(args, loader=False),
    "c-ray": ray_tune,
}


def once(args: argparse.Namespace) -> None:
    """Run one contender in this process and print its seconds, its epochs and its course."""
    import torch

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # its lazy imports, before the clock starts
    objective_of(args).data()
    begun = time.time()
    epochs, complete = CONTENDERS[args.once](args)
    timed = {"seconds": time.time() - begun, "epochs": epochs, "complete": [(t - begun, v) for t, v, _ in complete]}
    named = complete[0] if args.once in ("lrsearch", "confirmed") else min(complete, key=lambda c: c[1])
    print(json.dumps({**timed, "worth": worth(args, named[2])}))


def worth(args: argparse.Namespace, schedule: Any) -> float:
    """The mean final loss of a schedule on fresh seeds."""
    from lrsearch.objectives.lanes import Lanes

    if not args.fresh:
        return math.nan
    objective = objective_of(args)
    lanes = Lanes(objective.recipe(), objective.data(device()), device(), args.fresh)
    for seed in range(FRESH, FRESH + args.fresh):
        lanes.put(seed, schedule, seed=seed, epochs=EPOCHS[args.task])
    for _ in range(EPOCHS[args.task]):
        last = lanes.run_epoch()
    return statistics.fmean(m.metrics["val_loss"] for m in last.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=EPOCHS, default="digits-plain")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--subset", type=int, default=0)
    parser.add_argument("--fresh", type=int, default=16)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--contenders", default="lrsearch,a-plain,b-tensors")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        once(args)
        return
    names = args.contenders.split(",")
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(args.repeat):
        for name in names:
            words = [sys.executable, __file__, *sys.argv[1:], "--once", name, "--seed", str(seed)]
            out = subprocess.run(words, check=True, capture_output=True, text=True)
            run = json.loads(out.stdout.splitlines()[-1])
            rounds[name].append(run)
            why = out.stderr.strip().splitlines()[-1] if name in ("lrsearch", "confirmed") else ""
            shown = f"best {best(run):.4f}, on fresh seeds {run['worth']:.4f}"
            print(f"{name}: {run['seconds']:.1f} s, {run['epochs']} epochs, {shown} {why}", flush=True)
    print("| | s | epochs/s | best loss | on fresh seeds | s over the first's | over its s to that loss |")
    for name, runs in rounds.items():
        first, loss = rounds[names[0]], statistics.median(map(best, runs))
        pairs = list(zip(runs, first, strict=True))
        cells = (
            spread([run["seconds"] for run in runs], 1),
            spread([run["epochs"] / run["seconds"] for run in runs], 0),
            spread([best(run) for run in runs], 4),
            spread([run["worth"] for run in runs], 4),
            spread([run["seconds"] / other["seconds"] for run, other in pairs]),
            spread([run["seconds"] / until(other, loss) for run, other in pairs]),
        )
        print(f"| {name} |", " | ".join(cells), "|")


def best(run: dict[str, Any]) -> float:
    return min((value for _, value in run["complete"]), default=float("inf"))


def until(run: dict[str, Any], loss: float) -> float:
    """Seconds until a contender had a trial that good; infinite if it never had."""
    return min((seconds for seconds, value in run["complete"] if value <= loss), default=float("inf"))


def spread(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
