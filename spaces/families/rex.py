"""REX, the reflected exponential: slower than linear at first, faster at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._family import Array, Expr, Family, Stage


def _lr(t: Array, base_lr: float, decay: int, p: Any) -> Array:
    left = 1 - np.minimum(t, decay) / decay
    return base_lr * left / (0.5 + 0.5 * left)


def _stages(decay: Expr, p: Any) -> tuple[Stage, ...]:
    n: int = decay.value

    def rex(t: int) -> float:
        return 2 * (1 - min(t / n, 1)) / (2 - min(t / n, 1))

    text = f"lambda t: 2 * (1 - min(t / ({decay.text}), 1)) / (2 - min(t / ({decay.text}), 1))"
    return (Stage("LambdaLR", {"lr_lambda": Expr(rex, text)}),)


FAMILY = Family(
    name="rex",
    summary="base_lr * (1 - progress) / (1 - progress / 2)",
    reference="Chen, Wolfe & Kyrillidis 2021, arXiv:2107.04197",
    params=(),
    lr=_lr,
    stages=_stages,
)
