"""Whether a job can train in lanes, and whether their step is replayed as a CUDA graph."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import replace

import torch

from ...errors import InputError
from ..objective import Measurement
from ..recipe import Recipe, Split, Splits
from ..training import train
from .graph import CHOICES, SWITCH, graphs_possible
from .lanes import Lanes
from .speed import epoch_seconds, few_of, gentle, lane_epoch, part_of

GRAPH_GAIN = 1.05
"""How many times as fast a graph must be."""
TOLERANCE = 1e-3
"""Relative difference that rounding may make within the two steps of the check; bfloat16 gets 50 times as much."""


def supports_lanes(recipe: Recipe, data: Splits, device: str) -> str:
    """Why a job cannot train in lanes, in one line; empty if it can.

    Two steps on a small batch are made in two lanes and alone, and must agree, unless the model has random layers.
    """
    size = min(recipe.batch_size, 8)
    small, few = replace(recipe, batch_size=size), few_of(data, 2 * size, size)
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
    small, few = replace(recipe, batch_size=size), few_of(data, 2 * size, size)
    try:
        eager, graph = (_together(small, few, device, graph=g) for g in (False, True))
        name, x, y = _difference(eager, graph, recipe)
        if name and not _is_random(recipe, few.train, device):
            return False, f"no CUDA graph: its {name} is {y:.6g} where single launches have {x:.6g}"
        part = part_of(recipe, data, device)
        pools = (Lanes(recipe, part, device, lanes, graph=g) for g in (False, True))
        slow, fast = (epoch_seconds(lane_epoch(pool), device) for pool in pools)
    except Exception as error:  # whatever a capture may not do
        return False, f"no CUDA graph ({_told(error)})"
    said = f"a CUDA graph of the step is {slow / fast:.1f} times as fast as single launches"
    return slow > GRAPH_GAIN * fast, said


def _together(recipe: Recipe, data: Splits, device: str, *, graph: bool = False) -> list[Measurement]:
    lanes = Lanes(recipe, data, device, 2, graph=graph)
    for trial, lr in enumerate((1e-3, 1e-2)):
        lanes.put(trial, gentle(lr, 1), seed=0, epochs=1)
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
    return next(train(recipe, data, gentle(lr, 1), epochs=1, seed=0, device=device))


def _is_random(recipe: Recipe, data: Split, device: str) -> bool:
    """Whether two equal models in training mode give different outputs."""
    model = recipe.model().to(device).train()
    with torch.no_grad():
        a, b = (recipe.predict(copy.deepcopy(model), data.x) for _ in range(2))
    return not torch.equal(a, b)
