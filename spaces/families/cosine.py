"""Cosine annealing: half a cosine from base_lr to eta_min in T_max epochs; beyond T_max it rises again."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ._family import LENGTH, Expr, Family, Param, Range, Stage


def _scaled_stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    """Half a cosine to a fraction of each group's own rate."""
    end, n = p["eta_min"], p["T_max"]

    def factor(t: int) -> float:
        return float(end.value + (1 - end.value) * (1 + math.cos(math.pi * t / n.value)) / 2)

    text = f"lambda t: {end.text} + (1 - {end.text}) * (1 + math.cos(math.pi * t / ({n.text}))) / 2"
    return (Stage("LambdaLR", {"lr_lambda": Expr(factor, text)}),)


FAMILY = Family(
    name="cosine",
    summary="half a cosine from base_lr to eta_min over T_max epochs, rising again beyond",
    reference="torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov & Hutter 2017, arXiv:1608.03983",
    params=(
        Param(
            "T_max",
            "epochs",
            "from the end of the warm-up to the minimum",
            search=lambda epochs: Range(0.5 * epochs, 1.5 * epochs),
            usual=lambda decay: decay,
            valid=LENGTH,
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
    lr=lambda t, base_lr, decay, p: p["eta_min"] + (base_lr - p["eta_min"]) * (1 + np.cos(np.pi * t / p["T_max"])) / 2,
    stages=lambda decay, p: (Stage("CosineAnnealingLR", {"T_max": p["T_max"], "eta_min": p["eta_min"]}),),
    scaled_stages=_scaled_stages,
)
