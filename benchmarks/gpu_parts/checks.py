"""What must be true of lanes on a device. Each check returns what it found in a line, and raises what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lrsearch.objectives import Measurement
from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.lanes.model import LaneModel
from lrsearch.objectives.lanes.speed import memory_per_lane
from lrsearch.objectives.training import train
from lrsearch.spaces import Schedule

from .context import Context
from .jobs import JOBS, Job

STEPS = 4
LR = {"sgd": 3e-4, "adamw": 1e-5}
"""Rates at which rounding does not grow: batch norm over few samples blows it up at large ones."""
RELATIVE = {False: 1e-3, True: 5e-2}
"""How far a lane's losses may lie from those of the trial alone, in float32 and in bfloat16."""
SAME = 1e-5
"""How far a graph's losses may lie from those of the same kernels launched one by one."""
Found = dict[int, list[Measurement]]


def checks(context: Context) -> None:
    """Run every check, as far as time allows."""
    torch.backends.cudnn.allow_tf32 = False  # or convolutions alone and in lanes round differently
    for name, check in every(context):
        begun = time.time()
        if context.left() < 2:
            context.add({"check": name, "state": "cut off", "found": "no time was left"})
            continue
        try:
            state, said = "passed", check(context)
        except AssertionError as error:
            state, said = "FAILED", str(error)
        except Exception as error:  # one check that breaks must not hide the others
            state, said = "FAILED", " ".join(f"{type(error).__name__}: {error}".split())[:300]
        if said.startswith("left out"):
            state = "left out"
        context.add({"check": name, "state": state, "found": said, "seconds": time.time() - begun})


def every(context: Context) -> Iterator[tuple[str, Callable[[Context], str]]]:
    """The checks by name, the most telling first."""
    names = [n for n in JOBS if n != "fashion-mlp"]
    kinds = [("sgd", False), ("adamw", False), ("sgd", True), ("adamw", True)]
    if not context.cuda:
        kinds = kinds[:2]
    for optimizer, bf16 in kinds:
        for name in names:
            words = f"{name}, {optimizer}, {'bf16' if bf16 else 'fp32'}"
            yield f"a lane gives the losses of the trial alone: {words}", partial(lane_is_alone, name, optimizer, bf16)
            if optimizer == "sgd":
                yield f"a graph gives the losses of single launches: {words}", partial(graph_is_eager, name, bf16)
    yield "dropout masks differ between lanes and steps", masks_differ
    yield "a dropped lane's rows go to the next trial", refill
    yield "out of memory halves the lanes and loses no trial", out_of_memory
    yield "equal seeds give equal results", equal_twice
    for name in ("fashion-cnn", "resnet18"):
        yield f"lanes take the memory that was foreseen: {name}", partial(memory_as_foreseen, name)


def small(context: Context, name: str, optimizer: str = "", bf16: bool = False) -> Job:
    """A job of a few steps."""
    job = JOBS[name](context.quick, context.data_dir).cut(STEPS)
    return replace(job, optimizer=optimizer or job.optimizer, bf16=bf16)


def trials(lr: float) -> list[tuple[Schedule, int]]:
    """Schedules and seeds: another rate, interval, horizon and seed each."""
    return [
        (Schedule("cosine", lr, 2, warmup=1), 0),
        (Schedule("exp", 3 * lr, 2, {"gamma": 0.3}, interval="epoch"), 0),
        (Schedule("linear", 2 * lr, 4), 1),
    ]


def run(lanes: Lanes, given: Sequence[tuple[Schedule, int]], epochs: int = 2) -> Found:
    """Every trial to its end, one more put in after each epoch."""
    waiting = list(enumerate(given))
    measured: Found = {number: [] for number, _ in waiting}
    while waiting or len(lanes):
        if waiting and lanes.room:
            number, (schedule, seed) = waiting.pop(0)
            lanes.put(number, schedule, seed=seed, epochs=epochs)
        for number, measurement in lanes.run_epoch().items():
            measured[number].append(measurement)
    return measured


def apart(one: Found, other: Found) -> float:
    """The largest relative difference between losses; infinite if one is not a number."""
    worst = 0.0
    for number, measurements in one.items():
        for a, b in zip(measurements, other[number], strict=True):
            for name in ("train_loss", "val_loss"):
                x, y = a.metrics[name], b.metrics[name]
                difference = abs(x - y) / max(abs(x), 1e-9)
                worst = max(worst, difference if difference == difference else float("inf"))
    return worst


def lane_is_alone(name: str, optimizer: str, bf16: bool, context: Context) -> str:
    job = small(context, name, optimizer, bf16)
    recipe, data = job.on(context.device)
    given = trials(LR[optimizer])
    together = run(Lanes(recipe, data, context.device, 2), given)
    alone = {
        n: list(train(recipe, data, schedule, epochs=2, seed=seed, device=context.device))
        for n, (schedule, seed) in enumerate(given)
    }
    return _near(apart(alone, together), RELATIVE[bf16])


def graph_is_eager(name: str, bf16: bool, context: Context) -> str:
    if not context.cuda:
        return "left out: needs CUDA"
    recipe, data = small(context, name, "sgd", bf16).on(context.device)
    eager, graph = (run(Lanes(recipe, data, context.device, 2, graph=g), trials(LR["sgd"])) for g in (False, True))
    return _near(apart(eager, graph), RELATIVE[True] if bf16 else SAME)


def masks_differ(context: Context) -> str:
    """Two lanes of one seed on one sample repeated: without masks of their own, all losses would be equal."""
    job = small(context, "digits-mlp")
    model = partial(_dropping, job.model)
    job = replace(job, model=model, train=replace(job.train, x=job.train.x[:1].expand_as(job.train.x).clone()))
    job = replace(job, train=replace(job.train, y=job.train.y[:1].expand_as(job.train.y).clone()))
    recipe, data = job.on(context.device)
    lanes = Lanes(recipe, data, context.device, 2, graph=context.cuda)
    for number in range(2):
        lanes.put(number, Schedule("constant", 1e-12, 2), seed=0, epochs=2)
    losses = [m.metrics["train_loss"] for _ in range(2) for m in lanes.run_epoch().values()]
    assert len(set(losses)) == 4, f"losses of two lanes in two epochs are {losses}"
    return f"four losses of four masks{' inside a graph' if context.cuda else ''}"


def refill(context: Context) -> str:
    """A trial that takes over a lane gives what it gives alone, and nothing is captured again for it."""
    recipe, data = small(context, "digits-mlp").on(context.device)
    schedule = Schedule("cosine", 1e-2, 3)
    lanes = Lanes(recipe, data, context.device, 2, graph=context.cuda)
    lanes.put(0, schedule, seed=0, epochs=3)
    lanes.put(1, schedule.rescaled(0.5), seed=1, epochs=3)
    lanes.run_epoch()
    lanes.drop(1)
    lanes.put(2, schedule, seed=2, epochs=2)
    second, third = lanes.run_epoch(), lanes.run_epoch()
    alone = list(train(recipe, data, schedule, epochs=2, seed=2, device=context.device))
    return _near(apart({2: alone}, {2: [second[2], third[2]]}), RELATIVE[False])


def equal_twice(context: Context) -> str:
    said = []
    for name in ("digits-mlp", "fashion-cnn"):
        recipe, data = small(context, name).on(context.device)
        first, second = (run(Lanes(recipe, data, context.device, 2, graph=context.cuda), trials(1e-3)) for _ in "ab")
        worst = apart(first, second)
        assert worst == 0 or name != "digits-mlp", f"{name}: two runs are {worst:.1e} apart"
        said.append(f"{name} {'exactly' if worst == 0 else f'but for {worst:.1e}'}")
    return ", ".join(said)


def out_of_memory(context: Context) -> str:
    """On CUDA with a cap on the process's memory; elsewhere the error is raised by hand."""
    lanes, given = 16, [(Schedule("cosine", 1e-3 * (n + 1), 2), n % 2) for n in range(16)]
    recipe, data = small(context, "fashion-cnn" if context.cuda else "digits-mlp").on(context.device)
    with _memory_for(context, partial(Lanes, recipe, data, context.device), lanes // 2 - 1):
        pool = Lanes(recipe, data, context.device, lanes, graph=context.cuda)
        for number, (schedule, seed) in enumerate(given):
            pool.put(number, schedule, seed=seed, epochs=2)
        epochs = [pool.run_epoch(), pool.run_epoch()]
    assert pool.capacity < lanes, f"{lanes} lanes went on, the cap on memory did not bite"
    assert all(len(f) == lanes for f in epochs), f"of {lanes} trials {[len(f) for f in epochs]} were measured"
    schedule, seed = given[-1]
    alone = list(train(recipe, data, schedule, epochs=2, seed=seed, device=context.device))
    worst = _near(apart({0: alone}, {0: [f[lanes - 1] for f in epochs]}), 10 * RELATIVE[False])
    return f"{lanes} lanes became {pool.capacity}; {worst}{'' if context.cuda else ' (error raised by hand)'}"


def memory_as_foreseen(name: str, context: Context) -> str:
    """A large part of the card's free memory is given to lanes, by the forecast that `auto` uses."""
    if not context.cuda:
        return "left out: needs CUDA"
    recipe, data = small(context, name).cut(2).on(context.device)
    each = memory_per_lane(recipe, data, context.device)
    lanes = max(2, min(256, int(0.5 * torch.cuda.mem_get_info(context.device)[0] / each)))
    torch.cuda.reset_peak_memory_stats(context.device)
    before = torch.cuda.memory_allocated(context.device)
    pool = Lanes(recipe, data, context.device, lanes)
    for number in range(lanes):
        pool.put(number, Schedule("constant", 1e-3, 1), seed=0, epochs=1)
    pool.run_epoch()
    used = torch.cuda.max_memory_allocated(context.device) - before
    said = f"{lanes} lanes took {used / 2**30:.2f} GiB, foreseen were {lanes * each / 2**30:.2f}"
    assert pool.capacity == lanes, f"out of memory at half of what is free: {said}"
    assert 0.7 < used / (lanes * each) < 1.3, said
    return said


def _near(worst: float, allowed: float) -> str:
    assert worst <= allowed, f"losses are {worst:.1e} apart, {allowed:.0e} is allowed"
    return f"losses at most {worst:.1e} apart"


def _dropping(model: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Dropout(0.5), model())


@contextmanager
def _memory_for(context: Context, make: Callable[[int], Lanes], lanes: int) -> Iterator[None]:
    """Let so many lanes fit into memory, about, and no more."""
    if not context.cuda:
        with _failing_above(lanes):
            yield
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(context.device)
    pool = make(lanes)
    for number in range(lanes):
        pool.put(number, Schedule("constant", 1e-3, 1), seed=0, epochs=1)
    pool.run_epoch()
    peak, total = torch.cuda.max_memory_reserved(context.device), torch.cuda.mem_get_info(context.device)[1]
    del pool
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.2 * peak / total, context.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, context.device)


@contextmanager
def _failing_above(lanes: int) -> Iterator[None]:
    real = LaneModel.train_step

    def step(self: LaneModel, state: Any, x: Tensor, y: Tensor, factors: Tensor, *, shared: bool) -> Tensor:
        losses = real(self, state, x, y, factors, shared=shared)
        if factors.shape[-1] > lanes:
            raise torch.OutOfMemoryError("more lanes than are allowed here")
        return losses

    LaneModel.train_step = step  # type: ignore[method-assign]
    try:
        yield
    finally:
        LaneModel.train_step = real  # type: ignore[method-assign]
