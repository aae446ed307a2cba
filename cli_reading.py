"""The commands that train nothing: they read a finished run, or show what there is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import commands
from .errors import InputError

if TYPE_CHECKING:
    from .search import SearchResult

OK = 0


def make_report(args: commands.Report) -> int:
    """Write the report of a run."""
    from .reports.terminal.plain_text import plain
    from .run_folder import write_report

    result = _load(args)
    path = write_report(result, Path(args.output) if args.output else _default_report(result, args))
    print(f"Report: {plain(path)}")
    for kind in ("png", "svg"):
        if target := getattr(args, kind):
            from .reports.images import write_image

            print(f"Image: {plain(write_image(result, Path(target), kind))}")
    if args.open:
        open_in_browser(path)
    return OK


def _default_report(result: SearchResult, args: commands.Report) -> Path:
    from .search import folder_name

    return Path(result.folder or f"runs/{folder_name(result.name)}") / "report.html"


def export_trial(args: commands.Export) -> int:
    """Print the schedule to use, or that of a trial, in a format."""
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
        write_text(Path(args.output), text)
    return OK


def serve_dashboard(args: commands.Dashboard) -> int:
    """Show a run in Optuna's dashboard, until Ctrl-C."""
    from .reports.dashboard.server import serve
    from .run_folder import locate

    result = _load(args)
    serve(result, locate(args.run, args.storage), host=args.host, port=args.port)
    return OK


def draw_preview(args: commands.Preview) -> int:
    """Draw schedules without training."""
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


def list_families(args: commands.Families) -> int:
    """Say what the families are, or print a space of them."""
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


def list_tasks(args: commands.Tasks) -> int:
    """Say what the built-in tasks are."""
    from .objectives import TASKS

    for name, task in TASKS.items():
        print(f"{name:<14} {task.summary}; {task.epochs} epochs")
    print(f"{'FILE.py:NAME':<14} your own generator function; see the README")
    return OK


def list_runs(args: commands.Runs) -> int:
    """Print the runs in a folder."""
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


def write_text(path: Path, text: str) -> None:
    """Write a file that was asked for; raises `InputError` if it cannot be written."""

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written ({error.strerror}): choose another place.") from None
    print(f"Written: {path}", file=sys.stderr)


def open_in_browser(path: Path) -> None:
    """Open a page."""

    import webbrowser

    webbrowser.open(path.resolve().as_uri())
