"""Whether a job can train in lanes, and how fast."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from ...spaces import Schedule
from ..objective import Measurement
from ..training import Recipe, Split, Splits, train
from .lanes import Lanes

CPU_LANES = 64
MEMORY_SHARE = 0.8
"""How much of the free memory lanes may take; the rest is for fragments and evaluation."""
EPOCHS = 4
"""Epochs of a measurement: one to warm up, then the fastest of the others counts."""
PATIENCE = 5.0
"""Seconds that one measurement may take; what needs longer keeps the device busy with fewer lanes."""
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
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if _is_random(recipe, few.train, device):
        return ""
    tolerance = TOLERANCE * (50 if recipe.bf16 else 1)
    for a, b in zip(alone, together, strict=True):
        for name in ("train_loss", "val_loss"):
            x, y = a.metrics[name], b.metrics[name]
            if abs(x - y) > tolerance * max(1.0, abs(x)):
                return f"a lane's {name} is {y:.6g} where the trial alone has {x:.6g}"
    return ""


def lane_speeds(
    recipe: Recipe, data: Splits, device: str, widths: Sequence[int] = (), *, steps: int = 3
) -> dict[int, float]:
    """Measure how many steps a second trials make alone and in lanes.

    Args:
        recipe: What to train.
        data: The data, on `device`.
        device: A torch device.
        widths: Numbers of lanes to try, > 1; those that memory does not allow become the most that it does.
        steps: Steps per measurement.

    Returns:
        Steps per second, of all lanes together, by number of lanes; at 1 of a trial alone. Slow ones are left out.
    """
    few = _few(data, steps * recipe.batch_size, recipe.batch_size)
    done = recipe.steps(few)
    speeds = {1: done / min(_timed_alone(recipe, few, device))}
    limit = _memory_limit(recipe, few, device) if widths else 1
    for lanes in sorted({min(n, limit) for n in widths} - {1}):
        if lanes * done * EPOCHS / max(speeds.values()) > PATIENCE:
            break
        speeds[lanes] = lanes * done / min(_timed(recipe, few, device, lanes))
    return speeds


def _memory_limit(recipe: Recipe, data: Splits, device: str) -> int:
    """How many lanes fit: on CUDA by what a lane takes at its peak, on a CPU a number that never paid to exceed."""
    if torch.device(device).type != "cuda":
        return CPU_LANES
    peaks = []
    for lanes in (1, 3):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        _timed(recipe, data, device, lanes)
        peaks.append(torch.cuda.max_memory_allocated(device) - before)
    torch.cuda.empty_cache()
    per_lane = max(1, (peaks[1] - peaks[0]) // 2)
    return max(1, int(MEMORY_SHARE * torch.cuda.mem_get_info(device)[0] / per_lane))


def _timed(recipe: Recipe, data: Splits, device: str, count: int) -> list[float]:
    lanes = Lanes(recipe, data, device, count)
    for trial in range(count):
        lanes.put(trial, _gentle(1e-3, EPOCHS), seed=0, epochs=EPOCHS)
    return [sum(m.seconds for m in lanes.run_epoch().values()) for _ in range(EPOCHS)][1:]


def _timed_alone(recipe: Recipe, data: Splits, device: str) -> list[float]:
    epochs = train(recipe, data, _gentle(1e-3, EPOCHS), epochs=EPOCHS, seed=0, device=device)
    return [m.seconds for m in epochs][1:]


def _together(recipe: Recipe, data: Splits, device: str) -> list[Measurement]:
    lanes = Lanes(recipe, data, device, 2)
    for trial, lr in enumerate((1e-3, 1e-2)):
        lanes.put(trial, _gentle(lr, 1), seed=0, epochs=1)
    return list(lanes.run_epoch().values())


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


def _few(data: Splits, train_samples: int, val_samples: int) -> Splits:
    part = Split(data.train.x[:train_samples], data.train.y[:train_samples])
    return Splits(part, Split(data.val.x[:val_samples], data.val.y[:val_samples]), data.test)
