"""Multi-step decay: the rate is multiplied by gamma at each of up to three milestones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import DECAY, Array, Expr, Family, Param, Range, Stage

NAMES = ("milestone_1", "milestone_2", "milestone_3")


def _steps(fraction: float, decay: int) -> int:
    return max(1, round(fraction * decay))


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    passed = sum((t >= _steps(p[name], decay)).astype(np.float64) for name in NAMES if p[name] < 1)
    lrs: Array = base_lr * p["gamma"] ** (np.zeros_like(t) + passed)
    return lrs


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    fractions = sorted(p[name].value for name in NAMES if p[name].value < 1)
    text = f"[max(1, round(f * {decay.text})) for f in {tuple(fractions)!r}]" if fractions else "[]"
    milestones = Expr([_steps(fraction, decay.value) for fraction in fractions], text)
    return (Stage("MultiStepLR", {"milestones": milestones, "gamma": p["gamma"]}),)


def _milestone(number: int, low: float, high: float, usual: float) -> Param:
    return Param(
        f"milestone_{number}",
        "factor",
        f"drop {number}, as a fraction of the epochs after the warm-up; 1 for none",
        search=lambda epochs: Range(low, high),
        usual=lambda decay: usual,
        valid=Range(0.0, 1.0),
    )


FAMILY = Family(
    name="multistep",
    summary="base_lr * gamma ** milestones passed",
    reference="torch.optim.lr_scheduler.MultiStepLR; He et al. 2016, arXiv:1512.03385",
    params=(
        _milestone(1, 0.2, 0.7, 0.5),
        _milestone(2, 0.5, 0.95, 0.75),
        _milestone(3, 0.7, 1.0, 1.0),
        Param(
            "gamma",
            "factor",
            "factor at each drop",
            search=lambda epochs: Range(0.05, 0.8, log=True),
            usual=lambda decay: 0.1,
            valid=DECAY,
        ),
    ),
    lr=_lr,
    stages=_stages,
    used_by="ResNet on CIFAR-10 and ImageNet, Detectron2",
    sets=("vision",),
)
