"""Whole searches against the script that tutorials show: trials a minute, and the time to its quality."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import optuna
import torch
from throughput import with_loader

from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.lanes.graph import SWITCH
from lrsearch.objectives.training import train
from lrsearch.search import Budget, Plan, search
from lrsearch.spaces import Schedule, default_space

from .context import Context
from .jobs import JOBS, Job

FRESH = range(1000, 1016)
"""Seeds that no search sees, for what a schedule is worth without the luck of its own."""
AIMS = {"digits-mlp": 50, "fashion-mlp": 50, "fashion-cnn": 10, "resnet18": 10}
"""How many times the plain script's trials a minute are aimed at on a GPU."""
CANDIDATES = 6
"""How many of a search's successive best schedules are trained on fresh seeds."""
SHARE = 0.55
"""How much of the time left the plain script may take; what it has by then counts."""


@dataclass
class Course:
    """A search.

    Attributes:
        trials: Trials that ended.
        epochs: Epochs trained.
        seconds: Its wall time.
        complete: Of every complete trial the seconds until its end, its final loss, its schedule.
    """

    trials: int = 0
    epochs: int = 0
    seconds: float = 0.0
    complete: list[tuple[float, float, Schedule]] = field(default_factory=list)

    def best(self) -> Schedule:
        """The schedule of the lowest final loss."""
        return min(self.complete, key=lambda c: c[1])[2]

    def improvements(self) -> list[tuple[float, Schedule]]:
        """Every schedule that was the best when its trial ended, and when that was."""
        better, lowest = [], math.inf
        for seconds, loss, schedule in sorted(self.complete, key=lambda c: c[0]):
            if loss < lowest:
                lowest = loss
                better.append((seconds, schedule))
        return better


def searches(name: str, bf16: bool, context: Context) -> None:
    """One search by lrsearch and one by the plain script, on one job; CUDA graphs are used where they are faster."""
    os.environ.setdefault(SWITCH, "auto")
    job = replace(JOBS[name](context.quick, context.data_dir), bf16=bf16)
    trials = 8 if context.quick else 60
    head = {"job": job.name, "data": job.data, "precision": "bf16" if bf16 else "fp32", "samples": len(job.train.y)}
    worth = _Worth(job, context.device, 2 if context.quick else len(FRESH))
    _warm_up(job, context.device)
    ours, why, busy, used = _ours(job, context, trials)
    row = {**head, "who": "lrsearch", **_counts(ours), "busy": busy, "gpu_used": used, "engine": why}
    context.add(row | {"fresh": worth(ours.best()) if ours.complete else None})
    plain = _plain(job, context, trials)
    target = worth(plain.best()) if plain.complete else None
    times = (ours.trials / ours.seconds) / (max(1, plain.trials) / plain.seconds)
    context.add({**head, "who": "plain script", **_counts(plain), "fresh": target, "times": times, "aim": AIMS[name]})
    until, why = _reached(ours, worth, target, context)
    sooner = plain.seconds / until if until else None
    context.add({**head, "who": "lrsearch", "until": until, "why": why, "times_sooner": sooner})


def _warm_up(job: Job, device: str) -> None:
    """An epoch of a few steps in either way, so that nobody pays for the device's start."""
    recipe, data = job.cut(2).on(device)
    next(train(recipe, data, Schedule("constant", 1e-3, 1), epochs=1, seed=0, device=device))
    lanes = Lanes(recipe, data, device, 2)
    lanes.put(0, Schedule("constant", 1e-3, 1), seed=0, epochs=1)
    lanes.run_epoch()


def _counts(course: Course) -> dict[str, float | None]:
    minutes = course.seconds / 60
    return {
        "trials": course.trials,
        "complete": len(course.complete),
        "epochs": course.epochs,
        "seconds": course.seconds,
        "trials_per_minute": course.trials / minutes,
        "best": min((loss for _, loss, _ in course.complete), default=None),
    }


def _ours(job: Job, context: Context, trials: int) -> tuple[Course, str, float, float | None]:
    """The search, why its engine, the share of its time in which lanes trained, the share that the card reports."""
    space = default_space(job.optimizer, job.epochs)
    with tempfile.TemporaryDirectory() as out, _watching(context) as used:
        budget = Budget.parse(str(trials))
        plan = Plan(job.objective(), space, budget, job.name, out, device=context.device, confirm=0, spend_all=True)
        begun = time.time()
        result = search(plan)
        seconds = time.time() - begun
    ended = [(t.ended.timestamp() - begun, t) for t in result.trials if t.ended]
    complete = [
        (at, t.value, t.schedule)
        for at, t in ended
        if t.outcome == "complete" and t.value is not None and t.schedule is not None
    ]
    trained = sum(sum(t.seconds) for t in result.trials)
    course = Course(len(ended), sum(t.epochs for t in result.trials), seconds, complete)
    return course, result.sessions[-1]["why"], trained / seconds, statistics.fmean(used) if used else None


def _plain(job: Job, context: Context, trials: int) -> Course:
    """`study.optimize` with a DataLoader, TPE and MedianPruner at their defaults."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space, objective, course = default_space(job.optimizer, job.epochs), job.objective(), Course()
    recipe, data = objective.recipe(), objective.data("cpu")
    begun, allowed = time.time(), SHARE * context.left()

    def run(trial: optuna.Trial) -> float:
        schedule, loss = space.suggest(trial), math.nan
        for epoch, loss in enumerate(with_loader(recipe, data, schedule, job.epochs, context.device)):
            course.epochs += 1
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        if math.isfinite(loss):
            course.complete.append((time.time() - begun, loss, schedule))
        return loss

    def count(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        course.trials += 1

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner())
    study.optimize(run, n_trials=trials, timeout=allowed, callbacks=[count])
    course.seconds = time.time() - begun
    return course


def _reached(course: Course, worth: _Worth, target: float | None, context: Context) -> tuple[float | None, str]:
    """Seconds until the search had a schedule that is as good on fresh seeds; None if it is not known, and why."""
    better = course.improvements()
    step = max(1, math.ceil(len(better) / CANDIDATES))
    for seconds, schedule in sorted({*better[::step], *better[-1:]}, key=lambda f: f[0]):
        if target is None:
            return None, "the plain script completed no trial in its time"
        if context.left() < 1:
            return None, "no time was left to find when it reached the plain script's quality"
        if worth(schedule) <= target:
            return seconds, ""
    return None, "it did not reach the plain script's quality on fresh seeds"


class _Worth:
    """The mean final loss of a schedule on fresh seeds, all at once."""

    def __init__(self, job: Job, device: str, seeds: int) -> None:
        self._job, self._device, self._seeds = job, device, FRESH[:seeds]
        self._known: dict[Schedule, float] = {}

    def __call__(self, schedule: Schedule) -> float:
        if schedule not in self._known:
            lanes = Lanes(*self._job.on(self._device), self._device, len(self._seeds))
            for seed in self._seeds:
                lanes.put(seed, schedule, seed=seed, epochs=self._job.epochs)
            for _ in range(self._job.epochs):
                last = lanes.run_epoch()
            self._known[schedule] = statistics.fmean(m.metrics["val_loss"] for m in last.values())
        return self._known[schedule]


@contextmanager
def _watching(context: Context) -> Iterator[list[float]]:
    """How busy the card says that it is, looked up now and then; nothing where it cannot say."""
    loads: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        try:
            while not stop.wait(0.2):
                loads.append(torch.cuda.utilization(context.device) / 100)
        except Exception:  # nvidia-ml-py is not there, or the driver refuses
            return

    thread = threading.Thread(target=watch, daemon=True)
    if context.cuda:
        thread.start()
    try:
        yield loads
    finally:
        stop.set()
        if context.cuda:
            thread.join(timeout=5)
