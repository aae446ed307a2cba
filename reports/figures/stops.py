"""When trials were stopped: how many after each epoch, by outcome."""

from __future__ import annotations

from typing import NamedTuple

from ...search import SearchResult
from .theme import OUTCOMES, Figure, axis, layout

FEWEST_STOPS = 10
"""Fewer stopped trials than this need no figure: the tables name them."""


class Stops(NamedTuple):
    """How many trials of an outcome ended after each epoch, up to the last one."""

    outcome: str
    counts: tuple[int, ...]


def stops_figure(result: SearchResult) -> Figure | None:
    """How many trials were stopped after each epoch, stacked by outcome; None for a few."""
    all_stops = stops(result)
    if sum(map(sum, (s.counts for s in all_stops))) < FEWEST_STOPS:
        return None
    data = [
        {
            "type": "bar",
            "name": s.outcome,
            "x": [result.counting.at(i) for i in range(len(s.counts))],
            "y": list(s.counts),
            "marker": {"color": OUTCOMES[s.outcome]},
            "hovertemplate": f"%{{y}} {s.outcome} after {result.counting.unit} %{{x}}<extra></extra>",
        }
        for s in all_stops
    ]
    return {
        "data": data,
        "layout": layout(
            240,
            barmode="stack",
            bargap=0.15,
            xaxis=axis(
                f"stopped after {result.counting.unit}",
                range=[-0.6 * result.counting.every, result.horizon + 0.6 * result.counting.every],
            ),
            yaxis=axis("trials", rangemode="tozero", fixedrange=True),
        ),
    }


def stops(result: SearchResult) -> tuple[Stops, ...]:
    """After which epoch trials were stopped early, by outcome."""
    last = max([result.epochs, *(t.epochs for t in result.trials)])
    by_outcome: dict[str, list[int]] = {}
    for t in result.trials:
        if t.outcome not in ("complete", "running"):
            by_outcome.setdefault(t.outcome, [0] * (last + 1))[t.epochs] += 1
    return tuple(Stops(outcome, tuple(counts)) for outcome, counts in by_outcome.items())
