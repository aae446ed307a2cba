"""Inverse square root: fast at first, then ever slower; a linear cooldown to 0 may end it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import HUGE, LENGTH, Array, Expr, Family, Param, Range, Stage, lambda_lr

_CODE = '''\
def inverse_sqrt(t: int, timescale: int, steps: int, cooldown: int) -> float:
    """Share of BASE_LR at step t; the last steps are a linear cooldown."""
    left = max(0, steps - t)
    return min(1, left / cooldown) * (timescale / (t + timescale)) ** 0.5
'''


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    lrs: Array = base_lr * np.sqrt(p["timescale"] / (t + p["timescale"]))
    return lrs * np.clip((decay - t) / min(p["cooldown"], decay), 0, 1) if p["cooldown"] else lrs


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    formula = "(timescale / (t + timescale)) ** 0.5"
    if not p["cooldown"].value:
        return (lambda_lr(formula, timescale=p["timescale"]),)
    length = Expr(min(p["cooldown"].value, decay.value), f"min({p['cooldown'].text}, {decay.text})")
    lengths = {"timescale": p["timescale"], "decay": decay, "cooldown": length}
    return (lambda_lr("inverse_sqrt(t, timescale, decay, cooldown)", _CODE, **lengths),)


FAMILY = Family(
    name="inverse_sqrt",
    summary="base_lr * sqrt(timescale / (epochs + timescale)), with a linear cooldown to 0",
    reference="Vaswani et al. 2017, arXiv:1706.03762; with a cooldown Zhai et al. 2022, arXiv:2106.04560",
    params=(
        Param(
            "timescale",
            "epochs",
            "after so many epochs the rate is base_lr / sqrt(2)",
            search=lambda epochs: Range(0.01 * epochs, epochs, log=True),
            usual=lambda decay: 0.1 * decay,
            valid=LENGTH,
        ),
        Param(
            "cooldown",
            "epochs",
            "length of the final decay to 0; 0 for none",
            search=lambda epochs: Range(0.0, 0.5 * epochs),
            usual=lambda decay: 0.0,
            valid=Range(0.0, HUGE),
        ),
    ),
    lr=_lr,
    stages=_stages,
    used_by="the original Transformer, T5, scaled vision transformers",
    sets=("llm",),
)
