"""What the surrogate is shown of a study's trials: their curves, and their values at a few epochs."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ...spaces import Schedule, ScheduleSpace
from ..notes.trial import TrialNotes
from .features import Array, Features

Params = dict[str, float | str]

OBSERVED_AT = (0.25, 0.5, 0.75)
"""Shares of the horizon at which a trial is observed, besides its last epoch."""
MAX_KNOWN = 3000
"""Trials of a study that are taken in when it is opened: a curve's features take a third of a millisecond."""
MAX_BLIND = 16
"""More trials than this are not chosen at one moment: their processes have died."""


class Curve:
    """A trial's schedule with its features, which are computed once.

    Attributes:
        schedule: The schedule.
        params: Its Optuna parameters; empty if it does not lie in the space.
        whole: Features of the whole curve, ``(d,)``.
    """

    def __init__(self, schedule: Schedule, params: Params, features: Features) -> None:
        self.schedule, self.params = schedule, params
        self.whole = features.whole([schedule])[0]
        self._features = features
        self._rows: dict[int, Array] = {}

    def after(self, epochs: Sequence[int]) -> Array:
        """Features of its beginnings, ``(len(epochs), d)``."""
        for e in epochs:
            if e not in self._rows:
                self._rows[e] = self._features.after(self.schedule, e)
        return np.stack([self._rows[e] for e in epochs])


@dataclass(frozen=True)
class Seen:
    """A trial as the surrogate sees it.

    Attributes:
        curve: Its learning-rate curve.
        epochs: Epochs observed, rising; the last one is its last.
        values: The metric there, smaller is better; infinite after a divergence.
        complete: Whether it ended by itself, with a value for the whole curve.
    """

    curve: Curve
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    complete: bool

    @cached_property
    def x(self) -> Array:
        """Features of the beginnings observed, ``(observations, d)``."""
        return self.curve.after(self.epochs)


def curve_of(trial: FrozenTrial, space: ScheduleSpace, features: Features) -> Curve | None:
    """The curve of a trial, as noted or as its parameters say; None if they do not make a schedule (yet)."""
    params: Params = {}
    if (family := trial.params.get("family")) and set(space.names(family)) <= set(trial.params):
        params = trial.params
    notes = TrialNotes.read(trial.user_attrs)
    if notes.schedule is not None:
        return Curve(Schedule.from_dict(notes.schedule).ran(notes.shown.lr), params, features)
    return Curve(space.schedule(params), params, features) if params else None


def reported(trial: FrozenTrial, every: int = 1) -> dict[int, float]:
    """What a trial has reported, by epochs done, or reports `every` so many steps; counted from 0 or from 1."""
    at = trial.intermediate_values
    offset = 0 if min(at, default=every) >= every else 1
    return {when // every + offset: value for when, value in at.items()}


def _sign(study: Study) -> float:
    """What makes smaller values better."""
    return -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0


def value_at(study: Study, trial: FrozenTrial, done: int, every: int = 1) -> float:
    """What a trial has reported then, smaller is better; infinite if it is not finite, or nothing was reported."""
    value = _sign(study) * reported(trial, every).get(done, math.inf)
    return value if math.isfinite(value) else math.inf


def observe(study: Study, trial: FrozenTrial, curve: Curve, horizon: int, every: int = 1) -> Seen:
    """The observations of a trial so far; the horizon is in whole epochs, or in reports `every` so many steps."""
    sign = _sign(study)
    values = {e: sign * v for e, v in reported(trial, every).items() if e <= horizon}
    complete = trial.state == TrialState.COMPLETE
    if complete and trial.value is not None:
        values[horizon] = sign * trial.value
    known, wanted = sorted(values), [max(1, round(share * horizon)) for share in OBSERVED_AT]
    befores = {bisect_right(known, e) for e in (*wanted, horizon)}  # reports up to there; of many epochs not all are
    epochs = tuple(known[n - 1] for n in sorted(befores) if n)
    return Seen(curve, epochs, tuple(v if math.isfinite(v := values[e]) else math.inf for e in epochs), complete)


def observations(
    trials: Sequence[Seen], most: int, warp: Callable[[Array], Array] | None = None
) -> tuple[Array, Array]:
    """All observations of the trials, features and values; of too many the better half and a spread of the rest."""
    x, y = np.concatenate([t.x for t in trials]), np.concatenate([t.values for t in trials])
    if len(y) > most:
        order = np.argsort(y, kind="stable")
        better, rest = order[: most // 2], order[most // 2 :]
        spread = rest[np.linspace(0, len(rest) - 1, most - len(better)).round().astype(int)]
        keep = np.sort(np.concatenate([better, spread]))
        x, y = x[keep], y[keep]
    return x, warp(y) if warp else y


def worth_knowing(study: Study, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
    """The trials to learn from; of too many at once the better half and an even spread."""
    if len(trials) <= MAX_KNOWN:
        return trials
    sign = _sign(study)
    values = [math.inf if t.value is None else sign * t.value for t in trials]
    better = set(heapq.nsmallest(MAX_KNOWN // 2, range(len(trials)), key=values.__getitem__))
    spread = range(0, len(trials), 2 * len(trials) // MAX_KNOWN)
    return [trials[i] for i in sorted({*better, *spread})]


def blind_before(study: Study, number: int) -> int:
    """How many trials other processes are choosing at this moment, before the one of that number."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    unknown = [t for t in running if not t.params and TrialNotes.read(t.user_attrs).schedule is None]
    blind = sum(t.number < number for t in unknown)
    return min(blind, MAX_BLIND)
