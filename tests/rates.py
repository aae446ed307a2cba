"""The rates that optimizers really step with, whatever framework steps them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lrsearch.spaces import Schedule


@contextmanager
def recorded_rates() -> Iterator[list[float]]:
    """The highest rate of any group, which base_lr is, at every step of any optimizer of PyTorch's."""
    rates: list[float] = []

    def note(optimizer: Any, args: Any, kwargs: Any) -> None:
        rates.append(max(float(group["lr"]) for group in optimizer.param_groups))

    hook = register_optimizer_step_pre_hook(note)
    try:
        yield rates
    finally:
        hook.remove()


def assert_follows(rates: list[float], schedule: Schedule, steps_per_epoch: float, epochs: float | None = None) -> None:
    """Every rate is the schedule's, and there is one for each step of `epochs`, all of them by default."""
    np.testing.assert_allclose(rates, schedule.curve(steps_per_epoch, epochs), rtol=1e-12, atol=0)


def halving(epochs: int, interval: Any = "step") -> Schedule:
    """It follows the metric, and no improvement is large enough: the rate is halved after each epoch but the first."""
    return Schedule("plateau", 0.05, epochs, {"factor": 0.5, "patience": 0, "threshold": 0.999}, interval=interval)


def assert_halved(rates: list[float], epochs: int) -> None:
    """Every step had the rate of `halving`."""
    per_epoch = len(rates) // epochs
    shares = np.repeat([1.0, *(0.5**k for k in range(epochs - 1))], per_epoch)
    np.testing.assert_allclose(rates, 0.05 * shares, rtol=1e-12)
