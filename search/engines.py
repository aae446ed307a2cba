"""Which way of running trials suits a job: one after another, in lanes of one batched model, or in processes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from joblib import cpu_count

from ..errors import InputError, unknown
from ..objectives import Objective, TensorObjective, device_count
from .watch import Terms

ENGINES = ("auto", "lanes", "processes", "single")
DEFAULT_ENGINE = "auto"
MAX_LANES = 64
ROUNDS = 3
"""A sampler proposes as many trials blindly as there are lanes; with fewer rounds than this it learns too little."""
WORTHWHILE = 1.2
"""An engine must be this many times as fast as trials one after another, since those let the sampler learn most."""
STARTUP = 10.0
"""Seconds that worker processes take to import torch and load the data."""


@dataclass(frozen=True)
class Engine:
    """The engine of a session.

    Attributes:
        name: What runs the trials.
        width: Lanes or processes side by side.
        why: Why this one, and what was measured, in a line.
    """

    name: Literal["lanes", "processes", "single", "cluster"]
    width: int
    why: str


def choose_engine(
    objective: Objective, terms: Terms, *, engine: str, jobs: int, trials: float, timeout: float | None = None
) -> Engine:
    """The engine that was asked for, or the fastest.

    Args:
        objective: What to train.
        terms: What all trials share.
        engine: One of `ENGINES`.
        jobs: Worker processes asked for; 0 for no wish.
        trials: How many full trials are left, about.
        timeout: Seconds after which a trial is to be ended, if any: only a process can be.

    Raises:
        InputError: The wishes contradict each other.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if timeout and engine in ("lanes", "single"):
        raise InputError(
            f"--trial-timeout needs --engine processes, got --engine {engine}: only a process can be ended."
        )
    if timeout and jobs < 2:
        return Engine("processes", jobs or device_count(terms.device), "a process can be ended at --trial-timeout")
    if jobs > 1 and engine in ("lanes", "single"):
        raise InputError(f"--jobs {jobs} needs --engine processes, got --engine {engine}.")
    devices = device_count(terms.device)
    if engine == "processes" or (engine == "auto" and (jobs > 1 or devices > 1)):
        width = jobs or (devices if terms.device.startswith("cuda") else cpu_count())
        return Engine("processes", width, f"{width} worker processes, as asked for" if jobs else f"{width} devices")
    if engine == "single" or jobs == 1:
        return Engine("single", 1, "one trial after another, as asked for")
    if not isinstance(objective, TensorObjective):
        if engine == "lanes":
            raise InputError("lanes need a job of tensors: a built-in task or a lrsearch.TensorTask.")
        return Engine("single", 1, "one trial after another: a generator trains one model at a time (see --jobs)")
    return _lanes(objective, terms, trials, asked=engine == "lanes")


def lanes_for(trials: float) -> int:
    """How many lanes suit a search of about so many trials: as many as fill equal rounds, three of them at least."""
    if trials < 2 * ROUNDS:
        return 1
    return min(MAX_LANES, math.ceil(trials / max(ROUNDS, math.ceil(trials / MAX_LANES))))


def _lanes(objective: TensorObjective, terms: Terms, trials: float, *, asked: bool) -> Engine:
    """Lanes if they are possible and, unless asked for, worth it; else processes if those are, or nothing."""
    from ..objectives.lanes import choose_lanes, supports_lanes

    recipe, data = objective.recipe(), objective.data(terms.device)
    lanes = lanes_for(trials)
    if lanes < 2:
        return Engine("single", 1, "one trial after another: too few trials for lanes")
    if reason := supports_lanes(recipe, data, terms.device):
        return _processes(objective, terms, trials, f"lanes are not possible ({reason})")
    choice = choose_lanes(recipe, data, terms.device, limit=lanes)
    gains = {n: speed / choice.speeds[1] for n, speed in choice.speeds.items() if n > 1}
    lanes = max((n for n, gain in gains.items() if gain >= WORTHWHILE), default=min(lanes, choice.limit))
    gain = gains.get(lanes, 0.0)
    measured = f"{lanes} lanes train {gain:.1f} times as many trials as one alone" if gain else "lanes are slow here"
    if asked or gain >= WORTHWHILE:
        return Engine("lanes", lanes, measured)
    return _processes(objective, terms, trials, measured)


def _processes(objective: TensorObjective, terms: Terms, trials: float, why: str) -> Engine:
    """Single-thread processes on a CPU, if they save more than they take to start."""
    import torch

    from ..objectives.lanes import choose_lanes

    threads = torch.get_num_threads()
    if terms.device != "cpu" or threads < 2:
        return Engine("single", 1, f"one trial after another: {why}")
    recipe, data = objective.recipe(), objective.data(terms.device)
    alone = choose_lanes(recipe, data, "cpu", limit=1).speeds[1]
    torch.set_num_threads(1)
    one_thread = choose_lanes(recipe, data, "cpu", limit=1).speeds[1]
    torch.set_num_threads(threads)
    gain = threads * one_thread / alone
    saved = trials * terms.epochs * recipe.steps(data) / alone * (1 - 1 / gain)
    measured = f"{why}; {threads} single-thread processes train {gain:.1f} times as many trials as one alone"
    if gain < WORTHWHILE or saved < STARTUP:
        return Engine("single", 1, f"one trial after another: {measured}")
    return Engine("processes", threads, measured)
