"""Objectives with a known best answer, which need no training; importable by worker processes."""

from __future__ import annotations

import math
import os
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from lrsearch.objectives import Measurement
from lrsearch.search import Silent, Tally, TrialRecord
from lrsearch.spaces import Schedule

_real_time = time.time


class Bowl:
    """Loss falls with the distance of log10(base_lr) from -1; above 0.5 it diverges. No training, known answer."""

    name, optimizer, epochs = "bowl", "sgd", 5
    steps_per_epoch: int | None = 4
    start_loss: float | None = 10.0

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        for epoch in range(1, epochs + 1):
            loss = (math.log10(schedule.base_lr) + 1) ** 2 + 1 / epoch
            metrics = {"train_loss": loss, "val_loss": math.nan if schedule.base_lr > 0.5 else loss}
            yield Measurement(epoch, metrics, schedule.base_lr, 0.001)

    def settings(self) -> dict[str, Any]:
        return {"objective": self.name}


class LongBowl(Bowl):
    """Twelve epochs, so that a probe is cheap; base_lr 0.1 is best, above 0.5 it diverges."""

    epochs = 12


class Clock:
    """Time as a search in this process sees it (``time.monotonic``): it passes by `sleep` alone, without waiting."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Slow(Bowl):
    """A tenth of a second per epoch; of a `Clock` by its `sleep`."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.sleep = sleep

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for measurement in super().run(schedule, **how):
            self.sleep(0.1)
            yield measurement


class Noting(Slow):
    """Notes in a file for each training when its epochs ended, by ``time.monotonic``."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        notes = self.folder / uuid4().hex
        for measurement in super().run(schedule, **how):
            with notes.open("a") as file:
                file.write(f"{time.monotonic()}\n")
            yield measurement


class Jump(Bowl):
    """A quarter second an epoch; the process's clock is set when its second one ends, and what runs too long stops.

    Args:
        by: How far the clock is set, in seconds.
        folder: Where a file says that a process has been killed, if one is to be in its third epoch.
        sleep: Lets time pass.
    """

    def __init__(self, by: float, folder: Path | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self.by, self.folder, self.sleep, self.begun = by, folder, sleep, time.monotonic()

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for measurement in super().run(schedule, **how):
            self.sleep(0.25)
            if time.monotonic() - self.begun > 100:
                raise KeyboardInterrupt
            yield measurement
            if measurement.epoch == 2:
                time.time = lambda: _real_time() + self.by
            if measurement.epoch == 3 and self.folder and not (mark := self.folder / "killed").exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)


class StopAfter(Silent):
    """Progress that stops the search after some trials, as Ctrl-C would, and keeps the notes."""

    def __init__(self, trials: int) -> None:
        self.left = trials
        self.notes: list[str] = []

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


class Noisy(Bowl):
    """No schedule is better than another, but for baselines, which are `gap` noise units behind; the unit is 0.01.

    The noise is that of a run: it depends on the seed and the schedule, as a training's does.
    """

    gap = 0.0

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        rng = np.random.default_rng([seed, zlib.crc32(str(schedule.to_dict()).encode())])
        plain = Schedule(schedule.family, schedule.base_lr, schedule.horizon, warmup=schedule.warmup)
        baseline = schedule.family in ("constant", "linear", "cosine") and schedule.params == plain.params
        loss = 1 + 0.01 * (rng.standard_normal() + self.gap * baseline)
        for epoch in range(1, epochs + 1):
            metrics = {"train_loss": loss, "val_loss": loss + 1 / epoch - 1 / epochs}
            if test and epoch == epochs:
                metrics["test_loss"] = loss + 0.5
            yield Measurement(epoch, metrics, schedule.base_lr, 0.001)


class Behind(Noisy):
    """Baselines are far behind."""

    gap = 10.0


class Ahead(Noisy):
    """Baselines are far ahead."""

    gap = -10.0
