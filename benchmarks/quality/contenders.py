"""What is compared: Optuna's samplers and pruners at their defaults, and lrsearch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

from lrsearch import CurvePruner, CurveSampler
from lrsearch.search.sampling.curve_model import CurveModel
from lrsearch.search.sampling.scale import Scale
from lrsearch.spaces import ScheduleSpace

warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.ERROR)

OURS = ("curve", "later", "scan", "average", "baselines", "probe")
"""Samplers by the surrogate over curves; see ``search_quality.py``."""


class _Unscanned(CurveModel):
    """The model as it was before it began with a scan: with the most average curve and the farthest from it."""

    def _scan(self, *_: object) -> None:
        """None."""


SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "random": lambda space, seed: RandomSampler(seed=seed),
    "qmc": lambda space, seed: QMCSampler(
        seed=seed, scramble=True, warn_independent_sampling=False, warn_asynchronous_seeding=False
    ),
    "tpe": lambda space, seed: TPESampler(seed=seed),
    "gp": lambda space, seed: GPSampler(seed=seed, warn_independent_sampling=False),
    "curve": CurveSampler,
    "scan": lambda space, seed: CurveSampler(CurveModel(space, seed), seed),
    "average": lambda space, seed: CurveSampler(_Unscanned(space, seed), seed),
    "baselines": lambda space, seed: CurveSampler(_Unscanned(space, seed), seed),
    "probe": lambda space, seed, scale: CurveSampler(space, seed, scale=scale),
}
PRUNERS: dict[str, Callable[[ScheduleSpace, BaseSampler], BasePruner]] = {
    "none": lambda space, sampler: NopPruner(),
    "median": lambda space, sampler: MedianPruner(),
    "halving": lambda space, sampler: SuccessiveHalvingPruner(),
    "hyperband": lambda space, sampler: HyperbandPruner(max_resource=int(space.horizon)),
    "curve": lambda space, sampler: CurvePruner(sampler.model if isinstance(sampler, CurveSampler) else space),
}


def make(contender: str, space: ScheduleSpace, seed: int, scale: Scale | None = None) -> optuna.Study:
    """A fresh study of ``sampler+pruner``; `scale` is what a probe told, for ``probe``."""
    sampler_name, pruner_name = contender.split("+")
    sampler = SAMPLERS[sampler_name](space, seed, *[scale] * (sampler_name == "probe"))
    return optuna.create_study(sampler=sampler, pruner=PRUNERS[pruner_name](space, sampler))
