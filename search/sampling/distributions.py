"""A space's parameters as Optuna's distributions."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from ...spaces import Range, ScheduleSpace


def distribution(name: str, space: ScheduleSpace) -> BaseDistribution:
    """The distribution that `ScheduleSpace.suggest` asks for under that name; KeyError if there is none."""
    if name == "family":
        return CategoricalDistribution(list(space.families))
    found = space.range_of(name)
    if isinstance(found, Range):
        return FloatDistribution(found.low, found.high, log=found.log, step=found.step)
    return CategoricalDistribution(list(found.options))


def distributions(space: ScheduleSpace) -> dict[str, BaseDistribution]:
    """Every parameter of every family."""
    names = dict.fromkeys(name for family in space.families for name in space.names(family))
    return {name: distribution(name, space) for name in ["family", *names]}
