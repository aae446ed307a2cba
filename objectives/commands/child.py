"""A command's process, seen from inside: it finds its trial, follows its schedule, and reports its epochs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ObjectiveError
from ...spaces.beside import optuna_name
from ..numbers import numbers_of
from ..run import Run
from .wire import Card, Lines, connect, finite

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


_BY_RUN = "set the rates of run.schedule.curve(steps_per_epoch) yourself"
_BY_ARGUMENTS = "say all that is searched in the command's arguments, as {schedule}"
"""What else a function can do with its schedule, and a script."""


class Child(Run):
    """The run of a trial in a process of its own.

    Args:
        folder: The trial's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._card = card = Card.read(folder)
        schedule = card.made()
        super().__init__(schedule, card.epochs, card.seed, card.device, card.test, card.counting(schedule))
        self._name = os.path.basename(sys.argv[0]) or "the script"
        self._lines: Lines | None = None
        self._done = 0
        self._taken: set[str] = set()

    def scheduler(
        self, optimizer: Optimizer | Sequence[Optimizer], steps_per_epoch: float | None = None
    ) -> LRScheduler:
        """See `Run.scheduler`; the search is told of the optimizer."""
        made = super().scheduler(optimizer, steps_per_epoch)
        if is_first_process():
            self._tell({"scheduler": True, **self._facts()})
        if self._card.probe:
            raise SystemExit(0)
        return made

    def take_seed(self) -> int:
        """The trial's seed; the search is told that it was taken."""
        self._take("seed")
        return self.seed

    def take_param(self, name: str, fallback: Any) -> Any:
        """See `Run.take_param`; the search is told that it was taken."""
        if name in self.params:
            self._take(optuna_name(name))
        return super().take_param(name, fallback)

    def check_params(self, name: str) -> None:
        """Nothing: the search knows what the command's own arguments say of them, too."""

    def report_next(self, metrics: Mapping[str, Any]) -> bool:
        """Report an epoch, and wait for the answer; ends this process if its trial has ended."""
        self._done += 1
        # Of the others, the search ends those that are to end before the last epoch.
        go_on = self._report(metrics) if is_first_process() else self._done < self.reports_due
        if not go_on:
            raise SystemExit(0)
        return True

    def _report(self, metrics: Mapping[str, Any]) -> bool:
        try:
            numbers = numbers_of(metrics, self._name, "call lrsearch.report(val_loss=...)")
            if self._followers or not self._card.by_flags:
                self._check()
        except ObjectiveError as error:
            self._tell({"error": str(error)})
            raise
        lr = self.lr_after(self._done)
        self._tell({"report": self._done, "metrics": dict(finite(numbers)), "lr": lr, **self._facts()})
        assert self._lines is not None
        answer = self._lines.next()
        return bool(answer and answer["go_on"])

    def _check(self) -> None:
        """Raise `ObjectiveError` unless the rates were the schedule's; in the words of a script."""
        try:
            self.check(self._name, self._done)
        except ObjectiveError as error:
            said = str(error).replace("run.scheduler(", "lrsearch.scheduler(")
            raise ObjectiveError(said.replace(_BY_RUN, _BY_ARGUMENTS)) from None

    def _facts(self) -> dict[str, Any]:
        return {
            "steps_per_epoch": self.steps_per_epoch,
            "optimizer": self.optimizer.to_dict() if self.optimizer else None,
        }

    def _take(self, name: str) -> None:
        if name not in self._taken and is_first_process():
            self._taken.add(name)
            self._tell({"took": name})

    def _tell(self, message: Mapping[str, Any]) -> None:
        """Tell the search; without one there is nobody to train for."""
        try:
            self._lines = self._lines or connect(self._folder)
            self._lines.send(message)
        except OSError:
            raise SystemExit("lrsearch: the search that started this training has ended.") from None


def is_first_process() -> bool:
    """Whether this process is the first of those that train together: its rank is 0, or there is no other."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return bool(distributed.get_rank() == 0)
    return os.environ.get("RANK", "0") == "0"
