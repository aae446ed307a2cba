"""The schedules that people use without a search: what a winner has to beat."""

from __future__ import annotations

from ..spaces import Schedule, ScheduleSpace

BASELINES = {"constant": "constant", "linear": "linear to zero", "cosine": "cosine to zero"}


def baselines(space: ScheduleSpace) -> dict[str, Schedule]:
    """Each baseline by name: the middle base_lr of the space, no warm-up, the decay over the whole horizon."""
    base_lr = float(f"{space.base_lr.middle:.4g}")
    return {
        title: Schedule(
            family,
            base_lr,
            space.horizon,
            warmup_start=space.warmup_start,
            interval=space.interval,
        )
        for family, title in BASELINES.items()
    }
