"""The command line: wires and prints, here the commands that train. Their options are in `commands`."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import commands
from .cli_reading import (
    draw_preview,
    export_trial,
    list_families,
    list_runs,
    list_tasks,
    make_report,
    open_in_browser,
    serve_dashboard,
    write_text,
)
from .errors import InputError, Interrupted, LrsearchError
from .keywords import FindOptions, RunOptions, TransferOptions, WorkOptions
from .options import STORAGE, keywords
from .parser import parse
from .redaction import redact_words

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
_begun = [time.monotonic()]
"""When the process began, for its first command: the imports count as well."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted (and resumable)."""
    try:
        args = parse(argv)
        _load_families(getattr(args, "own_families", ()))
        return COMMANDS[args.command](args)
    except InputError as error:
        return _complain(error, WRONG_USE)
    except LrsearchError as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        print("lrsearch: interrupted; nothing is lost, the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # a full disk, a name that is too long
        return _complain(error, FAILED)


def _load_families(specs: Sequence[str]) -> None:
    if specs:
        from .families import choose_families

        choose_families(specs)


def _complain(error: Exception, code: int) -> int:
    from .reports.terminal.plain_text import plain

    print(f"lrsearch: error: {plain(error)}", file=sys.stderr)
    return code


def _run(args: commands.Run) -> int:
    if sys.stderr.isatty() and not args.json:  # PyTorch takes seconds
        what = "the command" if args.objective is None and args.arguments else repr(args.objective or "digits")
        print(f"lrsearch: preparing {what} ...", file=sys.stderr, flush=True)
    from rich.console import Console

    from .api import run
    from .reports.terminal.json_output import print_json
    from .reports.terminal.progress import make_progress
    from .reports.terminal.streams import stdout_for_json
    from .reports.terminal.summary import print_summary
    from .search import sigterm_like_ctrl_c

    with _shown_if_interrupted(args), sigterm_like_ctrl_c(), stdout_for_json() if args.json else nullcontext() as out:
        asked = replace(
            args, progress=make_progress(as_json=args.json, out=out), begun=_begun.pop() if _begun else time.monotonic()
        )
        result = run(**keywords(RunOptions, asked))
    if args.json:
        print_json(result)
    else:
        print_summary(result, Console())
    if args.open:
        open_in_browser(Path(str(result.folder)) / "report.html")
    return OK if result.ranking else FAILED


def _find(args: commands.Find) -> int:
    from rich.console import Console

    from .api import find
    from .objectives import DEFAULT_TASK
    from .reports.facts.probe import range_toml
    from .reports.preview import write_finder
    from .reports.terminal.finder import print_probe
    from .reports.terminal.progress import LineProgress
    from .search import sigterm_like_ctrl_c

    asked = replace(args, progress=LineProgress(Console(stderr=True)))
    with sigterm_like_ctrl_c():
        probe = find(**keywords(FindOptions, asked))
    print_probe(probe, args.metric, Console())
    name = str(args.objective or shlex.join(redact_words(args.arguments)) or DEFAULT_TASK)
    toml = range_toml(probe, name)
    if args.toml:
        if not toml:
            raise InputError("no range was found, so there is none to write: try other rates with --low and --high.")
        write_text(Path(args.toml), toml)
    if args.html:
        print(f"Plot: {write_finder(probe, args.metric, Path(args.html), title=name, toml=toml)}")
    return OK if probe.scale else FAILED


@contextmanager
def _shown_if_interrupted(args: commands.Run) -> Iterator[None]:
    """Print what there is after Ctrl-C."""
    try:
        yield
    except Interrupted as stop:
        if stop.result is not None and not args.json:
            from rich.console import Console

            from .reports.terminal.summary import print_summary

            print_summary(stop.result, Console())
        raise


def _transfer(args: commands.Transfer) -> int:
    from rich.console import Console

    from .api import transfer
    from .reports.facts.transfer import longer, text_table
    from .reports.terminal.plain_text import plain
    from .reports.terminal.progress import LineProgress

    asked = replace(args, progress=LineProgress(Console(stderr=True)))
    result = transfer(**keywords(TransferOptions, asked))
    followed = longer(result, args.epochs or args.steps)
    assert followed is not None
    print(
        "\n".join([f"{result.metric}, means over {followed.seeds} seeds", *text_table(followed), *followed.sentences])
    )
    print(f"Report: {plain(result.folder)}/report.html")
    return OK


def _work(args: commands.Worker) -> int:
    from rich.console import Console

    from .api import work
    from .reports.facts.numbers import plural
    from .reports.terminal.plain_text import plain
    from .reports.terminal.progress import LineProgress
    from .search import sigterm_like_ctrl_c

    if args.storage is None:
        raise InputError(f"say with --storage (or ${STORAGE}) which database the search uses.")
    with sigterm_like_ctrl_c():
        asked = replace(args, progress=LineProgress(Console(stderr=True)))
        result = work(**keywords(WorkOptions, asked))
    trials = plural(len(result.trials), "trial")
    print(f"The search is finished: {trials}. See: lrsearch report {plain(args.study)} --storage URL")
    return OK


COMMANDS: dict[str, Callable[[Any], int]] = {
    "run": _run,
    "find": _find,
    "report": make_report,
    "export": export_trial,
    "transfer": _transfer,
    "worker": _work,
    "dashboard": serve_dashboard,
    "preview": draw_preview,
    "families": list_families,
    "tasks": list_tasks,
    "runs": list_runs,
}
