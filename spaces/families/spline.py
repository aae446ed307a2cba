"""A smooth curve that only falls, through two free points: most other decays are close to one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ._family import END_FACTOR, FRACTION, Array, Expr, Family, Param, Range, Stage, lambda_lr

_CODE = '''\
def spline(x: float) -> float:
    """Share of BASE_LR at progress x: a cubic between each two of the KNOTS."""
    (a, left, down), (b, right, up) = next(k for k in pairwise(KNOTS) if x <= k[1][0])
    s, h = (x - a) / (b - a), b - a
    share = left * (1 + 2 * s) * (1 - s) ** 2 + right * s**2 * (3 - 2 * s)
    return share + h * s * (1 - s) * (down * (1 - s) - up * s)
'''
_PLACE = Range(0.01, 0.99)


def _interpolator(p: Mapping[str, Any]) -> Any:
    """SciPy's monotone cubic through the start, the two points and the end."""
    from scipy.interpolate import PchipInterpolator

    x1, end = p["x1"], p["end_factor"]
    y1 = end + (1 - end) * p["y1"]
    x = [0.0, x1, x1 + (1 - x1) * p["x2"], 1.0]
    return PchipInterpolator(x, [1.0, y1, end + (y1 - end) * p["y2"], end])


def _lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
    lrs: Array = base_lr * np.maximum(_interpolator(p)(np.minimum(t / decay, 1.0)), 0.0)
    return lrs


def _stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
    cubic = _interpolator({name: expr.value for name, expr in p.items()})
    shares, slopes = cubic(cubic.x), cubic.derivative()(cubic.x)
    rows = zip(cubic.x.tolist(), shares.tolist(), slopes.tolist(), strict=True)
    listed = "".join(f"    ({', '.join(repr(round(v, 12) + 0.0) for v in row)}),\n" for row in rows)
    knots = f"KNOTS = [  # progress, share of BASE_LR, slope\n{listed}]"
    return (lambda_lr("max(0.0, spline(progress))", "from itertools import pairwise", knots, _CODE, length=decay),)


FAMILY = Family(
    name="spline",
    summary="a smooth fall from base_lr to end_factor * base_lr through two points of any height",
    reference="scipy.interpolate.PchipInterpolator; two-point splines as in the study of near-optimal schedules, "
    "arXiv:2603.10301",
    params=(
        Param(
            "x1",
            "factor",
            "the first point, as a fraction of the way to the horizon",
            search=lambda epochs: Range(0.05, 0.8),
            usual=lambda decay: 0.3333,
            valid=_PLACE,
        ),
        Param(
            "y1",
            "factor",
            "its height, as a fraction of the way from the last rate up to base_lr",
            search=lambda epochs: Range(0.05, 1.0),
            usual=lambda decay: 0.75,
            valid=FRACTION,
        ),
        Param(
            "x2",
            "factor",
            "the second point, as a fraction of the way from the first to the horizon",
            search=lambda epochs: Range(0.1, 0.9),
            usual=lambda decay: 0.5,
            valid=_PLACE,
        ),
        Param(
            "y2",
            "factor",
            "its height, as a fraction of the way from the last rate up to the first point",
            search=lambda epochs: Range(0.0, 1.0),
            usual=lambda decay: 0.3333,
            valid=FRACTION,
        ),
        replace(END_FACTOR, search=lambda epochs: Range(0.0, 0.1), opt_in=False),
    ),
    lr=_lr,
    stages=_stages,
    used_by="that study, to find the best shape of all",
)
