"""The push form: a job that owns its loop reports its epochs, and is told whether to go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ..errors import ObjectiveError
from ..spaces import IN_EPOCHS, Counting, Schedule
from .objective import Measurement, Objective


class TrialEnded(BaseException):
    """Ends a job that trains on after its trial has ended; passes through its ``except Exception``."""


class AfterTraining(Exception):
    """A job failed, by what this was raised from, once it had reported every epoch: its measurements stand."""


class Reports:
    """Takes a job's reports, one an epoch, until there is no need for more.

    Args:
        name: The job's name.
        tell: Is given the number of reports and the metrics; whether to go on.
        counting: What the training is counted in.

    Attributes:
        over: Whether the job was told to end.
        done: Reports so far.
        failure: What `tell` raised: it ends the job, whoever catches it.
    """

    def __init__(
        self, name: str, tell: Callable[[int, Mapping[str, Any]], bool], counting: Counting = IN_EPOCHS
    ) -> None:
        self.name, self.tell, self.counting = name, tell, counting
        self.over = False
        self.failure: BaseException | None = None
        self.done = 0
        self._first: int | None = None
        self._thread = threading.get_ident()

    @property
    def due(self) -> int:
        """What the next epoch is called, or the step of the next report."""
        every = self.counting.every
        return self.done * every + (every if self._first is None else self._first)

    def take(self, epoch: int, metrics: Mapping[str, Any]) -> bool:
        """See `Run.report`."""
        if self.over:
            here = threading.get_ident() == self._thread
            raise TrialEnded if here else SystemExit  # which alone ends a thread without a traceback
        try:
            self._count(epoch)
            self.over = not self.tell(self.done, metrics)
        except BaseException as error:
            self.over, self.failure = True, error
            raise
        return not self.over

    def _count(self, at: int) -> None:
        """Take a report after an epoch, or after a step: counted from 0, the first is every - 1, from 1 it is every."""
        unit, every = self.counting.unit, self.counting.every
        both = (every - 1, every)
        first = at if self._first is None else self._first
        if first not in both or at != first + self.done * every:
            due = f"{both[0]} or {both[1]}" if self._first is None else str(first + self.done * every)
            often = unit if every == 1 else self.counting.many(every)
            raise ObjectiveError(
                f"{self.name} reported {unit} {at!r} after {self.done} report(s), not {due}: call run.report({unit}, "
                f"val_loss=...) once after every {often}, in order."
            )
        self._first, self.done = first, self.done + 1


def train(
    objective: Objective,
    schedule: Schedule,
    report: Callable[[Measurement], bool],
    *,
    epochs: int,
    seed: int,
    device: str,
    test: bool = False,
) -> None:
    """Train in this thread until `report`, called after every epoch, says no: for an objective of either form.

    Args:
        objective: What to train; one whose ``owns_loop`` is true has a method ``train`` of the other arguments.
        schedule: See `Objective.run`.
        report: Is given every measurement; whether to go on.
        epochs: See `Objective.run`.
        seed: See `Objective.run`.
        device: See `Objective.run`.
        test: See `Objective.run`.
    """
    if getattr(objective, "owns_loop", False):
        objective.train(  # type: ignore[attr-defined]
            schedule, report, epochs=epochs, seed=seed, device=device, test=test
        )
        return
    measurements = objective.run(schedule, epochs=epochs, seed=seed, device=device, test=test)
    try:
        for measurement in measurements:
            if not report(measurement):
                return
    finally:
        with suppress(Exception):  # an objective may fail as it is stopped, too
            measurements.close()  # type: ignore[attr-defined]
