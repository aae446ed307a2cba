"""One trial's command under way: its epochs as they are reported, and its end."""

from __future__ import annotations

import re
import selectors
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ObjectiveError
from .process import Process, how_it_ended, open_log
from .sources import Reader
from .wire import Card, Lines, listen

POLL_S = 0.05
"""Seconds between looks at a file of metrics, or at the output."""
LEAVE_S = 5.0
"""Seconds that a script may take to end by itself once it was told to, or has shown its last epoch."""
OTHERS_S = 1.0
"""Seconds that the others of its processes get once the first one has ended."""
TAIL_BYTES, TAIL_LINES = 65536, 3
"""How much of the end of the output is looked at for a reason, and told."""
_ERROR = re.compile(r"^(?:\[\w+\]:\s*)?([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b.*)$")
"""The line that a Python traceback ends with; torchrun puts the rank before it."""


@dataclass(frozen=True)
class Report:
    """What was told of an epoch; `lr` where the script follows its schedule by `lrsearch.scheduler`."""

    metrics: Mapping[str, float]
    lr: float | None = None


class Training:
    """A command that trains, from its start to the end of its last process.

    Args:
        command: The program and its arguments.
        env: Its environment.
        card: What it is told of its trial.
        folder: The trial's folder.
        log: The file for its output.
        reader: Where its metrics are, if it does not report them by `lrsearch.report`.
        hide: Takes out of a text what is secret.

    Attributes:
        asked: Whether it has asked for its scheduler.
        facts: What it has told of its optimizer and of its steps in an epoch.
        taken: What its script has asked for: ``"seed"``, ``"params.weight_decay"``.

    Raises:
        ObjectiveError: The program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        card: Card,
        folder: Path,
        log: Path,
        reader: Reader | None,
        hide: Callable[[str], str],
    ) -> None:
        self.asked, self.facts, self.taken = False, dict[str, Any](), set[str]()
        self.log, self._folder, self._reader, self._hide = log, folder, reader, hide
        self._reports: deque[Report] = deque()
        self._asking: Lines | None = None
        self._gone = False
        card.write(folder)
        self._server = listen(folder)
        self._selector = selectors.DefaultSelector()
        try:
            with open_log(log) as output:
                self._process = Process(command, env, output)
        except BaseException:
            self._server.close()
            raise
        self._selector.register(self._server, selectors.EVENT_READ, self._accept)
        self._selector.register(self._process.news, selectors.EVENT_READ, self._see_end)

    @property
    def waits(self) -> bool:
        """Whether the script has reported an epoch and waits for an answer."""
        return self._asking is not None

    @property
    def status(self) -> int | None:
        """How the command ended, negative for a signal; None while it runs."""
        return self._process.status

    def next(self) -> Report | None:
        """The next epoch's report, waited for; None if the command has ended without one.

        Raises:
            ObjectiveError: The script found a fault in itself, or its metrics cannot be read.
        """
        while not self._reports:
            ended = self.status is not None
            self._look(POLL_S if self._reader and not ended else None, all_of_it=ended)
            if ended and not self._reports:
                return None
        return self._reports.popleft()

    def await_scheduler(self) -> bool:
        """Wait until it asks for its scheduler, reports, or ends; whether it has asked."""
        while not (self.asked or self._reports or self.status is not None):
            self._look(POLL_S if self._reader else None)
        return self.asked

    def answer(self, *, go_on: bool) -> None:
        """Answer the last report, where somebody waits for it."""
        asking, self._asking = self._asking, None
        if asking is not None:
            with suppress(OSError):
                asking.send({"go_on": go_on})

    def close(self, patience: float) -> None:
        """End it with all its processes; it gets so many seconds to end by itself."""
        self.answer(go_on=False)
        deadline = time.monotonic() + patience
        try:
            while self.status is None and (left := deadline - time.monotonic()) > 0:
                gone = self._gone
                self._listen(left)
                if self._gone and not gone:
                    deadline = min(deadline, time.monotonic() + OTHERS_S)
        finally:
            self._process.end()
            for key in list(self._selector.get_map().values()):
                if isinstance(key.data, Lines):
                    key.data.connection.close()
            self._selector.close()
            self._server.close()

    def why_it_ended(self) -> str:
        """How it ended and its last lines, as far as they say something."""
        assert self.status is not None
        last = self.last_lines()
        said = f": {last}" if last else ", and printed nothing"
        kept = self.log.parent != self._folder
        where = f" (output: {self.log.parent.name}/{self.log.name})" if kept else ""
        return f"{how_it_ended(self.status)}{said}{where}"

    def nothing(self) -> str:
        """Why its metrics were not found."""
        return self._reader.nothing() if self._reader else ""

    def last_lines(self) -> str:
        """The error in its output, else its last lines, without what is secret."""
        with open(self.log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
        errors = [said[1] for line in lines if (said := _ERROR.match(line))]
        return self._hide(errors[-1] if errors else " | ".join(lines[-TAIL_LINES:]))

    def _look(self, timeout: float | None, *, all_of_it: bool = False) -> None:
        """Take in what there is, waiting for it up to so many seconds."""
        if all_of_it:
            while self._listen(0.0):
                pass
        else:
            self._listen(timeout)
        if self._reader and (read := self._reader.read(last=all_of_it)):
            while self._listen(0.0):  # what the script had told before it wrote them
                pass
            self._reports.extend(Report(metrics) for metrics in read)

    def _listen(self, timeout: float | None) -> bool:
        """Take in what its processes say; whether they have said anything."""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            if isinstance(key.data, Lines):
                self._hear(key.data)
            else:
                key.data()
        return bool(ready)

    def _see_end(self) -> None:
        if self._process.look() is not None:
            self._selector.unregister(self._process.news)

    def _accept(self) -> None:
        connection, _ = self._server.accept()
        self._selector.register(connection, selectors.EVENT_READ, Lines(connection))

    def _hear(self, lines: Lines) -> None:
        messages = lines.receive()
        if messages is None:
            self._gone = True
            self._selector.unregister(lines.connection)
            lines.connection.close()
            return
        for message in messages:
            if "error" in message:
                raise ObjectiveError(self._hide(message["error"]))
            if "took" in message:
                self.taken.add(message["took"])
                continue
            self.facts = message
            self.asked = self.asked or "scheduler" in message
            if "report" in message and self._reader is None:
                self._asking = lines
                numbers = {name: float(value) for name, value in message["metrics"].items()}
                self._reports.append(Report(numbers, message["lr"]))
            elif "report" in message:
                lines.send({"go_on": True})
