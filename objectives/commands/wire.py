"""What a search and a command's process tell each other: a file for the start, then JSON lines over a socket."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...spaces import Counting, Schedule
from ...spaces.families import carried, unpack

TRIAL = "LRSEARCH_TRIAL"
"""The environment variable that names the trial's folder."""
CARD, SOCKET, SCHEDULE_FILE = "trial.json", "socket", "schedule.json"
"""Files in the trial's folder."""


@dataclass(frozen=True)
class Card:
    """What a command's process needs to know of its trial.

    Attributes:
        schedule: The schedule, as `Schedule.to_dict` has it.
        epochs: Epochs to train.
        seed: Seed of weights and data order.
        device: Torch device.
        test: Whether the last epoch may be judged on test data.
        by_flags: Whether the command's own arguments say the whole schedule, so that its script need not ask for it.
        probe: Whether the process is to end as soon as it has said which optimizer it uses.
        every: Optimizer steps between its reports, where it is counted in steps; `epochs` are then its reports.
        families: The code of a family of the user's own, in base 64; empty for the built-in ones.
    """

    schedule: Mapping[str, Any]
    epochs: int
    seed: int
    device: str
    test: bool = False
    by_flags: bool = False
    probe: bool = False
    every: int = 1
    families: str = ""

    @classmethod
    def of(cls, schedule: Schedule, **rest: Any) -> Card:
        """The card of a trial with this schedule."""
        code = carried([schedule.family])
        return cls(schedule.to_dict(), families=base64.b64encode(code).decode() if code else "", **rest)

    def write(self, folder: Path) -> None:
        """Write it into the trial's folder, and its schedule into a file of its own."""
        (folder / CARD).write_text(json.dumps(asdict(self)), encoding="utf-8")
        (folder / SCHEDULE_FILE).write_text(json.dumps(dict(self.schedule)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Card:
        """The card in a folder."""
        return cls(**json.loads((folder / CARD).read_text(encoding="utf-8")))

    def counting(self, schedule: Schedule) -> Counting:
        """What the training is counted in."""
        return Counting(schedule.unit, self.every)

    def made(self) -> Schedule:
        """The schedule; by its own code where it has any, which the search that started this process has written."""
        unpack(base64.b64decode(self.families) if self.families else None)
        return Schedule.from_dict(self.schedule)


class Lines:
    """JSON lines over a connected socket, each an object."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._rest = b""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; raises OSError if the other side has gone."""
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages of what arrives next, maybe none yet; None once the other side has gone."""
        try:
            received = self.connection.recv(65536)
        except ConnectionError:
            return None
        if not received:
            return None
        *whole, self._rest = (self._rest + received).split(b"\n")
        return [json.loads(line) for line in whole]

    def next(self) -> dict[str, Any] | None:
        """The next message, waited for; None once the other side has gone."""
        while (messages := self.receive()) is not None:
            if messages:
                return messages[0]
        return None


def listen(folder: Path) -> socket.socket:
    """A socket in the trial's folder that its processes connect to."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(folder / SOCKET))
    server.listen()
    return server


def connect(folder: Path) -> Lines:
    """A connection to the search; raises OSError if it has gone."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(folder / SOCKET))
    return Lines(connection)


def trial_folder() -> Path | None:
    """The folder of the trial that this process was started for; None if it was started by hand."""
    folder = os.environ.get(TRIAL)
    return Path(folder) if folder else None


def finite(values: Mapping[str, float]) -> Iterator[tuple[str, float | str]]:
    """Numbers as JSON has them, those that are not finite as text: ``"nan"``, ``"inf"``."""
    for name, value in values.items():
        yield name, value if abs(value) < float("inf") else str(value)
