"""How large a confirmation a budget has room for."""

from __future__ import annotations

import math
from dataclasses import dataclass

SHARE = 0.4
"""Share of a budget that is held back for confirmation at most: 24 full trials of the default budget of 60, enough for
9 seeds to judge on, which find a difference of two noise units in nine of ten cases."""
CHOOSING_SEEDS = 2


@dataclass(frozen=True)
class Shape:
    """How large a confirmation is.

    Attributes:
        candidates: How many of the best trials may be the winner; the seeds that choose decide.
        baselines: How many tuned baselines are tried, each by one trial of the search; it has to beat the best.
    """

    candidates: int
    baselines: int

    def runs(self, judging: int, own: int) -> int:
        """Full trials it takes with this many seeds to judge on and this many baselines of the user's own."""
        choosing = self.candidates * CHOOSING_SEEDS if self.candidates > 1 else 0
        return self.baselines + choosing + (2 + own) * judging


SHAPES = {Shape(3, 3): 9, Shape(2, 2): 7, Shape(1, 2): 5, Shape(1, 1): 3}
"""Shapes by the least seeds to judge on that they are worth it with, the largest first."""


def shape_for(runs: float, own: int) -> Shape | None:
    """The largest shape that this many full trials are enough for; None if not even the smallest."""
    return next((shape for shape, seeds in SHAPES.items() if shape.runs(seeds, own) <= runs), None)


def held_back(budget: float, seeds: int, own: int) -> float:
    """How many of a budget's full trials to keep for confirmation with at most this many seeds."""
    most = min(SHARE * budget, next(iter(SHAPES)).runs(seeds, own))
    return most if seeds and shape_for(most, own) else 0.0


def least_budget(own: int) -> int:
    """Full trials of the smallest budget that keeps enough for a confirmation beside this many own baselines."""
    shape, seeds = list(SHAPES.items())[-1]
    return math.ceil(shape.runs(seeds, own) / SHARE)


def too_small(own: int) -> str:
    """What to tell a person whose budget keeps nothing for confirmation."""
    beside = " beside a baseline of your own" if own else ""
    return (
        f"The budget is too small to confirm the winner on fresh seeds{beside}: "
        f"that takes one of about {least_budget(own)} full trials."
    )
