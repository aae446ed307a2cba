"""A baseline that follows the metric: PyTorch's own ReduceLROnPlateau, stepped once an epoch by what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import ObjectiveError
from ..spaces import Schedule
from ..spaces.families import PLATEAU_ARGUMENTS

if TYPE_CHECKING:
    from torch.optim import Optimizer

USUAL = "val_loss"
"""What is followed where the schedule names no metric."""


class Reaction:
    """What lowers the rate of one training of a schedule that `Schedule.reacts`; it may have several optimizers.

    Args:
        schedule: The schedule.

    Attributes:
        plain: The schedule as long as nothing is lowered: base_lr throughout.
    """

    def __init__(self, schedule: Schedule) -> None:
        import torch
        from torch.optim import SGD
        from torch.optim.lr_scheduler import ReduceLROnPlateau

        told: dict[str, Any] = {p: schedule.value(p) for p in PLATEAU_ARGUMENTS}
        self.metric = str(schedule.value("metric")) or USUAL
        self.plain = replace(schedule, family="constant", params={})
        self._stand_in = SGD([torch.zeros(1)], lr=schedule.base_lr)  # no optimizer is at hand where lanes train
        self._rule = ReduceLROnPlateau(self._stand_in, **told)

    @property
    def rate(self) -> float:
        """The rate now."""
        return float(self._stand_in.param_groups[0]["lr"])

    def see(self, metrics: Mapping[str, float]) -> float:
        """Take in what an epoch gave.

        Returns:
            The share of the present rate to train on with, 1 as long as nothing is lowered.

        Raises:
            ObjectiveError: The metric is missing.
        """
        if self.metric not in metrics:
            raise ObjectiveError(
                f"the baseline plateau follows {self.metric!r}, but only {', '.join(sorted(metrics))} are reported: "
                "name one of them, as plateau:base_lr=0.1,metric=NAME."
            )
        before = self.rate
        self._rule.step(metrics[self.metric])
        return self.rate / before


def reaction_of(schedule: Schedule) -> Reaction | None:
    """What lowers the rate of a training; None if its schedule is a curve that is known beforehand."""
    return Reaction(schedule) if schedule.reacts else None


def lower(optimizer: Optimizer, share: float) -> None:
    """Multiply every group's rate; the schedulers of a constant rate keep what they find."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * share
