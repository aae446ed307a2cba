"""The runs of a folder as a table: read from their ``best.json``, so that it takes no time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from ...errors import LrsearchError
from ...search import JOURNAL, WHEREABOUTS, SearchResult
from ..facts.headline import headline
from ..facts.marks import recommended
from ..facts.numbers import cell, plural
from .plain_text import plain

STALE_AFTER_S = 60.0
"""A ``best.json`` this many seconds older than its journal may be of an earlier session: then the journal is read."""


class RunRow(NamedTuple):
    """One run: its folder, when it was last written to, and what it recommends."""

    folder: str
    when: float
    trials: str
    verdict: str
    value: str
    schedule: str


def run_rows(folder: Path, load: Callable[[Path], SearchResult]) -> list[RunRow]:
    """The runs under a folder, the latest last.

    Args:
        folder: Where the run folders lie.
        load: Reads a search from its journal.
    """
    runs = folder.glob("*/") if os.path.isdir(folder) else ()
    stored = {run: run / name for run in runs for name in (JOURNAL, WHEREABOUTS) if os.path.isfile(run / name)}
    return sorted((_row(path, load) for path in stored.values()), key=lambda row: (row.when, row.folder))


def print_runs(rows: list[RunRow], console: Console) -> None:
    """The table, as wide as it needs to be outside of a terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "last written", "trials"):
        table.add_column(name, no_wrap=True, overflow="fold")
    table.add_column("verdict")
    table.add_column("to expect")
    table.add_column("recommended schedule")
    for row in rows:
        when = datetime.fromtimestamp(row.when).strftime("%Y-%m-%d %H:%M")
        table.add_row(*map(plain, (row.folder, when, row.trials, row.verdict, row.value, row.schedule)))
    if not console.is_terminal:
        console.width = 500
    console.print(table)


def _row(journal: Path, load: Callable[[Path], SearchResult]) -> RunRow:
    folder, written = str(journal.parent), os.path.getmtime(journal)
    data = _best(journal, written)
    if data is not None and "study" in data:
        return _from_best(folder, written, data)
    try:
        return _from_result(folder, written, load(journal.parent))
    except LrsearchError as error:
        return RunRow(folder, written, "", "", "", str(error))


def _best(journal: Path, written: float) -> dict[str, Any] | None:
    """What ``best.json`` says, if it is there and as new as the journal."""
    path = journal.with_name("best.json")
    try:
        if os.path.getmtime(path) < written - STALE_AFTER_S:
            return None
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def _from_best(folder: str, written: float, data: dict[str, Any]) -> RunRow:
    said = data.get("confirmation") or {}
    verdict = str(said.get("finding") or said.get("verdict") or "not confirmed")
    counts = data.get("outcomes") or {}
    trials = plural(sum(counts.values()), "trial") if counts else ""
    means = {run.get("trial"): run.get("mean") for run in said.get("runs") or ()}
    value = means.get(said.get("recommended")) or data.get("value")
    number = cell(value) if isinstance(value, float) else "–"
    return RunRow(folder, written, trials, verdict, f"{data.get('metric')} {number}", str(data.get("in_words")))


def _from_result(folder: str, written: float, result: SearchResult) -> RunRow:
    said, best = headline(result), recommended(result)
    trials = plural(len(result.trials), "trial")
    if best is None or best.schedule is None or said.expected is None:
        return RunRow(folder, written, trials, "", "", "nothing complete yet")
    mean = said.expected.mean
    value = best.value if mean != mean else mean
    return RunRow(folder, written, trials, said.state, f"{result.metric} {cell(value)}", best.schedule.describe())
