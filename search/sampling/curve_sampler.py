"""`CurveSampler` and `CurvePruner`: a search in the space of learning-rate curves, for any Optuna study."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from ...spaces import ScheduleSpace
from .curve_model import CurveModel
from .distributions import distributions
from .observations import reported
from .recorded_jobs import recorded_jobs
from .scale import Scale

PRUNE_FROM, LAGS_FROM = 0.2, 0.1
"""No trial is judged before these shares of its horizon: by the surrogate, and by the scan's higher rates."""
LEAST_CHANCE = 0.02
"""A trial is stopped when the probability that it ends as the best so far is below this."""


class CurveSampler(BaseSampler):
    """Proposes the schedule whose learning-rate curve promises most, whatever family draws it.

    One Gaussian process over features of the curve learns from all families and from every epoch of every trial,
    stopped ones too; expected improvement chooses among random schedules and neighbours of the best. The first trials
    scan base_lr; those chosen at once are what recorded jobs promise most of. Trials under way count as ended where
    they are expected to end.

    Works in any study whose objective calls ``space.suggest(trial)`` and reports its metric once per epoch::

        space = lrsearch.default_space("sgd", horizon=20)
        sampler = CurveSampler(space)
        study = optuna.create_study(sampler=sampler, pruner=CurvePruner(sampler.model))

    Args:
        space: Where schedules come from; parameters of others are drawn at random.
        seed: Seed of the proposals: with one worker, equal seeds give equal studies.
        skipped: By how much trials' numbers are ahead of their draws, since interrupted trials use up numbers.
        scale: Where base_lr should lie, if a probe has told.
    """

    def __init__(
        self, space: ScheduleSpace | CurveModel, seed: int = 0, skipped: int = 0, scale: Scale | None = None
    ) -> None:
        self.model = space if isinstance(space, CurveModel) else CurveModel(space, seed, scale, recorded_jobs)
        self._seed, self._skipped = seed, skipped
        self._others = RandomSampler(seed=seed)

    def reseed_rng(self) -> None:
        """See `BaseSampler`: proposals depend on the trial's number, only foreign parameters on a generator."""
        self._others.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every parameter of every family."""
        return distributions(self.model.space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of the proposed schedule; those of other families are left out.

        Raises:
            ValueError: The study has several objectives.
        """
        self._raise_error_if_multi_objective(study)
        rng = np.random.default_rng([self._seed, max(0, trial.number - self._skipped)])
        return dict(self.model.propose(study, trial.number, rng))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for parameters that are not the schedule's.

        Raises:
            ValueError: The study has several objectives.
        """
        self._raise_error_if_multi_objective(study)
        return self._others.sample_independent(study, trial, param_name, param_distribution)


class CurvePruner(BasePruner):
    """Stops a trial that has next to no chance of ending better than the best so far.

    The surrogate predicts the trial's final value from its epochs so far *and its known remaining schedule*: a rate
    that is still high is not held against it. Where early epochs say little about final values, the surrogate learns
    that too, its predictions are wide, and few trials are stopped.

    A trial of the scan with a lower rate is stopped sooner, if it is behind both rates above it after as many epochs.
    NaN and infinite values count as the worst that was seen.

    Args:
        space: Where schedules come from, or the model of a `CurveSampler`.
    """

    def __init__(self, space: ScheduleSpace | CurveModel) -> None:
        self.model = space if isinstance(space, CurveModel) else CurveModel(space)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop the trial after its last reported epoch."""
        done = max(reported(trial, self.model.space.counting.every), default=0)
        if not LAGS_FROM * self.model.reports <= done < self.model.reports:
            return False
        if self.model.lags(study, trial, done):
            return True
        return done >= PRUNE_FROM * self.model.reports and self.model.chance(study, trial) < LEAST_CHANCE
