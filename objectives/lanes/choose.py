"""Whether a job can train in lanes, and how fast; what processes would do."""

from __future__ import annotations

import copy
import math
import os
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import torch

from ...errors import InputError
from ...spaces import Schedule
from ..objective import Measurement
from ..training import Recipe, Split, Splits, train
from .graph import CHOICES, SWITCH, graphs_possible
from .lanes import Lanes

CPU_LANES = 64
MEMORY_SHARE = 0.8
"""How much of the free memory lanes may take; the rest is for fragments and evaluation."""
FEWEST_EPOCHS = 3
"""Epochs of a measurement at least, besides one to warm up; the median of their seconds counts."""
EPOCH_S = 0.02
"""Seconds of a measured epoch, about."""
ENOUGH_S = 0.1
"""Seconds after which a measurement ends, if it has so many epochs."""
MOST_S = 5.0
"""Seconds that one measurement may take; what needs longer keeps the device busy with fewer lanes."""
MANY_EPOCHS = 1000
"""Epochs that no measurement reaches."""
GRAPH_GAIN = 1.05
"""How many times as fast a graph must be."""
TOLERANCE = 1e-3
"""Relative difference that rounding may make within the two steps of the check; bfloat16 gets 50 times as much."""


def supports_lanes(recipe: Recipe, data: Splits, device: str) -> str:
    """Why a job cannot train in lanes, in one line; empty if it can.

    Two steps on a small batch are made in two lanes and alone, and must agree, unless the model has random layers.
    """
    size = min(recipe.batch_size, 8)
    small, few = replace(recipe, batch_size=size), _few(data, 2 * size, size)
    try:
        alone = [_alone(small, few, lr, device) for lr in (1e-3, 1e-2)]
    except Exception:  # the check before the first trial says what is wrong with the job itself
        return ""
    try:
        together = _together(small, few, device)
    except Exception as error:  # whatever vmap, the model or the loss raises
        return _told(error)
    if _is_random(recipe, few.train, device):
        return ""
    name, x, y = _difference(alone, together, recipe)
    return f"a lane's {name} is {y:.6g} where the trial alone has {x:.6g}" if name else ""


def choose_graph(recipe: Recipe, data: Splits, device: str, lanes: int) -> tuple[bool, str]:
    """Whether lanes should replay their step as a CUDA graph, and why, in a line; nothing to say on other devices.

    The environment variable `SWITCH` decides whether graphs are looked at. They are used if a graph gives the losses of
    single launches and is faster.

    Args:
        recipe: What to train.
        data: The data, on `device`.
        device: A torch device.
        lanes: How many lanes.

    Raises:
        InputError: The variable has another value than those of `CHOICES`.
    """
    if not graphs_possible(device):
        return False, ""
    if (chosen := os.environ.get(SWITCH, CHOICES[0])) not in CHOICES:
        raise InputError(f"{SWITCH} must be {' or '.join(CHOICES)}, got {chosen!r}.")
    if chosen == "off":
        return False, f"CUDA graphs are off ({SWITCH}=auto measures them)"
    size = min(recipe.batch_size, 8)
    small, few = replace(recipe, batch_size=size), _few(data, 2 * size, size)
    try:
        eager, graph = (_together(small, few, device, graph=g) for g in (False, True))
        name, x, y = _difference(eager, graph, recipe)
        if name and not _is_random(recipe, few.train, device):
            return False, f"no CUDA graph: its {name} is {y:.6g} where single launches have {x:.6g}"
        part = part_of(recipe, data, device)
        slow, fast = (_seconds(_epochs(Lanes(recipe, part, device, lanes, graph=g))) for g in (False, True))
    except Exception as error:  # whatever a capture may not do
        return False, f"no CUDA graph ({_told(error)})"
    said = f"a CUDA graph of the step is {slow / fast:.1f} times as fast as single launches"
    return slow > GRAPH_GAIN * fast, said


def part_of(recipe: Recipe, data: Splits, device: str) -> Splits:
    """So much of the data that an epoch alone takes about `EPOCH_S`, training and validation in proportion."""
    _, seconds = islice(_epochs_alone(recipe, _share(recipe, data, 3), device), 2)
    return _share(recipe, data, max(1, round(3 * EPOCH_S / seconds)))


def lane_speeds(recipe: Recipe, data: Splits, device: str, widths: Sequence[int]) -> dict[int, float]:
    """Measure how many epochs a second trials train alone and in lanes.

    Args:
        recipe: What to train.
        data: The data, on `device`, or a part of them.
        device: A torch device.
        widths: Numbers of lanes to try, > 1; those that memory does not allow become the most that it does.

    Returns:
        Epochs per second, of all lanes together, by number of lanes; at 1 of a trial alone. Slow ones are left out.
    """
    speeds = {1: 1 / _seconds(_epochs_alone(recipe, data, device))}
    limit = _memory_limit(recipe, data, device) if widths else 1
    for lanes in sorted({min(n, limit) for n in widths} - {1}):
        if lanes * (1 + FEWEST_EPOCHS) / max(speeds.values()) > MOST_S:
            break
        speeds[lanes] = lanes / _seconds(_epochs(Lanes(recipe, data, device, lanes)))
    return speeds


def crowd_speed(recipe: Recipe, data: Splits, count: int) -> float:
    """Epochs a second of so many trials at once on a CPU, a core each: what as many processes do at least."""
    cores = torch.get_num_threads()
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        loops = [_epochs_alone(recipe, data, "cpu") for _ in range(count)]
        speed = count / _seconds(max(pool.map(next, loops)) for _ in range(MANY_EPOCHS))
    torch.set_num_threads(cores)  # that of matrix products is the whole process's
    return speed


def memory_per_lane(recipe: Recipe, data: Splits, device: str) -> int:
    """Bytes of a CUDA device that one more lane takes at its peak, within an epoch on `data`."""
    peaks = []
    for lanes in (1, 3):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        _seconds(_epochs(Lanes(recipe, data, device, lanes)))
        peaks.append(torch.cuda.max_memory_allocated(device) - before)
    torch.cuda.empty_cache()
    return max(1, (peaks[1] - peaks[0]) // 2)


def _memory_limit(recipe: Recipe, data: Splits, device: str) -> int:
    """How many lanes fit: on CUDA by what a lane takes at its peak, on a CPU a number that never paid to exceed."""
    if torch.device(device).type != "cuda":
        return CPU_LANES
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(MEMORY_SHARE * free / memory_per_lane(recipe, data, device)))


def _seconds(epochs: Iterator[float]) -> float:
    """What an epoch takes."""
    next(epochs)
    seconds: list[float] = []
    while len(seconds) < FEWEST_EPOCHS or sum(seconds) < ENOUGH_S:
        seconds.append(next(epochs))
    return statistics.median(seconds)


def _epochs(lanes: Lanes) -> Iterator[float]:
    """Seconds of one epoch after another with every lane taken."""
    for trial in range(lanes.room):
        lanes.put(trial, _gentle(1e-3, MANY_EPOCHS), seed=0, epochs=MANY_EPOCHS)
    while True:
        yield sum(m.seconds for m in lanes.run_epoch().values())


def _epochs_alone(recipe: Recipe, data: Splits, device: str) -> Iterator[float]:
    return (
        m.seconds for m in train(recipe, data, _gentle(1e-3, MANY_EPOCHS), epochs=MANY_EPOCHS, seed=0, device=device)
    )


def _together(recipe: Recipe, data: Splits, device: str, *, graph: bool = False) -> list[Measurement]:
    lanes = Lanes(recipe, data, device, 2, graph=graph)
    for trial, lr in enumerate((1e-3, 1e-2)):
        lanes.put(trial, _gentle(lr, 1), seed=0, epochs=1)
    return list(lanes.run_epoch().values())


def _difference(
    expected: Sequence[Measurement], measured: Sequence[Measurement], recipe: Recipe
) -> tuple[str, float, float]:
    """The first loss that is further apart than rounding makes it, with both values; no name if there is none."""
    tolerance = TOLERANCE * (50 if recipe.bf16 else 1)
    for a, b in zip(expected, measured, strict=True):
        for name in ("train_loss", "val_loss"):
            x, y = a.metrics[name], b.metrics[name]
            if abs(x - y) > tolerance * max(1.0, abs(x)):
                return name, x, y
    return "", 0.0, 0.0


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _alone(recipe: Recipe, data: Splits, lr: float, device: str) -> Measurement:
    return next(train(recipe, data, _gentle(lr, 1), epochs=1, seed=0, device=device))


def _is_random(recipe: Recipe, data: Split, device: str) -> bool:
    """Whether two equal models in training mode give different outputs."""
    model = recipe.model().to(device).train()
    with torch.no_grad():
        a, b = (recipe.predict(copy.deepcopy(model), data.x) for _ in range(2))
    return not torch.equal(a, b)


def _gentle(lr: float, epochs: int) -> Schedule:
    return Schedule("constant", lr, epochs)


def _share(recipe: Recipe, data: Splits, steps: int) -> Splits:
    """An epoch of so many steps at most, with its share of the validation data."""
    total = recipe.steps(data)
    steps = min(steps, total)
    return _few(data, steps * recipe.batch_size, math.ceil(len(data.val.y) * steps / total))


def _few(data: Splits, train_samples: int, val_samples: int) -> Splits:
    part = Split(data.train.x[:train_samples], data.train.y[:train_samples])
    return Splits(part, Split(data.val.x[:val_samples], data.val.y[:val_samples]), data.test)
