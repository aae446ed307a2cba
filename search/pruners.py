"""The pruners to choose from, set up for the horizon in epochs."""

from __future__ import annotations

from collections.abc import Callable

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

from ..errors import unknown


def _median(epochs: int) -> BasePruner:
    """Only from half of the horizon on: before, a rate that is still high looks worse than it ends."""
    return MedianPruner(n_startup_trials=5, n_warmup_steps=(epochs + 1) // 2)


def _halving(epochs: int) -> BasePruner:
    """Rungs at a ninth, a third and all of the horizon."""
    return SuccessiveHalvingPruner(min_resource=max(1, epochs // 9), reduction_factor=3)


def _hyperband(epochs: int) -> BasePruner:
    return HyperbandPruner(min_resource=max(1, epochs // 9), max_resource=epochs, reduction_factor=3)


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "median": _median,
    "halving": _halving,
    "hyperband": _hyperband,
    "none": lambda epochs: NopPruner(),
}
DEFAULT_PRUNER = "median"


def make_pruner(name: str, epochs: int) -> BasePruner:
    """The pruner of that name for trials of `epochs`; raises `InputError` with the closest one."""
    if name not in PRUNERS:
        raise unknown("pruner", name, PRUNERS)
    return PRUNERS[name](epochs)
