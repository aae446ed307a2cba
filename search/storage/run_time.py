"""How long a search has run, in all of its sessions: a note in its study, by a clock that nobody sets.

The clock is ``time.monotonic()``, which on Linux and macOS stands still while the machine sleeps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from optuna.study import Study

from ..notes.study import Ran, StudyNotes
from .studies import note_study

NOTE_S = 30.0
"""Seconds between two notes while no trial ends: so much is not counted after a kill."""
NOT_TWICE_S = 1.0
"""Trials that end within this many seconds of a note make none."""


def noted_run_time(study: Study, *, running: bool = False) -> float | None:
    """Seconds for which a search has run; None if that was never noted.

    Args:
        study: Its study.
        running: Whether it runs now, so that the time since the note counts, too; none where that is more than notes
            are old, since the clock of whoever noted it is not ours.
    """
    if (noted := StudyNotes.read(study.user_attrs).ran) is None:
        return None
    since = time.time() - noted.at
    return noted.seconds + (since if running and 0 <= since < 2 * NOTE_S else 0.0)


class RunTime:
    """Notes how long a search has run; whatever processes share it write the same note.

    Args:
        before: Seconds that it had run when this session began.
        begun: ``time.monotonic()`` when this session began.
    """

    def __init__(self, before: float, begun: float) -> None:
        self._before, self._begun, self._noted = before, begun, -NOT_TWICE_S

    @contextmanager
    def noted(self, study: Study) -> Iterator[None]:
        """Note it at the beginning, every `NOTE_S` seconds, and at the end, whatever ends it."""
        self.note(study)
        ended = threading.Event()

        def keep_noting() -> None:
            while not ended.wait(NOTE_S):
                with suppress(Exception):  # the storage is away for a while
                    self.note(study)

        threading.Thread(target=keep_noting, daemon=True, name="lrsearch run time").start()
        try:
            yield
        finally:
            ended.set()
            with suppress(Exception):  # what ended the search may be that nothing can be written
                self._write(study, time.monotonic())

    def note(self, study: Study) -> None:
        """Note it, unless it was noted a moment ago."""
        now = time.monotonic()
        if now - self._noted >= NOT_TWICE_S:
            self._write(study, now)

    def _write(self, study: Study, now: float) -> None:
        self._noted = now
        before = noted_run_time(study) or 0.0  # of others, who may know of more
        seconds = round(max(self._before + now - self._begun, before), 3)
        note_study(study, StudyNotes(ran=Ran(seconds, round(time.time(), 3))))
