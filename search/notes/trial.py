"""What is noted of a trial: what it is to train, who runs it, what it showed, how it ended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import StudyError
from .fields import Notes

LONGEST_TEXT = 30_000
"""Characters of an attribute at most: MySQL holds 64 KiB of each, in which quotes take two."""
_OF_ONE_RUN = re.compile(r"repeats|owner|lease|grant|outcome|reason|log(:\d+)?")


@dataclass(frozen=True)
class TrialNotes(Notes):
    """The user attributes of a trial.

    Attributes:
        schedule: What it trains with, as `Schedule.to_dict` writes it; None before it has a schedule.
        baseline: The baseline's name, if it is one.
        seed: Its seed, if that is not the search's.
        confirms: The search's trial that it trains again, on another seed or over another horizon.
        probe: Whether it is a run of a probe; None if not.
        repeats: The interrupted trial that it repeats.
        crashes: How many processes that ran it, or a trial that it repeats, have died.
        owner: Who runs it, see `signature`; empty before it is signed.
        lease: ``time.time()`` until which its owner counts as alive; None before the owner has renewed it.
        grant: Epochs that it may train of a shared budget, if they are fewer than a full trial's.
        outcome: How it ended; the note is written just before Optuna's state.
        reason: Why it ended so, in words.
        log: What it showed, see `shown`; empty before it has ended. A long one is stored in parts: attributes
            ``log:0``, ``log:1``, ... hold its JSON, and this one says how many they are, and the epochs trained.
    """

    schedule: Mapping[str, Any] | None = None
    baseline: str | None = None
    seed: int | None = None
    confirms: int | None = None
    probe: bool | None = None
    repeats: int | None = None
    crashes: int | None = None
    owner: Mapping[str, Any] = field(default_factory=dict)
    lease: float | None = None
    grant: int | None = None
    outcome: str = ""
    reason: str = ""
    log: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, attrs: Mapping[str, Any]) -> TrialNotes:
        """See `Notes`."""
        notes = super().read(attrs)
        if "parts" not in notes.log:
            return notes
        try:
            pieces = [str(attrs[f"log:{i}"]) for i in range(notes.log["parts"])]
        except (KeyError, TypeError):
            raise StudyError("the study has a trial whose log is not whole: another program has changed it.") from None
        return replace(notes, log={**notes.log, "pieces": pieces})

    def to_attrs(self) -> dict[str, Any]:
        """See `Notes`; the parts of a long log stand before what says how many they are."""
        attrs = super().to_attrs()
        text = json.dumps(attrs.get("log"))
        if len(text) <= LONGEST_TEXT:
            return attrs
        pieces = [text[i : i + LONGEST_TEXT] for i in range(0, len(text), LONGEST_TEXT)]
        head = {"parts": len(pieces), "epochs": self.epochs}
        return {**{f"log:{i}": piece for i, piece in enumerate(pieces)}, **attrs, "log": head}

    @staticmethod
    def of_one_run(name: str) -> bool:
        """Whether a trial's repetition does not get the attribute of that name."""
        return _OF_ONE_RUN.fullmatch(name) is not None

    @property
    def signature(self) -> Signature | None:
        """Who runs it; None before it is signed."""
        return Signature.read(self.owner) if self.owner else None

    @property
    def epochs(self) -> int:
        """Epochs trained, once it has ended."""
        return int(self.log["epochs"]) if "parts" in self.log else len(self.log.get("lr", ()))

    @property
    def shown(self) -> TrialLog:
        """What it showed."""
        return TrialLog.read(json.loads("".join(self.log["pieces"])) if "parts" in self.log else self.log)


@dataclass(frozen=True)
class Signature(Notes):
    """Who runs a trial.

    Attributes:
        host: The machine's name, for people.
        place: Tells machines and containers apart: within one, process ids can be looked up.
        pid: Process id.
        start: When the process started, in seconds since the epoch: ids are used again.
        taken: ``time.monotonic()`` when it took the trial.
        lease: ``time.time()`` until which it counts as alive without another sign of life.
        ticks: When it started, in clock ticks since the system's boot, which no change of the clock moves; None where
            the system does not tell.
        member: Its name among the processes that share the search, if several may.
    """

    host: str
    place: str
    pid: int
    start: float
    taken: float = 0.0
    lease: float = 0.0
    ticks: int | None = None
    member: str | None = None


@dataclass(frozen=True)
class TrialLog(Notes):
    """What a trial showed: written at once when it ends, since each write costs a flush to the disk.

    Attributes:
        device: The torch device.
        worker: Lane, or process, that ran it.
        steps_per_epoch: Optimizer steps in an epoch; None if unknown.
        optimizer: What it was trained with, as `TrainedOptimizer.to_dict` writes it.
        metrics: Values by name, one an epoch; None stands for NaN and infinity, which JSON has not.
        lr: The rate at each epoch's last step.
        seconds: Wall time of each epoch.
        test: Metrics of held-out test data after the last epoch; None as above.
    """

    device: str = ""
    worker: int | None = None
    steps_per_epoch: int | None = None
    optimizer: Mapping[str, Any] | None = None
    metrics: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    lr: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    test: Mapping[str, float | None] = field(default_factory=dict)
