"""Warm-up, stable, decay: constant, then a cooldown to zero over the last epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import LENGTH, Array, Choice, Expr, Family, Param, Range, Stage

SHAPES = Choice(("linear", "1-sqrt"))


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    cooldown = min(p["cooldown"], decay)
    progress = np.clip((t - (decay - cooldown)) / cooldown, 0, 1)
    factor: Array = 1 - (progress if p["shape"] == "linear" else np.sqrt(progress))
    return base_lr * factor


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    n = min(p["cooldown"].value, decay.value)
    text = f"min({p['cooldown'].text}, {decay.text})"
    hold = Stage("ConstantLR", {"factor": Expr(1.0, "1.0")}, length=Expr(decay.value - n, f"{decay.text} - {text}"))
    if p["shape"].value == "linear":
        ends = {"start_factor": Expr(1.0, "1.0"), "end_factor": Expr(0.0, "0.0")}
        return hold, Stage("LinearLR", {**ends, "total_iters": Expr(n, text)})

    def one_minus_sqrt(t: int) -> float:
        return float(1 - np.sqrt(min(t / n, 1)))

    code = Expr(one_minus_sqrt, f"lambda t: 1 - min(t / ({text}), 1) ** 0.5")
    return hold, Stage("LambdaLR", {"lr_lambda": code})


FAMILY = Family(
    name="wsd",
    summary="constant, then down to zero over the last `cooldown` epochs (linear or 1-sqrt)",
    reference="Hägele et al. 2024, arXiv:2405.18392",
    params=(
        Param(
            "cooldown",
            "epochs",
            "length of the final decay",
            search=lambda epochs: Range(0.1 * epochs, 0.8 * epochs),
            usual=lambda decay: 0.2 * decay,
            valid=LENGTH,
        ),
        Param(
            "shape",
            "choice",
            "the cooldown's shape",
            search=lambda epochs: SHAPES,
            usual=lambda decay: "1-sqrt",
            valid=SHAPES,
        ),
    ),
    lr=_lr,
    stages=_stages,
)
