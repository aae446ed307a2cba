"""Exponential decay: the rate shrinks by the same factor every epoch."""

from __future__ import annotations

from ._family import DECAY, Family, Param, Range, Stage

FAMILY = Family(
    name="exp",
    summary="base_lr * gamma ** epochs",
    reference="torch.optim.lr_scheduler.ExponentialLR",
    params=(
        Param(
            "gamma",
            "per epoch",
            "what is left of the rate after each epoch",
            search=lambda epochs: Range(0.001 ** (1 / epochs), 0.9 ** (1 / epochs)),
            usual=lambda decay: 0.05 ** (1 / decay),
            valid=DECAY,
        ),
    ),
    lr=lambda t, base_lr, decay, p: base_lr * p["gamma"] ** t,
    stages=lambda decay, p: (Stage("ExponentialLR", {"gamma": p["gamma"]}),),
    used_by="EfficientNet and MobileNet (in steps of a few epochs), many tutorials",
)
