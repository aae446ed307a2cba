"""What a search looks like in a terminal: a live bar, plain lines or JSON, and the summary at the end."""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...search import SearchResult, Tally, TrialRecord, duration
from ..facts.confirmed import confirmed_rows
from ..facts.confirmed import facts as confirmed_facts
from ..facts.marks import label, title
from ..facts.verdict import verdict_of
from .braille import lr_plot, sparkline

CAVEAT = "One seed, and baselines at the middle base_lr of the space: a lead to follow, not a proof."


class LiveProgress:
    """A bar that stays in place: trials by outcome, the best so far, the time left."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.tally: Tally | None = None
        self.begun = time.time()
        self.live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)

    def start(self, name: str, tally: Tally) -> None:
        """Begin drawing."""
        self.tally = tally
        self.console.print(start_line(name, tally), markup=False, highlight=False)
        self.live.start()

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """Keep the new totals for the next refresh."""
        self.tally = tally

    def note(self, text: str) -> None:
        """Print above the bar."""
        self.console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Take the bar away."""
        self.live.stop()

    def _draw(self) -> Group:
        if self.tally is None:
            return Group()
        ledger = self.tally.ledger
        done = min(ledger.spent, ledger.budget.amount)
        left = ledger.left
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=ledger.budget.amount, completed=done, width=30),
            Text(_spent(self.tally)),
            Text(f"{duration(left)} left" if left is not None else "first trial"),
            Text(_outcomes(self.tally.outcomes), style="dim"),
        )
        return Group(head, Text(_best(self.tally)))


class LineProgress:
    """A line per trial, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def start(self, name: str, tally: Tally) -> None:
        """Say what begins."""
        self._print(start_line(name, tally))

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """Say how the trial ended."""
        found = trial.reason
        if trial.outcome in ("complete", "pruned") and trial.value is not None:
            found = f"{tally.metric} {trial.value:.4g}"
        what = trial.schedule.describe() if trial.schedule else ""
        self._print(f"[{_spent(tally)}] trial {trial.number} {trial.outcome}: {found}; {what}")

    def note(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def stop(self) -> None:
        """Nothing to take away."""

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class JsonProgress:
    """One JSON object per line, for programs; on standard output if not told otherwise."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout

    def start(self, name: str, tally: Tally) -> None:
        """``{"event": "start", ...}``."""
        self._print(event="start", study=name, budget=str(tally.ledger.budget), outcomes=tally.outcomes)

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """``{"event": "trial", ...}``."""
        self._print(event="trial", **trial_facts(trial), spent=round(tally.ledger.spent, 3))

    def note(self, text: str) -> None:
        """``{"event": "note", ...}``."""
        self._print(event="note", text=text)

    def stop(self) -> None:
        """The result follows as a last line, from `print_json`."""

    def _print(self, **event: object) -> None:
        print(json.dumps(event), file=self.out, flush=True)


def trial_facts(trial: TrialRecord) -> dict[str, object]:
    """A trial as JSON-ready facts; an infinite value becomes null."""
    finite = trial.value is not None and np.isfinite(trial.value)
    return {
        "number": trial.number,
        "outcome": trial.outcome,
        "value": trial.value if finite else None,
        "epochs": trial.epochs,
        "baseline": trial.baseline,
        "reason": trial.reason,
        "schedule": trial.schedule.to_dict() if trial.schedule else None,
    }


def print_json(result: SearchResult) -> None:
    """The result as one line of JSON on standard output."""
    best = trial_facts(result.best) if result.ranking else None
    facts = {"event": "result", "study": result.name, "folder": result.folder, "outcomes": result.counts()}
    confirmation = confirmed_facts(result)
    print(json.dumps({**facts, "metric": result.metric, "best": best, "confirmation": confirmation}), flush=True)


def print_summary(result: SearchResult, console: Console) -> None:
    """The recommended schedule, the lowest in the search, the baselines, the lr curve, and what to type next."""
    console.print()
    if not result.ranking:
        console.print(f"No trial was completed: {_outcomes(result.counts())}.", style="yellow")
        if reasons := [t.reason for t in result.trials if t.reason]:
            console.print(f"The last one: {reasons[-1]}", markup=False)
    else:
        best = result.best
        assert best.schedule is not None
        console.print(Text.assemble(("Use: ", "bold"), (best.schedule.describe(), "bold cyan")), soft_wrap=True)
        console.print(_value_line(result), highlight=False, markup=False, soft_wrap=True)
        console.print(lr_plot([best.schedule], ["lr"], console), end="")
        console.print(_table(result))
        if verdict := verdict_of(result):
            console.print(verdict, style="bold", highlight=False, markup=False, soft_wrap=True)
        else:
            if best.baseline:
                console.print("A baseline did best so far: a larger --budget may find better.", style="yellow")
            console.print(CAVEAT, style="dim", highlight=False, soft_wrap=True)
    _next_steps(result, console)


def start_line(name: str, tally: Tally) -> str:
    """What begins, or goes on."""
    if not tally.outcomes:
        return f"Study {name}: {tally.ledger.budget}"
    return f"Study {name} goes on: {_spent(tally)} spent, {_outcomes(tally.outcomes)}"


def make_progress(
    *, as_json: bool, console: Console | None = None, out: TextIO | None = None
) -> LiveProgress | LineProgress | JsonProgress:
    """JSON if asked for, a live bar on a terminal, lines elsewhere."""
    if as_json:
        return JsonProgress(out)
    console = console or Console(file=sys.stderr)
    return LiveProgress(console) if console.is_terminal else LineProgress(console)


def _spent(tally: Tally) -> str:
    ledger = tally.ledger
    if ledger.budget.kind == "seconds":
        return f"{duration(min(ledger.spent, ledger.budget.amount))} of {ledger.budget}"
    return f"{ledger.spent:g}/{ledger.budget}"


def _outcomes(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in outcomes.items()) or "none yet"


def _best(tally: Tally) -> str:
    best = tally.best
    if best is None or best.schedule is None:
        return "no trial completed yet"
    what = f"{best.schedule.family}, base_lr {best.schedule.base_lr:.4g}"
    return f"best {tally.metric} {best.value:.4g}: {what} (trial {best.number})"


def _value_line(result: SearchResult) -> str:
    best = result.best
    others = "".join(f", {k} {v[-1]:.4g}" for k, v in best.metrics.items() if k != result.metric and v)
    return f"{result.metric} {best.value:.4g}{others}; trial {best.number}; {_outcomes(result.counts())}"


def _table(result: SearchResult) -> Table:
    """What was confirmed, with means and numbers of fresh seeds, the three lowest in the search and every baseline."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    fresh = {row.trial: row for row in confirmed_rows(result)}
    for name in ("trial", result.metric, *(["fresh seeds"] if fresh else ["behind"])):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("lr", "schedule", "base_lr", ""):
        table.add_column(name)
    shown = {t.number: t for t in (*map(result.trial, fresh), *result.ranking[:3], *result.baselines)}
    for trial in shown.values():
        if trial.schedule is not None:
            curve = sparkline(trial.schedule.curve(max(1, int(64 / trial.schedule.horizon))), width=12)
            base_lr = f"{trial.schedule.base_lr:.4g}"
            row = fresh.get(trial.number)
            more = (f"{row.mean:.4g} ({row.seeds})" if row else "") if fresh else _against(trial, result)
            table.add_row(str(trial.number), _value(trial), more, curve, title(trial), base_lr, label(result, trial))
    return table


def _value(trial: TrialRecord) -> str:
    if trial.outcome == "complete" and trial.value is not None:
        return f"{trial.value:.4g}"
    return trial.outcome


def _against(trial: TrialRecord, result: SearchResult) -> str:
    best = result.best.value
    if trial.outcome != "complete" or trial.value is None or best is None or trial is result.best:
        return ""
    return f"{trial.value - best:+.3g}"


def _next_steps(result: SearchResult, console: Console) -> None:
    if result.folder is None:
        return
    steps = Table.grid(padding=(0, 2))
    steps.add_row("Report", f"{result.folder}/report.html")
    if result.ranking:
        steps.add_row("Use it", f"{result.folder}/best.py has build_scheduler")
        steps.add_row("Export", f"lrsearch export {result.folder} --format lightning --epochs 100")
    steps.add_row("Dig in", f"lrsearch dashboard {result.folder}")
    steps.add_row("Go on", "the same command with a larger --budget")
    console.print()
    console.print(steps)
