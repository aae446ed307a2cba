"""How large a confirmation a budget has room for."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.4
"""Share of a budget that is held back for confirmation at most: 24 full trials of the default budget of 60, enough to
find a difference of two noise units in nine of ten cases."""
CHOOSING_SEEDS = 2


@dataclass(frozen=True)
class Shape:
    """How large a confirmation is.

    Attributes:
        candidates: How many of the best trials may be the winner.
        baselines: How many tuned baselines are tried, of which it has to beat the best.
    """

    candidates: int
    baselines: int

    def runs(self, judging: int, own: int) -> int:
        """Full trials it takes with so many seeds to judge on and so many baselines of the user's own."""
        choosing = (self.candidates + self.baselines) * CHOOSING_SEEDS if self.candidates > 1 else 0
        return self.baselines + choosing + (2 + own) * judging


SHAPES = {Shape(3, 3): 7, Shape(2, 2): 7, Shape(1, 1): 3}
"""Shapes by the least seeds to judge on that they are worth it with, the largest first."""


LEAST = 18
"""Full trials of the smallest budget of which `SHARE` is enough for the smallest shape."""


def shape_for(runs: float, own: int) -> Shape | None:
    """The largest shape that so many full trials are enough for; None if not even the smallest."""
    return next((shape for shape, seeds in SHAPES.items() if shape.runs(seeds, own) <= runs), None)


def held_back(budget: float, seeds: int, own: int) -> float:
    """How many of a budget's full trials to keep for confirmation with at most so many seeds."""
    most = min(SHARE * budget, next(iter(SHAPES)).runs(seeds, own))
    return most if seeds and shape_for(most, own) else 0.0
