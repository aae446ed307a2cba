"""The samplers to choose from, made repeatable."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ...errors import unknown
from ...options import SAMPLERS
from ...spaces import ScheduleSpace
from .scale import Scale

FIXED_RANGES = ("gp", "qmc")
"""These draw a parameter jointly with the others only while its range is what it was in the first trials."""


class _Sequence(QMCSampler):
    """Optuna's scrambled Sobol sequence at a given place: the study counts interrupted trials, too.

    Args:
        place: Number of the point that the next proposal is.
        scramble: Seed of the sequence.
        others: Seed of what is not drawn jointly.
    """

    def __init__(self, place: int, scramble: int, others: int) -> None:
        super().__init__(
            scramble=True,
            seed=scramble,
            independent_sampler=RandomSampler(seed=others),
            warn_independent_sampling=False,
            warn_asynchronous_seeding=False,
        )
        self._place = place

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._place


_OPTUNAS: dict[str, Callable[[int, int, int], BaseSampler]] = {
    "tpe": lambda seed, index, search: TPESampler(seed=seed),
    "gp": lambda seed, index, search: GPSampler(seed=seed, warn_independent_sampling=False),
    "random": lambda seed, index, search: RandomSampler(seed=seed),
    "qmc": lambda seed, index, search: _Sequence(max(0, index - 1), search, seed),  # the first trial takes no point
}
"""Samplers by the seed of a trial's draw, the draw and the seed of the search."""


class Repeatable(BaseSampler):
    """Wraps a sampler so that its random draws depend on the seed and the trial alone.

    Each trial gets a sampler of its own, seeded by ``(seed, index)``; an interrupted trial does not count. A search
    that was stopped and resumed therefore proposes what an uninterrupted one would have.

    Args:
        name: One of Optuna's samplers in `SAMPLERS`.
        seed: The search's seed.
        skipped: By how much trials' numbers are ahead of their draws, since interrupted trials use up numbers.
    """

    def __init__(self, name: str, seed: int, skipped: int = 0) -> None:
        self._make = _OPTUNAS[name]
        self._seed = seed
        self._skipped = skipped
        self._sampler = self._lasting = self._fresh(0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed for this trial."""
        self._sampler = self._fresh(trial.number - self._skipped)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See `BaseSampler`; no randomness in it, and the lasting sampler remembers the trials it has seen."""
        return self._lasting.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See `BaseSampler`."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Clip non-finite values")  # diverged trials, on purpose
            return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See `BaseSampler`."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """See `BaseSampler`."""
        self._sampler.after_trial(study, trial, state, values)

    def _fresh(self, index: int) -> BaseSampler:
        seed = int(np.random.SeedSequence([self._seed, max(0, index)]).generate_state(1)[0] >> 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self._make(seed, index, self._seed)


def make_sampler(
    name: str, seed: int, space: ScheduleSpace, skipped: int = 0, scale: Scale | None = None
) -> BaseSampler:
    """The sampler of that name for schedules of `space`; raises `InputError` with the closest name.

    Args:
        name: One of `SAMPLERS`.
        seed: The search's seed.
        space: Where schedules come from.
        skipped: By how much trials' numbers are ahead of their draws.
        scale: Where base_lr should lie, if a probe has told; only ``curve`` has a use for it.
    """
    if name not in SAMPLERS:
        raise unknown("sampler", name, SAMPLERS)
    if name != "curve":
        return Repeatable(name, seed, skipped)
    from .curve_sampler import CurveSampler  # brings SciPy along

    return CurveSampler(space, seed, skipped, scale)
