"""Made-up searches for the tests of the report: any size, any odd shape, no training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from lrsearch.search import Confirmation, Outcome, SearchResult, TrialRecord
from lrsearch.search.finals.baselines import baselines
from lrsearch.search.notes.contest import Contest, Look
from lrsearch.spaces import Schedule, ScheduleSpace, default_space, space_to_dict

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def made_result(
    n: int = 30,
    *,
    epochs: int = 10,
    name: str = "made",
    metric: str = "val_loss",
    maximize: bool = False,
    space: ScheduleSpace | None = None,
    seed: int = 0,
    pruned: float = 0.3,
    wall: float = 0.6,
    **changes: Any,
) -> SearchResult:
    """A search of `n` trials whose loss has its minimum near base_lr 0.1 and diverges above `wall`."""
    space = space or default_space("sgd", epochs)
    rng = np.random.default_rng(seed)
    known = baselines(space)
    schedules = [*known.values(), *space.sample(rng, max(0, n - len(known)))][:n]
    titles = [*known, *[""] * n]
    trials = []
    for i, schedule in enumerate(schedules):
        outcome: Outcome = "diverged" if schedule.base_lr > wall else "complete"
        if outcome == "complete" and not titles[i] and rng.random() < pruned:
            outcome = "pruned"
        trials.append(made_trial(i, schedule, outcome, space, metric, maximize, titles[i]))
    settings = {
        "objective": "made",
        "metric": metric,
        "maximize": maximize,
        "epochs": epochs,
        "seed": seed,
        "space": space_to_dict(space),
    }
    session = {
        "command": "lrsearch run made --budget 30",
        "started": START.timestamp(),
        "budget": f"{n} trials",
        "versions": {"torch": "2.13.0", "optuna": "5.0.0"},
    }
    return replace(SearchResult(name, settings, (session,), tuple(trials)), **changes)


def made_trial(
    number: int,
    schedule: Schedule,
    outcome: Outcome = "complete",
    space: ScheduleSpace | None = None,
    metric: str = "val_loss",
    maximize: bool = False,
    baseline: str = "",
    **changes: Any,
) -> TrialRecord:
    """One trial with smooth curves; its final loss depends on log base_lr and on the last rate."""
    total = int(schedule.horizon)
    trained = {"complete": total, "pruned": max(1, total // 3), "diverged": 2}.get(outcome, 1)
    final = 0.2 + 0.1 * (np.log10(schedule.base_lr) + 1) ** 2 + 0.01 * (number * 7919 % 13) / 13
    loss = final + 2.0 * np.exp(-5.0 * np.arange(1, total + 1) / total)
    metrics: dict[str, tuple[float, ...]] = {
        "train_loss": tuple((0.8 * loss)[:trained].tolist()),
        "val_loss": tuple(loss[:trained].tolist()),
    }
    if metric not in metrics:
        metrics[metric] = tuple((1 / (1 + loss))[:trained].tolist())
    value: float | None = metrics[metric][-1]
    if outcome == "diverged":
        metrics = {k: (*v[:-1], float("nan")) for k, v in metrics.items()}
        value = -np.inf if maximize else np.inf
    steps = 20
    params: Mapping[str, Any] = space.params(schedule) if space else {"base_lr": schedule.base_lr}
    begin = START + timedelta(seconds=number)
    record = TrialRecord(
        number=number,
        outcome=outcome,
        schedule=schedule,
        value=value if outcome in ("complete", "pruned", "diverged") else None,
        metrics=metrics,
        lr=tuple(schedule.curve(steps)[steps - 1 :: steps][:trained].tolist()),
        seconds=(0.1,) * trained,
        params=params,
        baseline=baseline or None,
        reason={"diverged": "val_loss was nan after epoch 2", "pruned": f"pruned after epoch {trained}"}.get(
            outcome, ""
        ),
        started=begin,
        ended=begin + timedelta(seconds=0.9),
        steps_per_epoch=steps,
        device="cpu",
        worker=1,
    )
    return replace(record, **changes)


def lr_trial(number: int, base_lr: float, **changes: Any) -> TrialRecord:
    """A trial of a plain exponential schedule."""
    return made_trial(number, Schedule("exp", base_lr, 10), **changes)


def only(*trials: TrialRecord, **changes: Any) -> SearchResult:
    """A search with just these trials."""
    return made_result(3, trials=trials, **changes)


def resumed() -> SearchResult:
    """A search of two sessions a day apart."""
    made, day = made_result(20), timedelta(days=1)
    moved = [replace(t, started=t.started + day, ended=t.ended + day) for t in made.trials if t.started and t.ended]
    second = {**made.sessions[0], "started": (START + day).timestamp(), "command": "lrsearch run made --budget 60"}
    return replace(made, trials=(*made.trials[:10], *moved[10:]), sessions=(made.sessions[0], second))


def confirmed(diverged: int = 0) -> SearchResult:
    """A search whose winner was judged against the first baseline on six fresh seeds, with some runs of it diverged."""
    made = made_result(40)
    best, rival = made.best.number, made.baselines[0].number
    contest = Contest(40, (best,), (rival,), (), (), tuple(range(101, 107)), (Look(3, 0.01), Look(6, 0.04)))
    runs: list[TrialRecord] = []
    for seed in contest.judging:
        for trial in (best, rival):
            value = 0.2 + 0.1 * (trial == rival) + 0.01 * (seed % 5)
            breaks = trial == rival and seed < 101 + diverged
            ends: dict[str, Any] = {"outcome": "diverged", "value": np.inf} if breaks else {"value": value}
            run = {"number": len(runs), "seed": seed, "confirms": trial, "test": {"test_loss": value + 0.1}, **ends}
            runs.append(replace(made.trials[trial], **run))
    return replace(made, confirmation=Confirmation(contest, tuple(runs), made.maximize))


def contested(
    gap: float = 0.0,
    *,
    noise: float = 0.01,
    test_gap: float = 0.0,
    seeds: int = 9,
    maximize: bool = False,
) -> SearchResult:
    """A search whose lowest trial, finalist and best baseline are three, judged on fresh seeds.

    Args:
        gap: By how much the finalist does better than the baseline, on the average: 0 gives "not distinguishable" and
            recommends the baseline, 0.05 is better and recommends the finalist, -0.05 is worse.
        noise: Spread of the paired differences.
        test_gap: By how much the finalist's test_loss is lower.
        seeds: How many seeds judge.
        maximize: Rank by val_accuracy.
    """
    made = made_result(40, metric="val_accuracy" if maximize else "val_loss", maximize=maximize)
    lowest, finalist = [t.number for t in made.ranking if not t.baseline][:2]
    rivals = tuple(t.number for t in made.baselines[:2])
    looks = (Look(seeds, 0.05),)
    contest = Contest(40, (lowest, finalist), rivals, (), (1, 2), tuple(range(3, 3 + seeds)), looks)
    quality = {finalist: gap, lowest: -0.1, rivals[0]: 0.0, rivals[1]: -0.1}
    runs: list[TrialRecord] = []
    for seed in (*contest.choosing, *contest.judging):
        for trial, better in quality.items():
            if seed in contest.choosing or trial in (finalist, rivals[0]):
                swing = noise if seed in contest.judging else 0.0
                runs.append(_fresh_run(made, len(runs), trial, seed, better, swing, test_gap * (trial == finalist)))
    return replace(made, confirmation=Confirmation(contest, tuple(runs), maximize))


def _fresh_run(
    made: SearchResult, number: int, trial: int, seed: int, better: float, noise: float, test_better: float
) -> TrialRecord:
    """A trial's run on a fresh seed, better by so much than 0.5 but for noise."""
    record, sign = made.trials[trial], 1 if made.maximize else -1
    swing = noise * ((seed * 7 + trial * 3) % 5 - 2) / 2
    value = 0.5 + 0.02 * (seed % 3 - 1) + sign * better + swing
    shift = value - record.metrics[made.metric][-1]
    curve = tuple(v + shift for v in record.metrics[made.metric])
    test = {"test_loss": 0.6 + swing - test_better, "test_accuracy": 0.9}
    return replace(
        record,
        number=number,
        seed=seed,
        confirms=trial,
        value=value,
        metrics={**record.metrics, made.metric: curve},
        test=test,
    )
