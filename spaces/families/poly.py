"""Polynomial decay to zero at the horizon."""

from __future__ import annotations

import numpy as np

from ._family import Family, Param, Range, Stage

FAMILY = Family(
    name="poly",
    summary="base_lr * (1 - progress) ** power",
    reference="torch.optim.lr_scheduler.PolynomialLR",
    params=(
        Param(
            "power",
            "factor",
            "1 is linear, above 1 falls early, below 1 late",
            search=lambda epochs: Range(0.3, 4.0, log=True),
            usual=lambda decay: 2.0,
            valid=Range(1e-3, 100.0),
        ),
    ),
    lr=lambda t, base_lr, decay, p: base_lr * (1 - np.minimum(t, decay) / decay) ** p["power"],
    stages=lambda decay, p: (Stage("PolynomialLR", {"total_iters": decay, "power": p["power"]}),),
)
