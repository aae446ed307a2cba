"""No decay at all: the baseline of baselines."""

from __future__ import annotations

import numpy as np

from ._family import Expr, Family, Stage

FAMILY = Family(
    name="constant",
    summary="base_lr throughout",
    reference="torch.optim.lr_scheduler.ConstantLR with factor 1",
    params=(),
    lr=lambda t, base_lr, decay, p: np.full_like(t, base_lr),
    used_by="short trainings, and as what any decay has to beat",
    stages=lambda decay, p: (Stage("ConstantLR", {"factor": Expr(1.0, "1.0")}),),
)
