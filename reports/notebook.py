"""A search in a notebook: its progress in one place that changes, and the result as a picture with its sentences."""

from __future__ import annotations

import base64
import html
import sys
import time
from typing import Any

from ..search import SearchResult, Tally, TrialRecord
from .facts.headline import headline
from .images import slide
from .terminal.plain_text import plain
from .terminal.progress import best, outcomes, spent, start_line

EVERY_S = 0.5
"""Seconds between two changes of what is shown."""
NOTES = 5
"""Notes that stay in sight."""
BAR = 40


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class NotebookProgress:
    """A few lines below the cell: the bar, what is running, outcomes, the best so far."""

    def __init__(self) -> None:
        self._tally: Tally | None = None
        self._title = self._doing = ""
        self._notes: list[str] = []
        self._shown: Any = None
        self._last = 0.0

    def start(self, name: str, tally: Tally) -> None:
        """Begin."""
        self._tally, self._title = tally, start_line(name, tally)
        self._show(at_once=True)

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """Show the new totals."""
        self._tally = tally
        self._show()

    def epoch(self, trial: int, epoch: int, epochs: int) -> None:
        """Show how far a trial is."""
        if self._tally is not None:
            self._doing = f"trial {trial}: {self._tally.counting.when(epoch)}"
        self._show()

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        """Show how many runs on fresh seeds there are to come."""
        self._doing = f"confirming on fresh seeds: {done} of {of} runs"
        self._show()

    def note(self, text: str) -> None:
        """Show it with the last few others."""
        self._notes = [*self._notes, plain(text)][-NOTES:]
        self._show(at_once=True)

    def stop(self) -> None:
        """Leave the last state."""
        self._doing = ""
        self._show(at_once=True)

    def _show(self, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._last < EVERY_S:
            return
        from IPython.display import display

        self._last, content = time.monotonic(), {"text/plain": self._text()}
        if self._shown is None:
            self._shown = display(content, raw=True, display_id=True)
        else:
            self._shown.update(content, raw=True)

    def _text(self) -> str:
        lines = [self._title]
        if (tally := self._tally) is not None:
            amount = tally.ledger.budget.amount
            full = round(BAR * min(1.0, tally.ledger.spent / amount))
            lines.append(f"{'█' * full}{'░' * (BAR - full)} {spent(tally)}")
            lines += [self._doing, outcomes(tally.outcomes) if tally.outcomes else "", best(tally)]
        return "\n".join(line for line in (*lines, *self._notes) if line)


def result_html(result: SearchResult) -> str:
    """The first screen of the report as a picture, with its sentences, and where the whole report is."""
    said = headline(result)
    sentences = [text for text in (said.verdict, *(c.text for c in said.cautions)) if text]
    parts = [f"<p><b>{html.escape(said.title)}</b></p>", *(f"<p>{html.escape(text)}</p>" for text in sentences)]
    if result.ranking:
        picture = base64.b64encode(slide(result).encode()).decode("ascii")
        alt = html.escape(" ".join([said.title, *sentences]), quote=True)
        source = f"data:image/svg+xml;base64,{picture}"
        parts.append(f'<img alt="{alt}" style="max-width:100%" src="{source}">')
    if result.folder:
        parts.append(f"<p>The whole report: <code>{html.escape(result.folder)}/report.html</code></p>")
    return "".join(parts)
