"""Which trials of a search are confirmed: not the luckiest ones, but those that should do best on other seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import Study

from ..results.trial import TrialRecord
from ..sampling.curve_model import CurveModel

APART = 0.1
"""Candidates differ by this much at least: mean difference of their curves' features, in standard deviations."""


def leaders_of(model: CurveModel, study: Study, ranking: Sequence[TrialRecord]) -> list[int]:
    """Numbers of trials that lie apart, the one first that should do best on other seeds as well.

    Args:
        model: The surrogate.
        study: The search's study.
        ranking: Complete trials, best value first.
    """
    schedules = [t.schedule for t in ranking if t.schedule]
    expected = model.expected(study, schedules)
    order = range(len(ranking)) if expected is None else np.argsort(expected, kind="stable")
    features = model.features.whole(schedules)
    chosen: list[int] = []
    for i in order:
        if all(np.abs(features[i] - features[j]).mean() > APART for j in chosen):
            chosen.append(int(i))
    return [ranking[i].number for i in chosen]


def reason_for(leaders: Sequence[int], ranking: Sequence[TrialRecord]) -> str:
    """Why the searched trial with the best value is not among those that are confirmed; empty if it is."""
    best = ranking[0].number
    if best in leaders:
        return ""
    return (
        f" Trial {best} had the best value in the search, but that is one run. Going by all trials with similar "
        f"curves, trial {leaders[0]} should do at least as well on other seeds."
    )
