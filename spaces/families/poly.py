"""Polynomial decay to end_factor * base_lr at the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import END_FACTOR, Array, Expr, Family, Param, Range, Stage, above, down_to, lambda_lr


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    left = (1 - np.minimum(t, decay) / decay) ** p["power"]
    return base_lr * down_to(p["end_factor"], left)


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    if not p["end_factor"].value:
        return (Stage("PolynomialLR", {"total_iters": decay, "power": p["power"]}),)
    return (lambda_lr(above(p["end_factor"].value, f"(1 - progress) ** {p['power'].text}"), length=decay),)


FAMILY = Family(
    name="poly",
    summary="base_lr * (1 - progress) ** power, down to end_factor * base_lr",
    reference="torch.optim.lr_scheduler.PolynomialLR; with an end rate as tf.keras' PolynomialDecay",
    params=(
        Param(
            "power",
            "factor",
            "1 is linear, above 1 falls early, below 1 late",
            search=lambda epochs: Range(0.3, 4.0, log=True),
            usual=lambda decay: 2.0,
            valid=Range(1e-3, 100.0),
        ),
        END_FACTOR,
    ),
    lr=_lr,
    stages=_stages,
    used_by="semantic segmentation (DeepLab), BERT's training code",
)
