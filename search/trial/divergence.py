"""When a measurement counts as divergence."""

from __future__ import annotations

import math

from ...objectives import Measurement
from ...spaces import IN_EPOCHS, Counting

DIVERGED_FACTOR = 10.0
"""A loss this many times the untrained (or else the first) loss counts as diverged."""


def diverged(m: Measurement, start_loss: float, counting: Counting = IN_EPOCHS) -> str:
    """Why a measurement of a training that is counted so counts as divergence; empty if it does not.

    A metric that is NaN or infinite, or a loss above `DIVERGED_FACTOR` times `start_loss`.
    """
    when = counting.when(m.epoch)
    for name, value in m.metrics.items():
        if not math.isfinite(value):
            return f"{name} was {value} after {when}"
        if "loss" in name and start_loss > 0 and value > DIVERGED_FACTOR * start_loss:
            return f"{name} rose to {value:.3g} after {when}, from {start_loss:.3g} at the start"
    return ""
