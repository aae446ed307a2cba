"""Warm-up, stable, decay: constant, then a cooldown to end_factor * base_lr over the last epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import END_FACTOR, LENGTH, Array, Choice, Expr, Family, Param, Range, Stage, above, down_to, lambda_lr

SEARCHED = Choice(("linear", "1-sqrt"))
SHAPES = Choice((*SEARCHED.options, "cosine", "exponential"))
_FORMULAS = {
    "1-sqrt": ("1 - progress ** 0.5",),
    "cosine": ("(1 + math.cos(math.pi * progress)) / 2", "import math"),
    "exponential": ("2 * 0.5 ** progress - 1",),
}
"""From 1 to 0 as progress goes from 0 to 1, with the import that it needs."""


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    cooldown = min(p["cooldown"], decay)
    x = np.clip((t - (decay - cooldown)) / cooldown, 0, 1)
    left = {
        "linear": lambda: 1 - x,
        "1-sqrt": lambda: 1 - np.sqrt(x),
        "cosine": lambda: (1 + np.cos(np.pi * x)) / 2,
        "exponential": lambda: 2 * 0.5**x - 1,
    }[p["shape"]]()
    return base_lr * down_to(p["end_factor"], left)


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    length = Expr(min(p["cooldown"].value, decay.value), f"min({p['cooldown'].text}, {decay.text})")
    hold_for = Expr(decay.value - length.value, f"{decay.text} - {length.text}")
    hold = Stage("ConstantLR", {"factor": Expr(1.0, "1.0")}, length=hold_for)
    if p["shape"].value == "linear":
        ends = {"start_factor": Expr(1.0, "1.0"), "end_factor": p["end_factor"]}
        return hold, Stage("LinearLR", {**ends, "total_iters": length})
    formula, *needs = _FORMULAS[p["shape"].value]
    return hold, lambda_lr(above(p["end_factor"].value, formula), *needs, length=length)


FAMILY = Family(
    name="wsd",
    summary="constant, then down to end_factor * base_lr over the last `cooldown` epochs",
    reference="Hägele et al. 2024, arXiv:2405.18392; the exponential cooldown as in Megatron-LM",
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
            search=lambda epochs: SEARCHED,
            usual=lambda decay: "1-sqrt",
            valid=SHAPES,
        ),
        END_FACTOR,
    ),
    lr=_lr,
    stages=_stages,
    used_by="MiniCPM, torchtitan, Megatron-LM, nanochat, modded-nanogpt",
    sets=("llm",),
)
