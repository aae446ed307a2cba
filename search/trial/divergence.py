"""When a measurement counts as divergence."""

from __future__ import annotations

import math

from ...objectives import Measurement

DIVERGED_FACTOR = 10.0
"""A loss this many times the untrained (or else the first) loss counts as diverged."""


def diverged(m: Measurement, start_loss: float) -> str:
    """Why a measurement counts as divergence; empty if it does not.

    A metric that is NaN or infinite, or a loss above `DIVERGED_FACTOR` times `start_loss`.
    """
    for name, value in m.metrics.items():
        if not math.isfinite(value):
            return f"{name} was {value} after epoch {m.epoch}"
        if "loss" in name and start_loss > 0 and value > DIVERGED_FACTOR * start_loss:
            return f"{name} rose to {value:.3g} after epoch {m.epoch}, from {start_loss:.3g} at the start"
    return ""
