"""Step decay: the rate is multiplied by gamma every step_size epochs."""

from __future__ import annotations

import numpy as np

from ._family import DECAY, LENGTH, Family, Param, Range, Stage

FAMILY = Family(
    name="step",
    summary="base_lr * gamma ** floor(epochs / step_size)",
    reference="torch.optim.lr_scheduler.StepLR",
    params=(
        Param(
            "step_size",
            "epochs",
            "between two drops",
            search=lambda epochs: Range(0.1 * epochs, 0.6 * epochs),
            usual=lambda decay: decay / 3,
            valid=LENGTH,
        ),
        Param(
            "gamma",
            "factor",
            "factor at each drop",
            search=lambda epochs: Range(0.05, 0.8, log=True),
            usual=lambda decay: 0.1,
            valid=DECAY,
        ),
    ),
    lr=lambda t, base_lr, decay, p: base_lr * p["gamma"] ** np.floor_divide(t, p["step_size"]),
    stages=lambda decay, p: (Stage("StepLR", {"step_size": p["step_size"], "gamma": p["gamma"]}),),
    used_by="torchvision's reference trainings of classifiers, AlexNet to ResNet",
    sets=("vision",),
)
