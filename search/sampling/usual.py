"""The schedule that people take where they know nothing of a job but its rate."""

from __future__ import annotations

from ...spaces import Schedule, ScheduleSpace

WARMUP = 0.1
"""Length of its warm-up as a share of the horizon."""


def usual(space: ScheduleSpace, base_lr: float) -> Schedule:
    """Cosine to zero with a tenth of warm-up, over the space's horizon; rate and warm-up within the space's ranges."""
    assert space.warmup is not None
    warmup = min(max(WARMUP * space.horizon, space.warmup.low), space.warmup.high)
    if space.interval == "epoch":
        warmup = float(round(warmup))
    rate = min(max(base_lr, space.base_lr.low), space.base_lr.high)
    return space.plain("cosine", float(f"{rate:.4g}"), float(f"{warmup:.4g}"))
