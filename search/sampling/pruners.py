"""The pruners to choose from, set up for the horizon."""

from __future__ import annotations

from collections.abc import Callable

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler

from ...errors import unknown
from ...options import PRUNERS
from ...spaces import ScheduleSpace


def _median(reports: int, every: int) -> BasePruner:
    """Only from half of the horizon on: before, a rate that is still high looks worse than it ends."""
    return MedianPruner(n_startup_trials=5, n_warmup_steps=(reports + 1) // 2 * every)


def _halving(reports: int, every: int) -> BasePruner:
    """Rungs at a ninth, a third and all of the horizon."""
    return SuccessiveHalvingPruner(min_resource=max(1, reports // 9) * every, reduction_factor=3)


def _hyperband(reports: int, every: int) -> BasePruner:
    least = max(1, reports // 9) * every
    return HyperbandPruner(min_resource=least, max_resource=reports * every, reduction_factor=3)


_OPTUNAS: dict[str, Callable[[int, int], BasePruner]] = {
    "median": _median,
    "halving": _halving,
    "hyperband": _hyperband,
    "none": lambda reports, every: NopPruner(),
}


def make_pruner(name: str, space: ScheduleSpace, sampler: BaseSampler | None = None) -> BasePruner:
    """The pruner of that name for schedules of `space`; raises `InputError` with the closest name.

    ``auto`` judges by the curve; it shares the model of `sampler` if that has one.
    """
    if name not in PRUNERS:
        raise unknown("pruner", name, PRUNERS)
    if name == "auto":
        from .curve_sampler import CurvePruner, CurveSampler  # brings SciPy along

        return CurvePruner(sampler.model if isinstance(sampler, CurveSampler) else space)
    counting = space.counting
    return _OPTUNAS[name](counting.reports(space.horizon), counting.every)
