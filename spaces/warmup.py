"""The warm-up that goes before a family's decay: its shapes, as closed forms and as PyTorch's own classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from ..errors import InputError
from .counting import IN_EPOCHS, Counting, Unit
from .families import Array, Expr, Range, Stage, above, lambda_lr, number
from .values import to_digits

WarmupShape = Literal["linear", "cosine", "exponential"]
WARMUP_START = 0.01


def check_warmup(warmup: float, horizon: float, unit: Unit = "epoch") -> None:
    """Raise `InputError` unless a warm-up of that length fits into the horizon, both in `unit`."""
    if isinstance(warmup, bool) or not isinstance(warmup, (int, float)) or not 0 <= warmup < horizon:
        raise InputError(
            f"warmup must be at least 0 and shorter than the horizon of {horizon:.10g} {unit}s, got {warmup!r}."
        )


def check_warmup_shape(shape: str, start: float) -> None:
    """Raise `InputError` unless there is such a warm-up, from `start` as a fraction of base_lr."""
    if shape not in get_args(WarmupShape):
        raise InputError(f"warmup_shape must be one of {', '.join(get_args(WarmupShape))}, got {shape!r}.")
    if isinstance(start, bool) or not isinstance(start, (int, float)) or not 0 <= start <= 1:
        raise InputError(f"warmup_start must be in [0, 1], got {start!r}.")
    if shape == "exponential" and not start:
        raise InputError("an exponential warm-up cannot start at 0: give a warmup_start above 0, or another shape.")


def warmed(x: Array, start: float, shape: WarmupShape) -> Array:
    """The share of base_lr when `x` of the warm-up is done."""
    if shape == "exponential":
        return np.power(start, 1 - x)
    ramp = x if shape == "linear" else (1 - np.cos(np.pi * x)) / 2
    return start + (1 - start) * ramp


def warmup_stage(length: Expr, start: float, shape: WarmupShape) -> Stage:
    """The PyTorch class that makes a warm-up."""
    if shape == "linear" and start:  # LinearLR cannot start at 0
        return Stage("LinearLR", {"start_factor": number(start), "total_iters": length}, length=length)
    if shape == "exponential":
        stage = lambda_lr(f"{start!r} ** (1 - progress)", length=length)
    elif shape == "cosine":
        stage = lambda_lr(above(start, "(1 - math.cos(math.pi * progress)) / 2"), "import math", length=length)
    else:
        stage = lambda_lr("progress", length=length)
    return replace(stage, length=length)


def default_warmup(horizon: float, counting: Counting = IN_EPOCHS) -> Range:
    """Zero to a fifth of the horizon, in tenths of that, so that no warm-up is among the proposals."""
    step = to_digits(horizon / 50, 3)
    if counting.unit == "step":
        step = max(1.0, round(step))
        return Range(0.0, min(10 * step, horizon - 1), step=step) if horizon > step else Range(0.0, 0.0)
    return Range(0.0, to_digits(10 * step, 6), step=step)
