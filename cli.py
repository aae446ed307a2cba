"""The command line: wires and prints. What a command does is in the layers below; its options in `commands`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import commands
from .errors import InputError, Interrupted, LrsearchError
from .keywords import FindOptions, RunOptions, TransferOptions, WorkOptions
from .options import STORAGE, keywords
from .parser import parse

if TYPE_CHECKING:
    from .search import SearchResult

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
    from .reports.terminal.plain import plain

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
        _open(Path(str(result.folder)) / "report.html")
    return OK if result.ranking else FAILED


def _find(args: commands.Find) -> int:
    from rich.console import Console

    from .api import find
    from .reports.facts.probe import range_toml
    from .reports.preview import write_finder
    from .reports.terminal.finder import print_probe
    from .reports.terminal.progress import LineProgress
    from .search import sigterm_like_ctrl_c

    asked = replace(args, progress=LineProgress(Console(stderr=True)))
    with sigterm_like_ctrl_c():
        probe = find(**keywords(FindOptions, asked))
    print_probe(probe, args.metric, Console())
    toml = range_toml(probe, str(args.objective))
    if args.toml:
        if not toml:
            raise InputError("no range was found, so there is none to write: try other rates with --low and --high.")
        _write(Path(args.toml), toml)
    if args.html:
        print(f"Plot: {write_finder(probe, args.metric, Path(args.html), title=str(args.objective), toml=toml)}")
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


def _report(args: commands.Report) -> int:
    from .reports.terminal.plain import plain
    from .run_folder import write_report

    result = _load(args)
    path = write_report(result, Path(args.output) if args.output else _default_report(result, args))
    print(f"Report: {plain(path)}")
    for kind in ("png", "svg"):
        if target := getattr(args, kind):
            from .reports.images import write_image

            print(f"Image: {plain(write_image(result, Path(target), kind))}")
    if args.open:
        _open(path)
    return OK


def _default_report(result: SearchResult, args: commands.Report) -> Path:
    from .search import folder_name

    return Path(result.folder or f"runs/{folder_name(result.name)}") / "report.html"


def _export(args: commands.Export) -> int:
    from .reports.export import export

    result = _load(args)
    text = export(
        result.best if args.trial is None else result.trial(args.trial),
        result,
        args.format,
        epochs=args.epochs,
        steps=args.steps,
        steps_per_epoch=args.steps_per_epoch,
        base_lr=args.base_lr,
        keep_warmup=args.keep_warmup,
    )
    if args.output is None:
        print(text, end="")
    else:
        _write(Path(args.output), text)
    return OK


def _transfer(args: commands.Transfer) -> int:
    from rich.console import Console

    from .api import transfer
    from .reports.facts.longer import longer, text_table
    from .reports.terminal.plain import plain
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
    from .reports.terminal.plain import plain
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


def _dashboard(args: commands.Dashboard) -> int:
    from .reports.dashboard.server import serve
    from .run_folder import locate

    result = _load(args)
    serve(result, locate(args.run, args.storage), host=args.host, port=args.port)
    return OK


def _preview(args: commands.Preview) -> int:
    from rich.console import Console

    from .families import choose_families
    from .reports.preview import GALLERY, variants, write_preview
    from .reports.terminal.braille import lr_plot

    values = dict(args.values)
    wanted: Sequence[tuple[str, dict[str, Any]]] = GALLERY
    if args.family:
        wanted = [(name, values) for name in choose_families([args.family])]
    elif values:
        raise InputError(f"--{next(iter(values)).replace('_', '-')} needs --family: say which one to draw.")
    groups = {
        family if "warmup" not in given else f"{family} with warm-up": variants(
            family, given, horizon=args.epochs, interval=args.interval
        )
        for family, given in wanted
    }
    console = Console()
    for title, schedules in groups.items():
        console.print(title, style="bold")
        console.print(lr_plot(list(schedules.values()), list(schedules), console))
    if args.html:
        print(f"Plot: {write_preview(groups, Path(args.html))}")
    return OK


def _families(args: commands.Families) -> int:
    from .families import choose_families
    from .spaces import DEFAULT_FAMILIES, IN_EPOCHS, Counting, default_space, space_to_toml

    if args.toml:
        chosen = choose_families(args.families or DEFAULT_FAMILIES)
        counting = Counting("step") if args.steps else IN_EPOCHS
        space = default_space(args.optimizer, args.steps or args.epochs, chosen, counting=counting)
        print(space_to_toml(space, offers=True), end="")
        return OK
    from .reports.terminal.family_list import family_lines

    for name in choose_families(args.families or ["all"]):
        print("\n".join(family_lines(name)))
    return OK


def _tasks(args: commands.Tasks) -> int:
    from .objectives import TASKS

    for name, task in TASKS.items():
        print(f"{name:<14} {task.summary}; {task.epochs} epochs")
    print(f"{'FILE.py:NAME':<14} your own generator function; see the README")
    return OK


def _runs(args: commands.Runs) -> int:
    from rich.console import Console

    from .reports.terminal.run_list import print_runs, run_rows
    from .run_folder import load

    if rows := run_rows(Path(args.folder), load):
        print_runs(rows, Console())
    else:
        print(f"no runs in {args.folder!r}; start one with: lrsearch run")
    return OK


def _load(args: commands.OfAStudy) -> SearchResult:
    from .run_folder import load
    from .search import SearchResult

    result = load(args.run, args.study, args.storage)
    if not isinstance(result, SearchResult):
        raise InputError(f"{args.run} is one trial: give the run folder it lies in.")
    return result


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written ({error.strerror}): choose another place.") from None
    print(f"Written: {path}", file=sys.stderr)


def _open(path: Path) -> None:
    import webbrowser

    webbrowser.open(path.resolve().as_uri())


COMMANDS: dict[str, Callable[[Any], int]] = {
    "run": _run,
    "find": _find,
    "report": _report,
    "export": _export,
    "transfer": _transfer,
    "worker": _work,
    "dashboard": _dashboard,
    "preview": _preview,
    "families": _families,
    "tasks": _tasks,
    "runs": _runs,
}
