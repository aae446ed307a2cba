"""Quantiles of Student's t in closed form, for commands that only read: importing SciPy's takes a third of a second."""

from __future__ import annotations

import math
from functools import lru_cache

_HALVINGS = 60


@lru_cache(maxsize=1024)
def upper_quantile(degrees: int, level: float) -> float:
    """What Student's t exceeds with this probability.

    Args:
        degrees: Degrees of freedom, >= 1.
        level: The probability, at most 1/2; 0 gives infinity. The quantile's relative error is about ``1e-15 / level``.
    """
    if level <= 0:
        return math.inf
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        low, high = (angle, high) if (1 - _within(angle, degrees)) / 2 > level else (low, angle)
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _within(angle: float, degrees: int) -> float:
    """The probability of ``|t| < sqrt(degrees) * tan(angle)``.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 (odd degrees) and 26.7.4 (even ones).
    """
    cosine, odd = math.cos(angle), degrees % 2
    term = total = (cosine if odd else 1.0) if degrees > 1 else 0.0
    for power in range(2 + odd, degrees - 1, 2):
        term *= cosine**2 * (power - 1) / power
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
