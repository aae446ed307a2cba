"""What a search notes when it ends, since it takes long to compute: whoever reads the study need not.

A stranger may have noted anything, and trials may have come since: what does not fit is left aside and computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...errors import StudyError
from .fields import Notes

K = TypeVar("K", bound="Kept")


class Kept(Notes):
    """Notes that can be computed again."""

    @classmethod
    def kept(cls: type[K], noted: Any) -> K | None:
        """What was noted; None without any, or if it is something else."""
        try:
            return cls.read(noted) if isinstance(noted, Mapping) else None
        except StudyError:
            return None


@dataclass(frozen=True)
class Shares(Kept):
    """How much each parameter mattered in a search.

    Attributes:
        complete: Of how many complete trials that was computed.
        shares: By parameter, from 0 to 1.
    """

    complete: int
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Response(Kept):
    """What the surrogate expects of a schedule at other rates, in the metric's unit; the tuples are equally long.

    Attributes:
        base_lr: The rates, rising.
        mean: The expected value.
        low: One standard deviation below.
        high: One standard deviation above.
        limit: Where the surrogate stops telling values apart: all that are worse look alike to it.
        good: Lowest and highest rate, around the best one, that is expected close to the best.
    """

    base_lr: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    limit: float
    good: tuple[float, ...]

    @property
    def sound(self) -> bool:
        """Whether it can be drawn."""
        curves = self.base_lr, self.mean, self.low, self.high
        finite = all(map(math.isfinite, (*self.good, self.limit, *(v for values in curves for v in values))))
        long = len({len(values) for values in curves}) == 1 and len(self.base_lr) > 1 and len(self.good) == 2
        return long and finite and self.base_lr[0] > 0 and sorted(set(self.base_lr)) == list(self.base_lr)


@dataclass(frozen=True)
class NotedResponse(Kept):
    """A `Response`, and what it was computed of.

    Attributes:
        schedule: The schedule, as `Schedule.to_dict` writes it.
        complete: Number of complete trials.
        diverged: Number of diverged trials.
        curve: The response.
    """

    schedule: Mapping[str, Any]
    complete: int
    diverged: int
    curve: Response
