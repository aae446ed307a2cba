"""A space's parameters as Optuna's distributions."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from ...spaces import Range, ScheduleSpace


def distribution(name: str, space: ScheduleSpace) -> BaseDistribution:
    """The distribution that `ScheduleSpace.suggest` asks for under that name; KeyError if there is none."""
    if name == "family":
        return CategoricalDistribution(list(space.families))
    values = space.range_of(name)
    if isinstance(values, Range):
        return FloatDistribution(values.low, values.high, log=values.log, step=values.step)
    return CategoricalDistribution(list(values.options))


def distributions(space: ScheduleSpace) -> dict[str, BaseDistribution]:
    """Every parameter of every family."""
    names = dict.fromkeys(name for family in space.families for name in space.names(family))
    return {name: distribution(name, space) for name in ["family", *names]}
