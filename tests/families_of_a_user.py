"""Families as a user writes them: a decorated function, and a family in full."""

import math

import numpy as np

import lrsearch
from lrsearch import Choice, Range
from lrsearch.spaces.families import Family, Param, lambda_lr

POWER = 2


@lrsearch.family(knee=Range(0.2, 0.8), height=Range(0.1, 0.9))
def two_slopes(x, knee, height):  # type: ignore[no-untyped-def]  # as people write it
    """Down to a height at the knee, then down to 0."""
    if x < knee:  # numbers only, no arrays
        return 1 - (1 - height) * x / knee
    return height * (1 - x) / (1 - knee)


@lrsearch.family(rounding=Choice(("none", "cosine")), share=Range(0.0, 1.0))
def smooth(x, rounding, share):  # type: ignore[no-untyped-def]
    """Takes arrays too; uses a module and a number of its file."""
    left = (1 + np.cos(math.pi * x)) / 2 if rounding == "cosine" else 1 - x
    return share * left + (1 - share) * left**POWER


SAWTOOTH = Family(
    name="sawtooth",
    summary="down and up again, every `period` epochs",
    reference="made up",
    params=(
        Param(
            "period",
            "epochs",
            "length of a tooth",
            search=lambda epochs: Range(0.1 * epochs, 0.5 * epochs),
            usual=lambda decay: decay / 4,
            valid=Range(0.01, 1e6),
        ),
    ),
    lr=lambda t, base_lr, decay, p: base_lr * (1 - (t % p["period"]) / p["period"]),
    stages=lambda decay, p: (lambda_lr("1 - (t % period) / period", period=p["period"]),),
)
