"""How well early epochs foretell how trials end, measured on the study's own complete trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...search import SearchResult

SHARES = (0.1, 0.25, 0.5, 0.75)
MIN_TRIALS = 8
"""Fewer complete trials than this have no order to speak of."""


@dataclass(frozen=True)
class EarlyOrder:
    """The order of trials after an epoch against their order at the end.

    Attributes:
        epoch: The epoch, or step.
        everyone: Spearman's rank correlation over all complete trials; 1 is the same order, 0 none.
        better: The same over the better half at the end, where the winner is found; None with too few trials.
    """

    epoch: int
    everyone: float
    better: float | None


def early_orders(result: SearchResult) -> tuple[EarlyOrder, ...]:
    """The order after a tenth, a quarter, a half and three quarters of the horizon; none with too few trials."""
    curves = [
        t.metrics[result.metric] for t in result.ranking if len(t.metrics.get(result.metric, ())) == result.epochs
    ]
    epochs = sorted({max(1, round(share * result.epochs)) for share in SHARES} - {result.epochs})
    if len(curves) < MIN_TRIALS or not epochs:
        return ()
    values = np.array(curves)  # (trials, epochs), best first
    half = values[: len(values) // 2]
    return tuple(
        EarlyOrder(result.counting.at(e), _spearman(values, e), _spearman(half, e) if len(half) >= MIN_TRIALS else None)
        for e in epochs
    )


def _spearman(values: NDArray[np.float64], epoch: int) -> float:
    """Rank correlation of a column with the last one; ties count in the order of the trials."""
    ranks = values[:, [epoch - 1, -1]].argsort(0, kind="stable").argsort(0)
    return float(np.corrcoef(ranks.T)[0, 1])
