"""Cosine annealing: half a cosine from base_lr to eta_min in T_max epochs; beyond T_max it rises again, or holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import LENGTH, Array, Choice, Expr, Family, Param, Range, Stage, above, lambda_lr, number

AFTER = Choice(("rise", "hold"))


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    x = t / p["T_max"]
    if p["after"] == "hold":
        x = np.minimum(x, 1.0)
    lrs: Array = p["eta_min"] + (base_lr - p["eta_min"]) * (1 + np.cos(np.pi * x)) / 2
    return lrs


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    if p["after"].value == "rise":
        return (Stage("CosineAnnealingLR", {"T_max": p["T_max"], "eta_min": p["eta_min"]}),)
    return _scaled_stages(decay, {**p, "eta_min": number(p["eta_min"].value / p["base_lr"].value)})


def _scaled_stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    """Half a cosine to a fraction of each group's own rate."""
    formula = above(p["eta_min"].value, "(1 + math.cos(math.pi * progress)) / 2")
    if p["after"].value == "rise":
        formula = formula.replace("progress", "t / T_max")
        return (lambda_lr(formula, "import math", T_max=p["T_max"]),)
    return (lambda_lr(formula, "import math", length=p["T_max"]),)


FAMILY = Family(
    name="cosine",
    summary="half a cosine from base_lr to eta_min over T_max epochs, and back up after that",
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
        Param(
            "after",
            "choice",
            "beyond T_max: rise again as PyTorch's class does, or hold eta_min",
            search=lambda epochs: AFTER,
            usual=lambda decay: "rise",
            valid=AFTER,
            opt_in=True,
        ),
    ),
    lr=_lr,
    stages=_stages,
    scaled_stages=_scaled_stages,
    used_by="most language models and vision transformers: GPT-3, Llama, timm",
    sets=("llm", "vision"),
)
