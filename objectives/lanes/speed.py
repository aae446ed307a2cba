"""How fast a job trains: alone, in lanes, and in processes of a core each."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import torch

from ...spaces import Schedule
from ..training import Recipe, Split, Splits, train
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
    speeds = {1: 1 / epoch_seconds(_epochs_alone(recipe, data, device))}
    limit = _memory_limit(recipe, data, device) if widths else 1
    for lanes in sorted({min(n, limit) for n in widths} - {1}):
        if lanes * (1 + FEWEST_EPOCHS) / max(speeds.values()) > MOST_S:
            break
        speeds[lanes] = lanes / epoch_seconds(lane_epochs(Lanes(recipe, data, device, lanes)))
    return speeds


def crowd_speed(recipe: Recipe, data: Splits, count: int) -> float:
    """Epochs a second of so many trials at once on a CPU, a core each: what as many processes do at least."""
    cores = torch.get_num_threads()
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        loops = [_epochs_alone(recipe, data, "cpu") for _ in range(count)]
        speed = count / epoch_seconds(max(pool.map(next, loops)) for _ in range(MANY_EPOCHS))
    torch.set_num_threads(cores)  # that of matrix products is the whole process's
    return speed


def memory_per_lane(recipe: Recipe, data: Splits, device: str) -> int:
    """Bytes of a CUDA device that one more lane takes at its peak, within an epoch on `data`."""
    peaks = []
    for lanes in (1, 3):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        epoch_seconds(lane_epochs(Lanes(recipe, data, device, lanes)))
        peaks.append(torch.cuda.max_memory_allocated(device) - before)
    torch.cuda.empty_cache()
    return max(1, (peaks[1] - peaks[0]) // 2)


def _memory_limit(recipe: Recipe, data: Splits, device: str) -> int:
    """How many lanes fit: on CUDA by what a lane takes at its peak, on a CPU a number that never paid to exceed."""
    if torch.device(device).type != "cuda":
        return CPU_LANES
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(MEMORY_SHARE * free / memory_per_lane(recipe, data, device)))


def epoch_seconds(epochs: Iterator[float]) -> float:
    """What an epoch takes."""
    next(epochs)
    seconds: list[float] = []
    while len(seconds) < FEWEST_EPOCHS or sum(seconds) < ENOUGH_S:
        seconds.append(next(epochs))
    return statistics.median(seconds)


def lane_epochs(lanes: Lanes) -> Iterator[float]:
    """Seconds of one epoch after another with every lane taken."""
    for trial in range(lanes.room):
        lanes.put(trial, gentle(1e-3, MANY_EPOCHS), seed=0, epochs=MANY_EPOCHS)
    while True:
        yield sum(m.seconds for m in lanes.run_epoch().values())


def _epochs_alone(recipe: Recipe, data: Splits, device: str) -> Iterator[float]:
    return (
        m.seconds for m in train(recipe, data, gentle(1e-3, MANY_EPOCHS), epochs=MANY_EPOCHS, seed=0, device=device)
    )


def gentle(lr: float, epochs: int) -> Schedule:
    """A constant rate."""
    return Schedule("constant", lr, epochs)


def _share(recipe: Recipe, data: Splits, steps: int) -> Splits:
    """An epoch of so many steps at most, with its share of the validation data."""
    total = recipe.steps(data)
    steps = min(steps, total)
    return few_of(data, steps * recipe.batch_size, math.ceil(len(data.val.y) * steps / total))


def few_of(data: Splits, train_samples: int, val_samples: int) -> Splits:
    """The first samples."""
    part = Split(data.train.x[:train_samples], data.train.y[:train_samples])
    return Splits(part, Split(data.val.x[:val_samples], data.val.y[:val_samples]), data.test)
