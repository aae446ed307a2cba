"""How the search went: the best value so far against the epochs spent, with every trial's value."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from ...search import SearchResult, TrialRecord
from ..facts.tables import finite
from .base_lr import FEWEST, upright
from .points import Scale, marker, scale, scatter
from .theme import INK, Figure, axis, layout


class Step(NamedTuple):
    """The state of the search after a trial: epochs or steps spent so far, its value, and the best so far."""

    trial: int
    epochs: int
    value: float | None
    best: float | None
    family: str
    outcome: str
    session: int


def progress_figure(result: SearchResult) -> Figure | None:
    """The figure; None with too few values."""
    steps = progress(result)
    done = [s for s in steps if s.best is not None]
    scored = [s for s in steps if s.value is not None]
    if len(scored) < FEWEST:
        return None
    shown = scale(result)
    kept = scored if len(scored) <= 1000 else scored[:: len(scored) // 1000 + 1]
    line = _thinned(done)
    data = [
        {
            **scatter("best so far", [s.epochs for s in line], [shown.place(s.best or 0.0) for s in line]),
            "mode": "lines",
            "text": [f"{s.best:.4g}" for s in line],
            "line": {"color": INK, "width": 2.5, "shape": "hv"},
            "hovertemplate": f"best after %{{x:,}} {result.counting.units}: %{{text}}<extra></extra>",
        },
        *(
            _markers(name, [s for s in kept if s.family == name], shown)
            for name in dict.fromkeys(s.family for s in kept)
        ),
    ]
    resumed = [a.epochs for a, b in itertools.pairwise(steps) if a.session != b.session]
    placed = layout(
        320,
        xaxis=axis(f"{result.counting.units} trained, all trials together", rangemode="tozero"),
        yaxis={**shown.settings, "fixedrange": True},
        shapes=[upright(x, INK, 1, "dot") for x in resumed],
        meta={"off": shown.off},
    )
    return {"data": data, "layout": placed}


def progress(result: SearchResult) -> tuple[Step, ...]:
    """The trials in the order they ended, with the epochs spent and the best value so far."""
    steps: list[Step] = []
    epochs, best = 0, None
    pick = max if result.maximize else min
    for t in sorted(result.trials, key=lambda t: (t.ended is None, t.ended.timestamp() if t.ended else 0, t.number)):
        epochs += result.counting.at(t.epochs)
        value = finite(t) if t.outcome == "complete" else None
        if value is not None:
            best = value if best is None else pick(best, value)
        family = t.schedule.family if t.schedule else ""
        steps.append(Step(t.number, epochs, value, best, family, t.outcome, session_of(result, t)))
    return tuple(steps)


def session_of(result: SearchResult, trial: TrialRecord) -> int:
    """Number of the session a trial ran in, from 0."""
    if trial.started is None:
        return 0
    return max(0, sum(b <= trial.started.timestamp() for b in result.begun) - 1)


def _thinned(steps: list[Step]) -> list[Step]:
    """Where the best changes, and the last step."""
    return [b for a, b in zip([None, *steps], steps, strict=False) if a is None or a.best != b.best] + steps[-1:]


def _markers(family: str, steps: list[Step], shown: Scale) -> Figure:
    values = [s.value or 0.0 for s in steps]
    return {
        **scatter(family, [s.epochs for s in steps], [shown.place(v) for v in values]),
        "customdata": [s.trial for s in steps],
        "text": [f"{v:.4g}" for v in values],
        "marker": marker(family, 7, [shown.beyond(v) for v in values], maximize=shown.maximize),
        "hovertemplate": f"trial %{{customdata}}, {family}<br>%{{text}}<extra></extra>",
    }
