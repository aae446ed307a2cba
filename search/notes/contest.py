"""What a confirmation compares, and on which seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from .fields import Notes


class Look(NamedTuple):
    """One look at all comparisons: after how many seeds, and the level of its one-sided tests."""

    seeds: int
    level: float


@dataclass(frozen=True)
class Contest(Notes):
    """What is compared and on which seeds; stored in the confirmation's study.

    Attributes:
        after: How many trials of the search counted.
        candidates: Trials that may be the winner.
        baselines: Baseline trials of which the best is to be beaten.
        own: The trial of the user's own baseline, to be beaten in any case, if there is one.
        choosing: Seeds that choose the winner and the best baseline; none if there is no choice.
        judging: Seeds that judge, in the order of their use; all are other seeds than those that choose.
        looks: Looks at the comparison so far.
        level: What the levels of its looks may add up to; the whole level of a study in those of older versions.
        lower: The winner at a lower base_lr, if it was near the edge and there was budget to judge that, too.
    """

    after: int
    candidates: tuple[int, ...] = ()
    baselines: tuple[int, ...] = ()
    own: tuple[int, ...] = ()
    choosing: tuple[int, ...] = ()
    judging: tuple[int, ...] = ()
    looks: tuple[Look, ...] = ()
    level: float = 0.05
    lower: tuple[int, ...] = ()

    @property
    def undecided(self) -> tuple[int, ...]:
        """The trials to be run on the seeds that choose: those that there is more than one of."""
        return tuple(t for group in (self.candidates, self.baselines) if len(group) > 1 for t in group)

    @property
    def spent(self) -> float:
        """What the looks so far have spent of the level."""
        return math.fsum(look.level for look in self.looks)
