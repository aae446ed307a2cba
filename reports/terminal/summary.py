"""What a search says in a terminal at its end: the answer first, then what it rests on, and what to type next."""

from __future__ import annotations

import os
import shlex
import textwrap
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...options import STORAGE
from ...search import SearchResult, TrialRecord, whereabouts
from ..export.wider_space import wider_space_file
from ..facts.answer import tally
from ..facts.fresh_seeds import ConfirmedRow, confirmed_rows
from ..facts.headline import headline
from ..facts.marks import label, recommended, title
from ..facts.numbers import cell, two_digits
from .braille import lr_plot, sparkline
from .plain_text import plain
from .progress import outcomes

WIDE = 100
"""With fewer columns the table has no sparklines."""


def print_summary(result: SearchResult, console: Console) -> None:
    """The answer, warnings, the lr curve, a table of the trials that stand out, and what to type next."""
    console.print()
    if not result.ranking:
        console.print(f"No trial was completed: {outcomes(result.counts())}.", style="yellow")
        if reasons := [t.reason for t in result.trials if t.reason and t.outcome != "interrupted"]:
            _say(console, f"The last one: {reasons[-1]}")
    else:
        _answer(result, console)
        console.print(_table(result, sparks=console.width >= WIDE))
        _say(console, tally(result), "dim")
    _next_steps(result, console)


def _answer(result: SearchResult, console: Console) -> None:
    says, best = headline(result), recommended(result)
    assert best is not None
    assert best.schedule is not None
    _say(console, says.title, "bold cyan" if says.state != "too early" else "bold yellow")
    for text in (says.verdict, says.expected.text if says.expected else ""):
        if text:
            _say(console, text, "bold" if text == says.verdict else "")
    if says.latitude:
        _say(console, says.latitude)
    for test in says.tests:
        if not test.contradicts:
            _say(console, test.text)
    wider = wider_space_file(result)
    for caution in says.cautions:
        _say(console, f"! {caution.text}", "yellow")
        if caution.toml and not wider:
            _say(console, f"  In a file for --space: {' '.join(caution.toml.split())}", "yellow")
    if wider:
        file = shlex.quote(plain(wider))
        _say(console, f"  To search on beyond: the same command with --space {file} and a larger --budget", "yellow")
    if says.gain:
        _say(console, says.gain.sentence)
    console.print()
    _say(console, f"Trial {best.number}: {best.schedule.describe()}", "cyan")
    console.print(lr_plot([best.schedule], ["lr"], console), end="")


def _say(console: Console, text: str, style: str = "") -> None:
    """Text wrapped between words in a terminal, but not before a per cent sign; on one line in a pipe."""
    whole = plain(text)
    if console.is_terminal:
        whole = whole.replace(" %", "\N{NO-BREAK SPACE}%")
        whole = textwrap.fill(whole, console.width, break_long_words=False, break_on_hyphens=False)
    console.print(Text(whole, style=style), soft_wrap=True, highlight=False)


def _table(result: SearchResult, *, sparks: bool) -> Table:
    """What was confirmed, with means and numbers of fresh seeds, the three lowest in the search and every baseline."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    fresh = {row.trial: row for row in confirmed_rows(result)}
    for name in ("trial", "in the search", "fresh seeds" if fresh else "against it"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in (*(["lr"] if sparks else []), "base_lr"):
        table.add_column(name, no_wrap=True)
    for name in ("schedule", ""):
        table.add_column(name)
    shown = {t.number: t for t in (*map(result.trial, fresh), result.best, *result.ranking[:3], *result.baselines)}
    for trial in shown.values():
        if trial.schedule is not None:
            more = _fresh(fresh.get(trial.number)) if fresh else _against(trial, result)
            table.add_row(
                str(trial.number),
                _value(trial),
                more,
                *([_spark(trial)] if sparks else []),
                f"{trial.schedule.base_lr:.4g}",
                plain(title(trial)),
                label(result, trial),
            )
    table.caption = f"{plain(result.metric)}; {'higher' if result.maximize else 'lower'} is better"
    table.caption_justify = "left"
    return table


def _spark(trial: TrialRecord) -> str:
    assert trial.schedule is not None
    schedule = trial.schedule
    if schedule.unit == "step" and schedule.horizon > 64:
        schedule = schedule.in_epochs_of(schedule.horizon / 64)
    return sparkline(schedule.curve(max(1, int(64 / schedule.horizon))), width=12)


def _fresh(row: ConfirmedRow | None) -> str:
    """The mean over the seeds that decided, with their number; over the selection seeds in brackets."""
    if row is None:
        return ""
    text = f"{cell(row.mean)} ({row.seeds})"
    return text if row.deciding.seeds else f"[{text}]"


def _value(trial: TrialRecord) -> str:
    return cell(trial.value) if trial.outcome == "complete" and trial.value is not None else trial.outcome


def _against(trial: TrialRecord, result: SearchResult) -> str:
    best = result.best.value
    if trial.outcome != "complete" or trial.value is None or not best or trial.number == result.best.number:
        return ""
    return f"{two_digits(100 * (trial.value - best) / abs(best), signed=True)} %"


def _next_steps(result: SearchResult, console: Console) -> None:
    if result.folder is None:
        return
    folder = shlex.quote(plain(result.folder))
    steps = {"Report": f"{plain(result.folder)}/report.html"}
    stored = whereabouts(Path(result.folder))
    if stored and not stored.complete and not stored.matches(os.environ.get(STORAGE, "")):
        steps["First"] = f"export {STORAGE}={shlex.quote(plain(stored.storage))}, with its password"
    if result.ranking:
        steps["Use it"] = f"{plain(result.folder)}/best.py has build_scheduler"
        steps["Export"] = f"lrsearch export {folder} --format lightning"
    if confirmed_rows(result):
        longer = f"--{result.counting.units} {4 * result.horizon}{plain(_own_job(result))}"
        steps["Longer"] = f"lrsearch transfer {folder} {longer}"
    steps["Dig in"] = f"lrsearch dashboard {folder}"
    steps["Go on"] = f"the same command with {'--spend-all' if result.settled else 'a larger --budget'}"
    console.print()
    for name, text in steps.items():
        console.print(Text(f"{name:<8}{text}"), soft_wrap=True, highlight=False)


def _own_job(result: SearchResult) -> str:
    """What names a job of the user's own again on a command line, since it is only run from where one types it."""
    objective, words = str(result.settings.get("objective", "")), result.settings.get("command")
    if words:
        return f" -- {shlex.join(map(str, words))}"
    return f" --objective {shlex.quote(objective)}" if ":" in objective else ""
