"""The schedulers of several optimizers as one, which steps them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim.lr_scheduler import LRScheduler


class Together(LRScheduler):
    """Schedulers of several optimizers: ``step()`` steps each of them.

    Args:
        schedulers: A scheduler for each optimizer.
    """

    def __init__(self, schedulers: Sequence[LRScheduler]) -> None:
        self.schedulers = tuple(schedulers)

    @property
    def last_epoch(self) -> int:  # type: ignore[override]
        """How often they were stepped."""
        return int(self.schedulers[0].last_epoch)

    def step(self, epoch: int | None = None) -> None:
        """Step every scheduler."""
        for scheduler in self.schedulers:
            scheduler.step() if epoch is None else scheduler.step(epoch)

    def get_last_lr(self) -> list[float | Any]:
        """The rates of all groups of all optimizers, in order."""
        return [rate for scheduler in self.schedulers for rate in scheduler.get_last_lr()]

    def state_dict(self) -> dict[str, Any]:
        """The states of the schedulers, in order."""
        return {"schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for scheduler, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(state)
