"""Cosine annealing: half a cosine from base_lr to eta_min in T_max epochs; beyond T_max it rises again."""

from __future__ import annotations

import numpy as np

from ._family import LENGTH, Family, Param, Range, Stage

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
)
