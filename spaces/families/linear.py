"""Linear decay from base_lr to end_factor * base_lr at the horizon."""

from __future__ import annotations

import numpy as np

from ._family import FRACTION, Expr, Family, Param, Range, Stage

FAMILY = Family(
    name="linear",
    summary="straight from base_lr to end_factor * base_lr at the last epoch",
    reference="torch.optim.lr_scheduler.LinearLR; Defazio et al. 2023, arXiv:2310.07831",
    params=(
        Param(
            "end_factor",
            "factor",
            "rate at the horizon, as a fraction of base_lr",
            search=lambda epochs: Range(0.0, 0.2),
            usual=lambda decay: 0.0,
            valid=FRACTION,
        ),
    ),
    lr=lambda t, base_lr, decay, p: base_lr * (1 + (p["end_factor"] - 1) * np.minimum(t, decay) / decay),
    stages=lambda decay, p: (
        Stage(
            "LinearLR",
            {"start_factor": Expr(1.0, "1.0"), "end_factor": p["end_factor"], "total_iters": decay},
        ),
    ),
    used_by="the default of transformers' Trainer; BERT, RoBERTa",
    sets=("llm",),
)
