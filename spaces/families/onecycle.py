"""One cycle: up from base_lr / div_factor to base_lr, then down to almost nothing at the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._family import Array, Choice, Expr, Family, Param, Range, Stage, lambda_lr

ANNEAL = Choice(("cos", "linear"))
_RAMPS = {"cos": "(1 - math.cos(math.pi * x)) / 2", "linear": "x"}
_CODE = '''\
def one_cycle(t: int, steps: int) -> float:
    """Share of BASE_LR at step t of so many steps."""
    peak = {pct_start} * steps - 1
    x = t / peak if t < peak else min((t - peak) / (steps - 1 - peak), 1)
    ramp = {ramp}
    first, last = {first}, {last}
    return first + (1 - first) * ramp if t < peak else 1 + (last - 1) * ramp
'''


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    peak, first = p["pct_start"] * decay - 1, 1 / p["div_factor"]
    rising = t < peak
    x = np.where(rising, t / (peak or 1.0), np.minimum((t - peak) / (decay - 1 - peak), 1))
    ramp = x if p["anneal_strategy"] == "linear" else (1 - np.cos(np.pi * x)) / 2
    last = first / p["final_div_factor"]
    lrs: Array = base_lr * np.where(rising, first + (1 - first) * ramp, 1 + (last - 1) * ramp)
    return lrs


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    first, ramp = 1 / p["div_factor"].value, _RAMPS[p["anneal_strategy"].value]
    last = first / p["final_div_factor"].value
    code = _CODE.format(pct_start=p["pct_start"].text, ramp=ramp, first=repr(first), last=repr(last))
    imports = ("import math",) if "math" in ramp else ()
    return (lambda_lr("one_cycle(t, decay)", *imports, code, decay=decay),)


FAMILY = Family(
    name="onecycle",
    summary="up from base_lr / div_factor to base_lr in pct_start of the epochs, then down to almost nothing",
    reference="torch.optim.lr_scheduler.OneCycleLR (without its momentum); Smith & Topin 2018, arXiv:1708.07120",
    params=(
        Param(
            "pct_start",
            "factor",
            "the rise, as a fraction of the horizon",
            search=lambda epochs: Range(0.05, 0.5),
            usual=lambda decay: 0.3,
            valid=Range(0.0, 0.99),
        ),
        Param(
            "div_factor",
            "factor",
            "base_lr over the first rate",
            search=lambda epochs: Range(5.0, 100.0, log=True),
            usual=lambda decay: 25.0,
            valid=Range(1.0, 1e9),
            opt_in=True,
        ),
        Param(
            "final_div_factor",
            "factor",
            "the first rate over the last",
            search=lambda epochs: Range(1.0, 1e4, log=True),
            usual=lambda decay: 1e4,
            valid=Range(1e-3, 1e9),
            opt_in=True,
        ),
        Param(
            "anneal_strategy",
            "choice",
            "shape of both parts",
            search=lambda epochs: ANNEAL,
            usual=lambda decay: "cos",
            valid=ANNEAL,
            opt_in=True,
        ),
    ),
    lr=_lr,
    stages=_stages,
    used_by="fastai; image classifiers trained fast, as for DAWNBench",
    sets=("vision",),
    rises=True,
)
