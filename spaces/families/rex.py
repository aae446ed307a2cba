"""REX, the reflected exponential: slower than linear at first, faster at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._family import Array, Family, lambda_lr


def _lr(t: Array, base_lr: float, decay: int, p: Any) -> Array:
    left = 1 - np.minimum(t, decay) / decay
    return base_lr * left / (0.5 + 0.5 * left)


FAMILY = Family(
    name="rex",
    summary="base_lr * (1 - progress) / (1 - progress / 2)",
    reference="Chen, Wolfe & Kyrillidis 2021, arXiv:2107.04197",
    params=(),
    lr=_lr,
    stages=lambda decay, p: (lambda_lr("2 * (1 - progress) / (2 - progress)", length=decay),),
    used_by="training under a small budget",
)
