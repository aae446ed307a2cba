"""What a search looks like in a terminal while it runs: a live bar, or a line for each trial."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...errors import InputError
from ...search import Progress, Silent, Tally, TrialRecord, duration
from ...spaces import IN_EPOCHS, amount
from ..facts.numbers import plural
from .json_output import JsonProgress
from .plain_text import plain

BAR = 30
"""Characters of the bar."""
BEAT = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
"""Turns ten times a second while nothing else moves."""


class LiveProgress:
    """A bar that stays in place: trials by outcome, the time left, what is training, the best so far."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.tally: Tally | None = None
        self.phase = ""
        self.under_way: dict[int, int] = {}
        self.live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)

    def start(self, name: str, tally: Tally) -> None:
        """Begin drawing."""
        self.tally = tally
        self.console.print(start_line(name, tally), markup=False, highlight=False)
        self.live.start()

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """Keep the new totals for the next refresh."""
        self.tally = tally
        self.under_way.pop(trial.number, None)

    def epoch(self, trial: int, epoch: int, epochs: int) -> None:
        """Show how far it is."""
        self.under_way[trial] = epoch
        if epoch >= epochs:
            del self.under_way[trial]

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        """Show how many runs there are to come."""
        self.under_way.clear()
        self.phase = "" if record.probes and done == of else f"{_kind(record)}: {done} of {of} runs"

    def note(self, text: str) -> None:
        """Print above the bar."""
        self.console.print(plain(text), style="dim", markup=False, highlight=False)

    def stop(self) -> None:
        """Take the bar away."""
        self.live.stop()

    def _draw(self) -> Group:
        beat = BEAT[int(10 * time.time()) % len(BEAT)]
        if self.tally is None:
            return Group(Text(beat))
        ledger = self.tally.ledger
        left = ledger.left
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=ledger.budget.amount, completed=min(ledger.spent, ledger.budget.amount), width=BAR),
            Text(spent(self.tally)),
            Text(f"{duration(left)} left" if left is not None else ""),
        )
        lines = [self._doing(), outcomes(self.tally.outcomes) if self.tally.outcomes else "", best(self.tally)]
        return Group(head, Text(f"{beat} {lines[0]}"), *(Text(line, style="dim") for line in lines[1:] if line))

    def _doing(self) -> str:
        if not self.under_way:
            return self.phase or ("training" if self.tally and self.tally.outcomes else "starting")
        trials = sorted(self.under_way)
        epochs = sorted(set(self.under_way.values()))
        which = f"trial {trials[0]}" if len(trials) == 1 else f"trials {trials[0]} to {trials[-1]}"
        counting = self.tally.counting if self.tally else IN_EPOCHS
        done = f"{counting.unit} {counting.at(epochs[0])}"
        if len(epochs) > 1:
            done = f"{counting.units} {counting.at(epochs[0])} to {counting.at(epochs[-1])}"
        return f"training {which}, {done} done" if not self.phase else f"{self.phase}, {done} done"


class LineProgress:
    """A line per trial, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def start(self, name: str, tally: Tally) -> None:
        """Say what begins."""
        self._print(start_line(name, tally))

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """Say how the trial ended."""
        what = trial.schedule.describe() if trial.schedule else ""
        self._print(f"[{spent(tally)}] trial {trial.number} {trial.outcome}: {_ended(trial, tally.metric)}; {what}")

    def epoch(self, trial: int, epoch: int, epochs: int) -> None:
        """Nothing: a line for each would be too many."""

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        """Say how the run ended."""
        which = f"trial {record.confirms}, " if record.confirms is not None else ""
        self._print(f"[{done}/{of}] {_kind(record)}: {which}{_run(record)}")

    def note(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def stop(self) -> None:
        """Nothing to take away."""

    def _print(self, text: str) -> None:
        self.console.print(plain(text), markup=False, highlight=False, soft_wrap=True)


def make_progress(
    *, as_json: bool, console: Console | None = None, out: TextIO | None = None
) -> LiveProgress | LineProgress | JsonProgress:
    """JSON if asked for, a live bar on a terminal, lines elsewhere."""
    if as_json:
        return JsonProgress(out)
    console = console or Console(file=sys.stderr)
    return LiveProgress(console) if console.is_terminal else LineProgress(console)


def who_to_tell(progress: Progress | bool | Callable[[str], object] | None) -> Progress:
    """Who a Python program wants to be told.

    Args:
        progress: A `Progress`; False for nobody; True for a bar or lines on standard error; a function, which gets
            every line; None for True in a terminal, and False elsewhere.

    Raises:
        InputError: It is something else.
    """
    if progress is None:
        progress = sys.stderr.isatty()
    if isinstance(progress, bool):
        return make_progress(as_json=False) if progress else Silent()
    if all(hasattr(progress, name) for name in ("start", "trial", "note", "stop")):
        return cast("Progress", progress)
    if callable(progress):
        return LineProgress(Console(file=cast("TextIO", _Lines(progress)), width=1000))
    raise InputError(f"progress is True, False, a function that takes a line, or a Progress; got {progress!r}.")


class _Lines:
    """A file whose lines go to a function."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell, self._rest = tell, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept but the line under way."""


def start_line(name: str, tally: Tally) -> str:
    """What begins, or goes on."""
    budget = tally.ledger.budget
    if not tally.outcomes:
        whole = budget.kind == "trials" and float(budget.amount).is_integer()
        return plain(f"Study {name}: {plural(int(budget.amount), 'trial') if whole else budget}")
    return plain(f"Study {name} goes on: {spent(tally)} spent, {outcomes(tally.outcomes)}")


def spent(tally: Tally) -> str:
    """How much of the budget is spent: ``3/40 trials``."""
    ledger = tally.ledger
    if ledger.budget.kind == "seconds":
        return f"{duration(min(ledger.spent, ledger.budget.amount))} of {ledger.budget}"
    text = f"{round(ledger.spent, 1):g}/{ledger.budget}"
    return text.removesuffix("s") if ledger.budget.amount == 1 else text


def outcomes(counts: dict[str, int]) -> str:
    """``12 complete, 18 pruned``."""
    return ", ".join(f"{n} {name}" for name, n in counts.items()) or "none yet"


def best(tally: Tally) -> str:
    """The best complete trial so far; empty without one."""
    leader = tally.best
    if leader is None or leader.schedule is None or leader.value is None:
        return ""
    word = "highest" if tally.maximize else "lowest"
    what = f"{leader.schedule.family}, base_lr {leader.schedule.base_lr:.4g}"
    return plain(f"{word} {tally.metric} so far {leader.value:.4g}: {what} (trial {leader.number})")


def _ended(trial: TrialRecord, metric: str) -> str:
    known = trial.outcome in ("complete", "pruned") and trial.value is not None
    return f"{metric} {trial.value:.4g}" if known else trial.reason


def _kind(record: TrialRecord) -> str:
    if record.probes:
        return "probing the scale of base_lr"
    return "confirming on fresh seeds" if record.confirms is not None else "training"


def _run(record: TrialRecord) -> str:
    """``seed 4, 20 epochs: 0.1234``."""
    finite = record.value is not None and math.isfinite(record.value)
    ended = f"{record.value:.4g}" if finite else record.outcome
    if record.probes and record.schedule:
        return f"{record.schedule.base_lr:.4g}: {ended}"
    length = f", {amount(record.schedule.horizon, record.schedule.unit)}" if record.schedule else ""
    return f"seed {record.seed}{length}: {ended}"
