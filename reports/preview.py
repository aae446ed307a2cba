"""Previews: any family's curve for several parameter values, without training anything."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..spaces import Interval, Schedule, get_family

# The values of the figures in the tutorial that lrsearch grew out of: lr 0.1, 150 epochs.
GALLERY: tuple[tuple[str, dict[str, list[Any]]], ...] = (
    ("exp", {"gamma": [0.9, 0.95, 0.98, 0.99]}),
    ("step", {"step_size": [30.0], "gamma": [0.3, 0.5, 0.65, 0.8]}),
    ("cosine", {"T_max": [50.0, 100.0, 150.0], "eta_min": [0.0]}),
    ("linear", {"warmup": [0.0, 5.0, 15.0, 30.0]}),
)
_COMMON = ("base_lr", "warmup")


def variants(
    family: str, values: Mapping[str, Sequence[Any]], *, horizon: float, interval: Interval = "epoch"
) -> dict[str, Schedule]:
    """Every combination of the values, labelled by what differs.

    Args:
        family: Name of the family.
        values: One or more values by parameter name; also ``base_lr`` (0.1 by default) and ``warmup``.
        horizon: Epochs to draw.
        interval: Whether the rate changes every step or every epoch.

    Raises:
        InputError: A parameter does not belong to the family, or a value is outside its domain.
    """
    own = [p.name for p in get_family(family).params]
    if strange := [name for name in values if name not in (*own, *_COMMON)]:
        raise InputError(f"{family} has no parameter {strange[0]!r}; it takes {', '.join((*own, *_COMMON))}.")
    given = {"base_lr": [0.1], "warmup": [0.0], **values}
    varied = [name for name, found in given.items() if len(found) > 1] or list(values)
    schedules = {}
    for combination in itertools.product(*given.values()):
        chosen = dict(zip(given, combination, strict=True))
        label = f"{family} " + ", ".join(f"{n}={_shown(chosen[n])}" for n in varied)
        base_lr, warmup = chosen.pop("base_lr"), chosen.pop("warmup")
        schedules[label.strip()] = Schedule(family, base_lr, horizon, chosen, warmup, interval=interval)
    return schedules


def write_preview(groups: Mapping[str, Mapping[str, Schedule]], path: Path, steps_per_epoch: int = 20) -> Path:
    """One HTML page, usable offline, with a plot of lr against epochs for each group of labelled schedules."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=len(groups), cols=1, subplot_titles=list(groups), vertical_spacing=0.25 / len(groups))
    for row, (title, schedules) in enumerate(groups.items(), start=1):
        for label, schedule in schedules.items():
            x, y = points(schedule, steps_per_epoch)
            shape = "hv" if schedule.interval == "epoch" else "linear"
            trace = go.Scatter(x=x, y=y, name=label, legendgroup=title, line_shape=shape, line_width=2)
            figure.add_trace(trace, row=row, col=1)
    figure.update_xaxes(title_text="epoch")
    figure.update_yaxes(title_text="learning rate", rangemode="tozero", exponentformat="power")
    figure.update_layout(template="plotly_white", height=max(420, 380 * len(groups)), legend_title_text="")
    try:
        figure.write_html(path, include_plotlyjs=True, full_html=True)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written ({error.strerror}): choose another place.") from None
    return path


def points(schedule: Schedule, steps_per_epoch: int = 20) -> tuple[list[float], list[float]]:
    """Epochs and rates to plot, one point per change of the rate, ends included."""
    n = steps_per_epoch if schedule.interval == "step" else 1
    lrs = schedule.curve(n, schedule.horizon + 1 / n)
    return [i / n for i in range(len(lrs))], lrs.tolist()


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
