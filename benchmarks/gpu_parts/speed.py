"""Epochs a second by number of lanes, precision and way of launching, and what bounds them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch

from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.lanes.graph import StepGraph
from lrsearch.objectives.training import train
from lrsearch.spaces import Schedule

from .context import Context
from .cost import Card, Cost, measure_card, measure_cost
from .fused import FusedStep
from .jobs import JOBS, Job

WIDTHS = (1, 4, 16, 64, 256)
COMPILED = 16
"""Lanes of the compiled step; every number is compiled anew."""
COUNTED = 4
"""Lanes of the epoch whose operations are counted."""
AIM = 0.4
"""Seconds of a measured epoch, about."""
MOST, LEAST = 40, 2
"""Steps of a measured epoch."""
EPOCHS = 20
"""Epochs that no measurement reaches."""
GENTLE = Schedule("constant", 1e-3, EPOCHS)


def machine(context: Context) -> None:
    """What the card can do."""
    facts: dict[str, Any] = {
        "torch": torch.__version__,
        "device": context.device,
        "card": asdict(measure_card(context)),
    }
    if context.cuda:
        card = torch.cuda.get_device_properties(context.device)
        facts |= {"name": card.name, "memory": card.total_memory, "cuda": torch.version.cuda}
    context.add(facts)


def speeds(context: Context) -> None:
    """One row for every job, precision, way and number of lanes that time allows."""
    card = measure_card(context)
    names = ("digits-mlp",) if context.quick else tuple(JOBS)
    for bf16 in (False, True):
        for name in names:
            job = replace(JOBS[name](context.quick, context.data_dir), bf16=bf16)
            _job(context, job, card)


def compiled(context: Context) -> None:
    """The step of some lanes under `torch.compile`, for every job that time allows."""
    for name in ("digits-mlp",) if context.quick else JOBS:
        job = JOBS[name](context.quick, context.data_dir).cut(8)
        for graph in (False, True) if context.cuda else (False,):
            try:
                _compiled(context, job, graph=graph)
            except Exception as error:  # whatever a compiler may not like
                way = "compiled, graph" if graph else "compiled"
                context.add(_row(job, way, COMPILED) | {"left_out": _told(error)})


def _job(context: Context, job: Job, card: Card) -> None:
    if context.left() < 3:
        context.add(_row(job, "all", 0) | {"left_out": "no time was left"})
        return
    full = len(job.train.y) // job.batch_size
    plain = _alone(context, job)
    cost = measure_cost(job.cut(LEAST), COUNTED, context.device)
    context.add(_row(job, "plain loop", 1) | {"steps_per_s": plain, "epochs_per_s": plain / full})
    best = plain
    for lanes in WIDTHS[:2] if context.quick else WIDTHS:
        for graph in (False, True) if context.cuda else (False,):
            way = "graph" if graph else "eager"
            if lanes * LEAST * 3 / best > context.left() - 1:
                context.add(_row(job, way, lanes) | {"left_out": "would take too long"})
                continue
            try:
                rate, width = _lanes(context, job, lanes, best, graph=graph)
            except RuntimeError as error:
                context.add(_row(job, way, lanes) | {"left_out": _told(error)})
                continue
            best = max(best, rate)
            row = {"steps_per_s": rate, "epochs_per_s": rate / full, "times": rate / plain, "fit": width}
            context.add(_row(job, way, lanes) | row | bounds(cost, card, job, width, rate, graph=graph))


def bounds(cost: Cost, card: Card, job: Job, lanes: int, rate: float, *, graph: bool) -> dict[str, object]:
    """What a step reaches of the card, and which of three costs would take longest if it alone counted.

    Args:
        cost: Of an epoch of `LEAST` steps.
        card: What the card reaches.
        job: Says the precision.
        lanes: Lanes at once.
        rate: Steps a second of all lanes together.
        graph: Whether a step is one launch.
    """
    epochs = rate / LEAST
    peak = card.bf16 if job.bf16 else card.fp32
    costs = {
        "launches": 0.0 if graph else cost.launches * card.launch / lanes,
        "memory": cost.bytes / card.bandwidth,
        "arithmetic": cost.flops / peak,
    }
    shares = {f"{name}_share": seconds * epochs for name, seconds in costs.items()}
    achieved = {"flops_per_s": cost.flops * epochs, "bytes_per_s": cost.bytes * epochs}
    return achieved | shares | {"bound": max(costs, key=costs.__getitem__)}


def _row(job: Job, way: str, lanes: int) -> dict[str, object]:
    return {"job": job.name, "data": job.data, "precision": "bf16" if job.bf16 else "fp32", "way": way, "lanes": lanes}


def _steps(rate: float, lanes: int) -> int:
    """Steps of an epoch that takes about `AIM`."""
    return max(LEAST, min(MOST, round(AIM * rate / lanes)))


def _alone(context: Context, job: Job) -> float:
    """Steps a second of the plain loop."""
    first = _rate(context, _epochs_alone(job.cut(LEAST), context.device), LEAST)
    part = job.cut(_steps(first, 1))
    return _rate(context, _epochs_alone(part, context.device), len(part.train.y) // part.batch_size)


def _lanes(context: Context, job: Job, lanes: int, best: float, *, graph: bool) -> tuple[float, int]:
    """Steps a second of all lanes together, and how many of them memory allowed at once."""
    part = job.cut(_steps(best, lanes))
    pool = _filled(part, context.device, lanes, graph=graph)
    steps = len(part.train.y) // part.batch_size
    rate = _rate(context, _epochs(pool), steps * lanes)
    width = pool.capacity
    del pool
    if context.cuda:
        torch.cuda.empty_cache()
    return rate, width


def _compiled(context: Context, job: Job, *, graph: bool) -> None:
    """Against the same lanes with each operation launched; `graph` captures the compiled step."""
    lanes, backend = (4, "aot_eager") if context.quick else (COMPILED, "inductor")
    pool, eager = (_filled(job, context.device, lanes) for _ in range(2))
    step: Any = FusedStep(pool._model, backend)
    pool._graph = StepGraph(step) if graph else step
    begun = time.perf_counter()
    measured, expected = pool.run_epoch(), eager.run_epoch()
    cold = time.perf_counter() - begun
    worst = max(abs(m.metrics["train_loss"] / expected[n].metrics["train_loss"] - 1) for n, m in measured.items())
    steps = len(job.train.y) // job.batch_size
    rate, launched = (_rate(context, _epochs(p), steps * lanes) for p in (pool, eager))
    row = {"steps_per_s": rate, "over_eager": rate / launched, "first_epoch_s": cold, "apart": worst}
    context.add(_row(job, f"compiled ({backend})" + ", graph" * graph, lanes) | row)


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _rate(context: Context, epochs: Iterator[float], steps: int) -> float:
    """Steps a second, from the median of a few epochs after the first."""
    next(epochs)
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < 3 * AIM and (not seconds or context.left() > 1):
        seconds.append(next(epochs))
    return steps / statistics.median(seconds)


def _filled(job: Job, device: str, lanes: int, *, graph: bool = False) -> Lanes:
    pool = Lanes(*job.on(device), device, lanes, graph=graph)
    for number in range(lanes):
        pool.put(number, GENTLE, seed=0, epochs=EPOCHS)
    return pool


def _epochs(pool: Lanes) -> Iterator[float]:
    """Seconds of one epoch of all lanes after another."""
    while True:
        yield sum(m.seconds for m in pool.run_epoch().values())


def _epochs_alone(job: Job, device: str) -> Iterator[float]:
    recipe, data = job.on(device)
    training = partial(train, recipe, data, GENTLE, epochs=EPOCHS, seed=0, device=device)
    return (m.seconds for m in training())
