"""What the terminal says: the answer first, no word broken, nothing that a terminal would obey."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from results import contested, lr_trial, made_result, only
from rich.console import Console

from lrsearch.errors import StudyError
from lrsearch.reports.export import write_best
from lrsearch.reports.terminal.braille import lr_plot
from lrsearch.reports.terminal.json_output import JsonProgress
from lrsearch.reports.terminal.plain_text import plain
from lrsearch.reports.terminal.progress import LineProgress, LiveProgress, start_line
from lrsearch.reports.terminal.run_list import print_runs, run_rows
from lrsearch.reports.terminal.summary import print_summary
from lrsearch.search import Budget, SearchResult, Tally
from lrsearch.search.budget.ledger import Ledger
from lrsearch.search.engines.engine import Engine
from lrsearch.search.storage.whereabouts import note_whereabouts
from lrsearch.spaces import Schedule


def shown(result: SearchResult, width: int = 80, *, terminal: bool = True) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None)
    print_summary(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def tally(budget: str = "40") -> Tally:
    return Tally(Ledger(Budget.parse(budget), 10, 0.0, 0.0), "val_loss", maximize=False)


# The summary.


def test_the_answer_and_the_verdict_come_first() -> None:
    lines = [line for line in shown(contested(0.05), 200).splitlines() if line.strip()]
    assert lines[0].startswith("Use a cosine schedule, base_lr 0.1 (warm-up 1.8 of 10 epochs).")
    assert lines[1].startswith("Cosine (trial 18) beats the baseline (constant)")
    assert lines[2].startswith("Expect val_loss 0.449 ± 0.020")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_word_is_broken_and_no_line_is_too_long(width: int) -> None:
    result = replace(contested(0.05, test_gap=-0.02), folder="runs/made")
    text = shown(result, width)
    assert max(map(len, text.splitlines())) <= width
    whole = " ".join(shown(result, 500).split())
    for sentence in ("they contradict the verdict.", "The 0.221 of the search was a lucky run."):
        assert sentence in " ".join(text.split())
        assert sentence in whole


def test_in_a_pipe_a_sentence_is_one_line() -> None:
    lines = shown(contested(0.05), 80, terminal=False).splitlines()
    assert any(line.startswith("Cosine (trial 18) beats") and "(interval 8.5 to 11 %)." in line for line in lines)


def test_columns_tell_fresh_seeds_from_the_search() -> None:
    rows = {
        line.split()[0]: line.split() for line in shown(contested(), 120).splitlines() if line[:5].strip().isdigit()
    }
    assert rows["18"][1:4] == ["0.2212", "0.4994", "(9)"]
    assert rows["4"][2:4] == ["[0.6100", "(2)]"], "it was dropped after the selection seeds"


def test_edges_come_with_the_line_to_paste() -> None:
    trials = [
        lr_trial(0, 0.99, value=0.1, params={"base_lr": 0.99}),
        *(lr_trial(i, 0.1, value=0.5) for i in range(1, 7)),
    ]
    text = shown(only(*trials), 200)
    assert "! In trial 0 (exp), base_lr = 0.99 lies at the upper end of its range" in text
    assert "base_lr = { low = 0.001, high = 4.0, log = true }" in text


def test_a_single_trial_is_too_early_to_say_and_beats_nobody() -> None:
    text = shown(made_result(1))
    assert text.strip().startswith("Too early to say: 1 trial, the untuned baseline.")
    assert "beat" not in text


def test_what_to_type_next_follows_the_state_of_the_search() -> None:
    text = shown(replace(contested(), folder="my runs/made"), 120)
    assert "lrsearch export 'my runs/made' --format lightning\n" in text
    assert "lrsearch transfer 'my runs/made' --epochs 40" in text
    assert "transfer" not in shown(replace(made_result(30), folder="runs/made"))


@pytest.mark.parametrize(
    ("stored", "more"),
    [
        ({"objective": "train.py:objective"}, "--epochs 40 --objective train.py:objective\n"),
        ({"objective": "my train.py:objective"}, "--epochs 40 --objective 'my train.py:objective'\n"),
        (
            {"objective": "train", "command": ["python", "a b.py", "{seed}"]},
            "--epochs 40 -- python 'a b.py' '{seed}'\n",
        ),
    ],
)
def test_a_job_of_ones_own_stands_in_the_command_to_type_next(stored: dict[str, Any], more: str) -> None:
    made = contested()
    text = shown(replace(made, folder="runs/made", settings={**made.settings, **stored}), 120)
    assert f"lrsearch transfer runs/made {more}" in text


def test_a_storage_whose_password_is_not_kept_is_said_before_the_commands_that_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LRSEARCH_STORAGE", raising=False)
    note_whereabouts(tmp_path, "postgresql://me:secret@host/db", "made")
    text = shown(replace(contested(), folder=str(tmp_path)), 200)
    assert "First   export LRSEARCH_STORAGE='postgresql://me:***@host/db', with its password" in text
    assert "secret" not in text


def test_escape_codes_in_names_do_not_reach_the_terminal() -> None:
    evil = "\x1b[31mevil\x1b]0;title\x07"
    result = replace(
        contested(), name=evil, folder=f"runs/{evil}", settings={**contested().settings, "objective": evil}
    )
    assert "\x1b" not in shown(result)
    assert "\x1b" not in start_line(evil, tally())
    assert plain("a\x1b[2Jb\n") == "a\N{REPLACEMENT CHARACTER}[2Jb\n"
    failed = only(lr_trial(0, 0.1, outcome="failed", reason=evil))
    assert "\x1b" not in shown(failed)


# While it runs.


def test_one_trial_is_one_trial() -> None:
    assert start_line("one", tally("1")) == "Study one: 1 trial"
    assert start_line("two", tally("2")) == "Study two: 2 trials"


def test_a_run_on_a_fresh_seed_is_a_line_and_an_event() -> None:
    result = contested()
    assert result.confirmation is not None
    record = result.confirmation.every[0]
    console = Console(file=io.StringIO(), width=200)
    LineProgress(console).run(record, 3, 14)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().startswith(f"[3/14] confirming on fresh seeds: trial {record.confirms}, seed 1")
    out = io.StringIO()
    JsonProgress(out).run(record, 3, 14)
    event = json.loads(out.getvalue())
    assert (event["event"], event["done"], event["planned"], event["seed"]) == ("run", 3, 14, 1)


def test_the_bar_shows_epochs_within_trials_and_the_runs_of_the_confirmation() -> None:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    progress = LiveProgress(console)
    progress.tally = tally()
    assert "starting" in drawn(progress)
    for trial in range(6):
        progress.epoch(trial, 7, 20)
    assert "training trials 0 to 5, epoch 7 done" in drawn(progress)
    progress.epoch(0, 8, 20)
    assert "training trials 0 to 5, epochs 7 to 8 done" in drawn(progress)
    for trial in range(6):
        progress.epoch(trial, 20, 20)
    result = contested()
    assert result.confirmation is not None
    progress.run(result.confirmation.every[0], 3, 14)
    assert "confirming on fresh seeds: 3 of 14 runs" in drawn(progress)
    progress.epoch(40, 2, 20)
    assert "confirming on fresh seeds: 3 of 14 runs, epoch 2 done" in drawn(progress)


def drawn(progress: LiveProgress) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(progress._draw())
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    return text


def test_the_engine_is_a_sentence() -> None:
    assert str(Engine("single", 1, "2 lanes are 0.9 times as fast as one trial at a time")) == (
        "Training one trial at a time (2 lanes are 0.9 times as fast as one trial at a time)."
    )
    assert str(Engine("processes", 2, "as asked for")).startswith("Training 2 trials at a time, in processes")


# The list of runs.


def never(path: Path) -> SearchResult:
    raise AssertionError(f"{path} was replayed")


@pytest.mark.parametrize("gap", [0.0, 0.05])
def test_runs_names_what_the_report_recommends_without_reading_the_journal(tmp_path: Path, gap: float) -> None:
    result = contested(gap)
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "journal.log").write_text("")
    write_best(result, folder)
    (row,) = run_rows(tmp_path, never)
    assert result.best.schedule is not None
    assert row.schedule == result.best.schedule.describe()
    assert row.verdict == ("better" if gap else "no gain proven")
    assert row.trials == "40 trials"
    assert row.value == ("val_loss 0.4494" if gap else "val_loss 0.4989")


def test_runs_reads_the_journal_where_best_json_is_missing_or_old(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "journal.log").write_text("")
    (row,) = run_rows(tmp_path, lambda path: made_result(30))
    assert row.verdict == "not confirmed"
    write_best(contested(0.05), folder)
    os.utime(folder / "best.json", (0, 0))
    assert run_rows(tmp_path, lambda path: made_result(30))[0].verdict == "not confirmed"
    assert run_rows(tmp_path, lambda path: only())[0].schedule == "nothing complete yet"


def test_a_run_that_cannot_be_read_is_a_row_that_says_why(tmp_path: Path) -> None:
    def broken(path: Path) -> SearchResult:
        raise StudyError("it is damaged.")

    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "journal.log").write_text("")
    (row,) = run_rows(tmp_path, broken)
    assert row.schedule == "it is damaged."
    console = Console(file=io.StringIO(), width=80)
    print_runs([row], console)
    assert isinstance(console.file, io.StringIO)
    assert "it is damaged." in console.file.getvalue()


def test_no_line_begins_with_a_per_cent_sign() -> None:
    for width in range(60, 100):
        assert not any(line.startswith("%") for line in shown(contested(0.05), width).splitlines())


def test_without_colours_every_curve_has_a_plot_of_its_own() -> None:
    schedules = [Schedule("exp", 0.1, 10), Schedule("cosine", 0.1, 10)]
    plain_console = Console(file=io.StringIO(), width=80, color_system=None)
    text = lr_plot(schedules, ["one", "two"], plain_console).plain
    assert text.startswith("one\n")
    assert "\ntwo\n" in text
    assert text.count("epochs") == 2
    coloured = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    assert lr_plot(schedules, ["one", "two"], coloured).plain.count("epochs") == 1
