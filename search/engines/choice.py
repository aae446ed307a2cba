"""Which way of running trials suits a job: one after another, in lanes of one batched model, or in processes."""

from __future__ import annotations

import math
from dataclasses import replace
from operator import itemgetter
from typing import Literal

from joblib import cpu_count

from ...errors import InputError, unknown
from ...objectives import Command, Objective, TensorObjective, device_count
from ...options import ENGINES
from ..trial.settings import Terms
from .engine import Engine

MAX_LANES = 64
ROUNDS = 3
"""A sampler proposes as many trials blindly as there are lanes; with fewer rounds than this it learns too little."""
WORTHWHILE = 1.1
"""Trials side by side must be worth this many times as much as one after another, see `worth`."""
ABOUT = 0.85
"""Lanes worth this share of the best number's are as good; then the most are taken, or noise would choose."""
STARTUP_S = 10.0
"""Seconds that worker processes take to import torch and load the data."""


Option = tuple[float, Engine]
"""What an engine is worth, and the engine."""


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
        width = jobs or (1 if isinstance(objective, Command) else device_count(terms.device))
        return Engine("processes", width, "a process can be ended at --trial-timeout")
    if jobs > 1 and engine in ("lanes", "single"):
        raise InputError(f"--jobs {jobs} needs --engine processes, got --engine {engine}.")
    devices = 1 if isinstance(objective, Command) else device_count(terms.device)  # it may use all of them
    if engine == "processes" or (engine == "auto" and (jobs > 1 or devices > 1)):
        width = jobs or (devices if terms.device.startswith("cuda") else cpu_count())
        return Engine("processes", width, "as asked for" if jobs else f"one for each of {width} devices")
    if engine == "single" or jobs == 1:
        return Engine("single", 1, "as asked for")
    if not isinstance(objective, TensorObjective):
        if engine == "lanes":
            raise InputError("lanes need a job of tensors: a built-in task or a lrsearch.TensorTask.")
        if isinstance(objective, Command):
            return Engine("single", 1, "a command may use the whole machine; --jobs N starts N at a time")
        return Engine("single", 1, "a job of your own trains one model at a time; --jobs N uses N processes")
    return _launched(_measured(objective, terms, trials, asked=engine == "lanes"), objective, terms)


def widths_for(trials: float) -> list[int]:
    """Numbers of lanes for a search of about this many trials: they fill three equal rounds of it, six, or twelve."""
    if trials < 2 * ROUNDS:
        return []
    rounds = max(ROUNDS, math.ceil(trials / MAX_LANES))
    return sorted({math.ceil(trials / (rounds * times)) for times in (4, 2, 1)} - {1})


def worth(gain: float, width: int, trials: float) -> float:
    """What trials side by side are worth, in the same wall time, against trials one after another.

    Those that begin at once cannot learn from each other, as if all but one of the first ones were missing. On the mean
    of five tasks, 8 at a time found in 25 what 18 found one after another.

    Args:
        gain: How many times as many trials train in a time.
        width: Trials at a time.
        trials: Trials of the search.
    """
    return gain * max(0.0, 1 - (width - 1) / trials)


def _measured(objective: TensorObjective, terms: Terms, trials: float, *, asked: bool) -> Engine:
    """What is worth most: lanes, processes of a core each, or neither; lanes if they are asked for and possible."""
    import torch

    from ...objectives.lanes import crowd_speed, lane_speeds, part_of, supports_lanes

    recipe, data, widths = objective.recipe(), objective.data(terms.device), widths_for(trials)
    if not widths:
        return Engine("single", 1, "too few trials to train several at once")
    reason = supports_lanes(recipe, data, terms.device)
    if asked and not reason:
        return Engine("lanes", widths[-1], "as asked for")
    part = part_of(recipe, data, terms.device)
    speeds = lane_speeds(recipe, part, terms.device, () if reason else widths)
    alone, single = speeds[1].epochs, Engine("single", 1, "", threads=speeds[1].threads)
    seconds = trials * terms.epochs * recipe.steps(data) / recipe.steps(part) / alone

    def option(
        name: Literal["lanes", "processes"], width: int, speed: float, threads: int, late: float = 0.0
    ) -> Option:
        """What it is worth in `seconds`, of which it loses `late` at the start."""
        speed = min(speed, width * alone)  # more is noise
        why = f"{width} {name} are {speed / alone:.1f} times as fast as one trial at a time"
        gain = seconds / (seconds * alone / speed + late)
        return worth(gain, width, trials), Engine(name, width, why, threads=threads)

    lanes = [option("lanes", n, speed.epochs, speed.threads) for n, speed in sorted(speeds.items()) if n > 1]
    options = [o for o in lanes if o[0] >= ABOUT * max(gain for gain, _ in lanes)][-1:]
    cores = torch.get_num_threads() if terms.device == "cpu" else 1
    at_best, _ = option("processes", cores, cores * alone, 0, STARTUP_S)
    if at_best > max([WORTHWHILE, *(gain for gain, _ in options)]):
        options.append(option("processes", cores, crowd_speed(recipe, part, cores), 0, STARTUP_S))
    told = [f"lanes are not possible ({reason})"] * bool(reason) + [engine.why for _, engine in options]
    why = "; ".join(told) or "lanes are slow here"
    gain, engine = max(options, key=itemgetter(0), default=(0.0, single))
    return replace(engine if gain >= WORTHWHILE else single, why=why)


def _launched(engine: Engine, objective: TensorObjective, terms: Terms) -> Engine:
    """The engine with its step as a CUDA graph where that pays, and why or why not."""
    if engine.name != "lanes":
        return engine
    from ...objectives.lanes import choose_graph

    recipe, data = objective.recipe(), objective.data(terms.device)
    graph, said = choose_graph(recipe, data, terms.device, engine.width)
    return replace(engine, graph=graph, why="; ".join(filter(None, [engine.why, said])))
