"""How fast a job trains: alone, in lanes, and in processes of a core each."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch

from ...spaces import Schedule
from ..recipe import Recipe, Split, Splits
from ..training import train
from .lanes import Lanes

CPU_LANES = 64
MEMORY_SHARE = 0.8
"""How much of the free memory lanes may take; the rest is for fragments and evaluation."""
FEWEST_EPOCHS = 3
"""Epochs of a measurement at least, besides one to warm up; the median of their seconds counts."""
EPOCH_S = 0.01
"""Seconds of a measured epoch, about."""
ENOUGH_S = 0.05
"""Seconds after which a measurement ends, if it has so many epochs."""
MOST_S = 5.0
"""Seconds that one measurement may take; what needs longer keeps the device busy with fewer lanes."""
MANY_EPOCHS = 1000
"""Epochs that no measurement reaches."""
THREADS_GAIN = 1.15
"""How many times as fast more threads must be: they wait for each other actively, so that other programs slow them."""
Epoch = Callable[[], object]
"""Trains one more epoch."""


@dataclass(frozen=True)
class Speed:
    """How fast trials train.

    Attributes:
        epochs: Epochs per second, of all lanes together; of processor time where there is one thread, see `clock`.
        threads: PyTorch's threads that it was measured with: the fewest that are about as fast as any number.
    """

    epochs: float
    threads: int


def part_of(recipe: Recipe, data: Splits, device: str) -> Splits:
    """So much of the data that an epoch alone takes about `EPOCH_S`, training and validation in proportion."""
    epoch, time_ = _epoch_alone(recipe, _share(recipe, data, 3), device), clock(device)
    epoch()
    begun = time_()
    epoch()
    return _share(recipe, data, max(1, round(3 * EPOCH_S / (time_() - begun))))


def lane_speeds(recipe: Recipe, data: Splits, device: str, widths: Sequence[int]) -> dict[int, Speed]:
    """Measure how many epochs a second trials train alone and in lanes, with as many threads as suit each.

    Args:
        recipe: What to train.
        data: The data, on `device`, or a part of them.
        device: A torch device.
        widths: Numbers of lanes to try, > 1; those that memory does not allow become the most that it does.

    Returns:
        Speeds by number of lanes; at 1 of a trial alone. Slow ones are left out.
    """
    speeds = {1: _speed(_epoch_alone(recipe, data, device), 1, device)}
    limit = _memory_limit(recipe, data, device) if widths else 1
    for lanes in sorted({min(n, limit) for n in widths} - {1}):
        if lanes * (1 + FEWEST_EPOCHS) / max(s.epochs for s in speeds.values()) > MOST_S:
            break
        speeds[lanes] = _speed(lane_epoch(Lanes(recipe, data, device, lanes)), lanes, device)
    return speeds


def _speed(epoch: Epoch, trials: int, device: str) -> Speed:
    """The speed of `epoch`, which trains so many trials, with the number of threads that suits it."""
    before = torch.get_num_threads()
    counts = thread_counts(before) if torch.device(device).type == "cpu" else [before]
    try:
        seconds = _seconds(epoch, device, counts)
    finally:
        torch.set_num_threads(before)
    threads = min(n for n in counts if seconds[n] <= THREADS_GAIN * min(seconds.values()))
    return Speed(trials / seconds[threads], threads)


def thread_counts(most: int) -> list[int]:
    """Numbers of threads to try: 1, 4, 16, ..., and `most`."""
    return sorted({min(4**n, most) for n in range(math.ceil(math.log(most, 4)) + 1)})


def crowd_speed(recipe: Recipe, data: Splits, count: int) -> float:
    """Epochs a second of so many trials at once on a CPU, a core each: what as many processes do at least."""
    cores = torch.get_num_threads()
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        loops = [_epoch_alone(recipe, data, "cpu") for _ in range(count)]
        seconds = [max(pool.map(_wall, loops)) for _ in range(3 + FEWEST_EPOCHS)]
    torch.set_num_threads(cores)  # that of matrix products is the whole process's
    return count / statistics.median(seconds[1:])


def _wall(epoch: Epoch) -> float:
    begun = time.perf_counter()
    epoch()
    return time.perf_counter() - begun


def memory_per_lane(recipe: Recipe, data: Splits, device: str) -> int:
    """Bytes of a CUDA device that one more lane takes at its peak, within an epoch on `data`."""
    peaks = []
    for lanes in (1, 3):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        epoch_seconds(lane_epoch(Lanes(recipe, data, device, lanes)), device)
        peaks.append(torch.cuda.max_memory_allocated(device) - before)
    torch.cuda.empty_cache()
    return max(1, (peaks[1] - peaks[0]) // 2)


def _memory_limit(recipe: Recipe, data: Splits, device: str) -> int:
    """How many lanes fit: on CUDA by what a lane takes at its peak, on a CPU a number that never paid to exceed."""
    if torch.device(device).type != "cuda":
        return CPU_LANES
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(MEMORY_SHARE * free / memory_per_lane(recipe, data, device)))


def epoch_seconds(epoch: Epoch, device: str) -> float:
    """What an epoch takes."""
    (seconds,) = _seconds(epoch, device, [torch.get_num_threads()]).values()
    return seconds


def _seconds(epoch: Epoch, device: str, counts: Sequence[int]) -> dict[int, float]:
    """What an epoch takes with each number of threads, in turn, so that a machine's moods hit all alike."""
    time_ = clock(device) if len(counts) == 1 else time.perf_counter
    seconds: dict[int, list[float]] = {n: [] for n in counts}
    first, *_ = seconds.values()
    while len(first) <= FEWEST_EPOCHS or sum(first[1:]) < ENOUGH_S:
        for threads, measured in seconds.items():
            if threads != torch.get_num_threads():
                torch.set_num_threads(threads)
            begun = time_()
            epoch()
            measured.append(time_() - begun)
    return {n: statistics.median(measured[1:]) for n, measured in seconds.items()}


def clock(device: str) -> Callable[[], float]:
    """Processor time where one thread does all the work, which other programs take nothing from; else wall time."""
    alone = torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if alone else time.perf_counter


def lane_epoch(lanes: Lanes) -> Epoch:
    """One epoch after another with every lane taken."""
    for trial in range(lanes.room):
        lanes.put(trial, gentle(1e-3, MANY_EPOCHS), seed=0, epochs=MANY_EPOCHS)
    return lanes.run_epoch


def _epoch_alone(recipe: Recipe, data: Splits, device: str) -> Epoch:
    return partial(next, train(recipe, data, gentle(1e-3, MANY_EPOCHS), epochs=MANY_EPOCHS, seed=0, device=device))


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
