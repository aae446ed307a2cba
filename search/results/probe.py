"""`Probe`: what short runs at constant rates say about the scale of base_lr, read from storage."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..notes.study import ProbeNotes
from ..sampling.scale import Scale
from .trial import TrialRecord

PROBE_EPOCHS = 1
"""Epochs of a run of a probe; where trials are counted in steps, reports."""


def scale_noted(noted: ProbeNotes | None) -> Scale | None:
    """The scale that a probe's note holds, if it holds one."""
    if noted is None or noted.base_lr is None:
        return None
    return Scale(noted.base_lr) if noted.decades is None else Scale(noted.base_lr, noted.decades)


@dataclass(frozen=True)
class Probe:
    """A learning-rate probe: an epoch at each of a few constant rates.

    Attributes:
        runs: Its runs, by rising rate.
        scale: Where base_lr should lie; None if it could not be told.
        why: Why there was no probe, or why it tells nothing; empty otherwise.
    """

    runs: tuple[TrialRecord, ...]
    scale: Scale | None = None
    why: str = ""

    @classmethod
    def of(cls, runs: tuple[TrialRecord, ...], noted: ProbeNotes | None) -> Probe | None:
        """From its stored runs and the study's note; None if there is neither."""
        if noted is None and not runs:
            return None
        noted = noted or ProbeNotes()
        ordered = sorted((r for r in runs if r.schedule), key=lambda r: r.schedule.base_lr if r.schedule else 0.0)
        return cls(tuple(ordered), scale_noted(noted), noted.why)

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Rates and values of its runs that have ended, by rising rate; infinite where training diverged."""
        ended = [r for r in self.runs if r.outcome in ("complete", "diverged") and r.schedule and r.value is not None]
        return tuple((r.schedule.base_lr, r.value) for r in ended if r.schedule and r.value is not None)

    @property
    def wall(self) -> float | None:
        """The lowest rate that diverged although every lower one did not; None if none did."""
        wall = None
        for rate, value in reversed(self.points):
            if math.isfinite(value):
                break
            wall = rate
        return wall

    @property
    def epochs(self) -> int:
        """Epochs that it trained."""
        return sum(r.epochs for r in self.runs)
