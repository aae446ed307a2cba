"""The schedule that people take where they know nothing of a job but its rate."""

from __future__ import annotations

from ...spaces import Schedule, ScheduleSpace

WARMUP = 0.1
"""Length of its warm-up as a share of the horizon."""


def usual(space: ScheduleSpace, base_lr: float) -> Schedule:
    """Cosine to zero with a tenth of warm-up, over the space's horizon; rate and warm-up within the space's ranges."""
    rate = min(max(base_lr, space.base_lr.low), space.base_lr.high)
    return space.plain("cosine", float(f"{rate:.4g}"), space.warmup_near(WARMUP * space.horizon))
