"""Cosine annealing with warm restarts (SGDR): back to base_lr after T_0 epochs, each cycle T_mult times as long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import LENGTH, Array, Expr, Family, Param, Range, Stage, above, lambda_lr

_CODE = '''\
def restarts(t: int, length: int, times: int) -> float:
    """Half a cosine from 1 to 0, again and again, so many times as long each time."""
    while t >= length:
        t -= length
        length *= times
    return (1 + math.cos(math.pi * t / length)) / 2
'''


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    first, times = p["T_0"], p["T_mult"]
    cycles = math.ceil(t.max() / first) + 1 if times == 1 else math.ceil(math.log(t.max() / first + 1, times)) + 1
    lengths = first * times ** np.arange(cycles, dtype=np.float64)
    starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    cycle = np.searchsorted(starts, t, side="right") - 1
    x = (t - starts[cycle]) / lengths[cycle]
    lrs: Array = p["eta_min"] + (base_lr - p["eta_min"]) * (1 + np.cos(np.pi * x)) / 2
    return lrs


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    times = int(p["T_mult"].value)
    kwargs = {"T_0": p["T_0"], "T_mult": Expr(times, str(times)), "eta_min": p["eta_min"]}
    return (Stage("CosineAnnealingWarmRestarts", kwargs),)


def _scaled_stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    """The same down to a fraction of each group's own rate."""
    formula = above(p["eta_min"].value, f"restarts(t, T_0, {int(p['T_mult'].value)})")
    return (lambda_lr(formula, "import math", _CODE, T_0=p["T_0"]),)


FAMILY = Family(
    name="cosine_restarts",
    summary="half a cosine from base_lr to eta_min over T_0 epochs, again and again, T_mult times as long each time",
    reference="torch.optim.lr_scheduler.CosineAnnealingWarmRestarts; Loshchilov & Hutter 2017, arXiv:1608.03983",
    params=(
        Param(
            "T_0",
            "epochs",
            "length of the first cycle",
            search=lambda epochs: Range(0.1 * epochs, 0.6 * epochs),
            usual=lambda decay: decay / 7,
            valid=LENGTH,
        ),
        Param(
            "T_mult",
            "factor",
            "each cycle is so many times as long as the one before",
            search=lambda epochs: Range(1.0, 2.0, step=1.0),
            usual=lambda decay: 2.0,
            valid=Range(1.0, 100.0, step=1.0),
        ),
        Param(
            "eta_min",
            "lr",
            "smallest rate",
            search=lambda epochs: Range(0.0, 0.1),
            usual=lambda decay: 0.0,
            valid=Range(0.0, 1e9),
        ),
    ),
    lr=_lr,
    stages=_stages,
    scaled_stages=_scaled_stages,
    used_by="snapshot ensembles, SGDR's own wide residual networks",
)
