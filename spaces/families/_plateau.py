"""What follows the metric instead of a curve that is known beforehand: a baseline, never searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError
from ._family import DECAY, HUGE, AnyName, Array, Choice, Expr, Family, Param, Range, Stage, Unit

NOT_KNOWN_BEFOREHAND = (
    "plateau follows the metric, so that its rates are known only once it has trained: "
    "it can only be a baseline, as --baseline plateau:base_lr=0.1,factor=0.1,patience=3"
)


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    return np.full_like(t, base_lr)


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    raise InputError(f"{NOT_KNOWN_BEFOREHAND}.")


def _number(
    name: str, summary: str, usual: float, valid: Range, unit: Unit = "factor", *, opt_in: bool = True
) -> Param:
    alone = Range(usual, usual)
    return Param(name, unit, summary, lambda epochs: alone, lambda decay: usual, valid, opt_in)


def _word(name: str, summary: str, valid: Choice, *, opt_in: bool = False) -> Param:
    return Param(name, "choice", summary, lambda epochs: valid, lambda decay: valid.options[0], valid, opt_in)


PLATEAU = Family(
    name="plateau",
    summary="base_lr, times factor whenever the metric has not improved for more than patience epochs",
    reference="torch.optim.lr_scheduler.ReduceLROnPlateau",
    params=(
        _number("factor", "factor at each drop", 0.1, DECAY, opt_in=False),
        _number("patience", "epochs without improvement that are let pass", 10, Range(0, 1e6, step=1), opt_in=False),
        _word("metric", "what it follows; that of the search by default", AnyName(("",))),
        _word("mode", "whether less of the metric is better", Choice(("min", "max"))),
        _number("threshold", "what counts as an improvement", 1e-4, Range(0.0, HUGE)),
        _word("threshold_mode", "whether that is relative", Choice(("rel", "abs")), opt_in=True),
        _number("cooldown", "epochs after a drop in which none are counted", 0, Range(0, 1e6, step=1)),
        _number("min_lr", "lowest rate", 0.0, Range(0.0, HUGE), "lr"),
    ),
    lr=_lr,
    stages=_stages,
    used_by="whoever would rather not choose a length beforehand",
)
"""PyTorch's own words and usual values; its ``eps`` stays at 1e-8."""
PLATEAU_ARGUMENTS = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr")
"""The parameters that PyTorch's class takes, in its order."""
