"""How the search went, as Plotly figures: the best so far, the timeline, when trials were stopped."""

from __future__ import annotations

import itertools

from ...search import SearchResult
from ..facts.points import Bar, Step, progress, stops, timeline
from .scatter import marker, scatter, value_range
from .theme import INK, OUTCOMES, axis, layout
from .winner import Figure, text


def progress_figure(result: SearchResult) -> Figure | None:
    """Best value so far against the epochs spent, with every trial's value; None without a value."""
    steps = progress(result)
    done = [s for s in steps if s.best is not None]
    if not done:
        return None
    scored = [s for s in steps if s.value is not None]
    kept = scored if len(scored) <= 1000 else scored[:: len(scored) // 1000 + 1]
    line = _thinned(done)
    data = [
        {
            **scatter("best so far", [s.epochs for s in line], [s.best for s in line]),
            "mode": "lines",
            "line": {"color": INK, "width": 2.5, "shape": "hv"},
            "hovertemplate": "best after %{x:,} epochs: %{y:.4g}<extra></extra>",
        },
        *(_step_markers(name, [s for s in kept if s.family == name]) for name in dict.fromkeys(s.family for s in kept)),
    ]
    found = layout(
        360,
        xaxis=axis("epochs trained, all trials together", rangemode="tozero"),
        yaxis=axis(text(result.metric), range=value_range([s.value or 0.0 for s in scored], result.maximize)),
        shapes=_session_lines([a.epochs for a, b in itertools.pairwise(steps) if a.session != b.session]),
    )
    return {"data": data, "layout": found}


def _thinned(steps: list[Step]) -> list[Step]:
    """Where the best changes, and the last step."""
    return [b for a, b in zip([None, *steps], steps, strict=False) if a is None or a.best != b.best] + steps[-1:]


def _step_markers(family: str, steps: list[Step]) -> Figure:
    return {
        **scatter(family, [s.epochs for s in steps], [s.value for s in steps]),
        "customdata": [s.trial for s in steps],
        "marker": {**marker(family, 7), "opacity": 0.65},
        "hovertemplate": f"trial %{{customdata}}, {family}<br>%{{y:.4g}}<extra></extra>",
    }


def timeline_figure(result: SearchResult) -> Figure | None:
    """Trials as bars by worker over time, coloured by outcome; one trace per outcome."""
    found = timeline(result)
    if not found.bars:
        return None
    place = {lane: i for i, lane in enumerate(reversed(found.lanes))}
    scale, unit = _time_unit(max(b.end for b in found.bars))
    seam = 0.0015 * max(b.end for b in found.bars)
    width = max(6, min(22, 180 // len(place)))
    data = []
    for outcome in [o for o in OUTCOMES if any(b.outcome == o for b in found.bars)]:
        rows = [(b, _stretch(b, seam, scale), place[b.lane]) for b in found.bars if b.outcome == outcome]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": outcome,
                "x": [v for _, xs, _ in rows for v in (*xs, None)],
                "y": [v for _, _, y in rows for v in (y, y, y, None)],
                "customdata": [v for b, _, _ in rows for v in (b.trial, b.trial, b.trial, None)],
                "line": {"color": OUTCOMES[outcome], "width": width, "simplify": False},
                "hovertemplate": f"trial %{{customdata}}: {outcome}<extra></extra>",
            }
        )
    shown = layout(
        min(520, 110 + 44 * len(place)),
        xaxis=axis(f"{unit} since the start", rangemode="tozero"),
        yaxis=axis("", tickvals=list(place.values()), ticktext=list(place), range=[-0.6, len(place) - 0.4]),
        shapes=_session_lines([_time(s, scale) for s in found.sessions]),
    )
    return {"data": data, "layout": {**shown, "meta": {"left_out": found.left_out}}}


def stops_figure(result: SearchResult) -> Figure | None:
    """How many trials were stopped after each epoch, stacked by outcome; None if none was."""
    found = stops(result)
    if not found:
        return None
    data = [
        {
            "type": "bar",
            "name": s.outcome,
            "x": list(range(len(s.counts))),
            "y": list(s.counts),
            "marker": {"color": OUTCOMES[s.outcome]},
            "hovertemplate": f"%{{y}} {s.outcome} after epoch %{{x}}<extra></extra>",
        }
        for s in found
    ]
    return {
        "data": data,
        "layout": layout(
            300,
            barmode="stack",
            bargap=0.15,
            xaxis=axis("stopped after epoch", range=[-0.6, result.epochs + 0.6]),
            yaxis=axis("trials", rangemode="tozero"),
        ),
    }


def _session_lines(places: list[float]) -> list[Figure]:
    line = {"color": INK, "width": 1, "dash": "dot"}
    return [
        {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line} for x in places
    ]


def _time_unit(seconds: float) -> tuple[float, str]:
    return (3600.0, "hours") if seconds > 7200 else (60.0, "minutes") if seconds > 180 else (1.0, "seconds")


def _stretch(bar: Bar, seam: float, scale: float) -> tuple[float, float, float]:
    """A bar's start, middle and end, cut a little short so that neighbours stay apart."""
    end = bar.end - min(seam, 0.1 * (bar.end - bar.start))
    return _time(bar.start, scale), _time((bar.start + end) / 2, scale), _time(end, scale)


def _time(seconds: float, scale: float) -> float:
    return round(seconds / scale, 4)
