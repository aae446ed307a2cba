"""The command line: parses, wires, prints. What a command does is in the layers below."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, LrsearchError

if TYPE_CHECKING:
    from .search import SearchResult

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
FORMATS = ("torch", "lightning", "transformers", "timm", "json", "yaml")
FAMILY_PARAMS = ("gamma", "step_size", "T_max", "eta_min", "end_factor", "power", "cooldown", "shape")
_BEGUN = time.time()
_EXAMPLES = """\
examples:
  lrsearch run --budget 40                                 the built-in digits task, no download
  lrsearch run train.py:objective --budget 2h --epochs 30  your own training job
  lrsearch preview --family cosine --T-max 50 --T-max 150  look at curves first
  lrsearch export runs/digits --format lightning           take the winner home
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted (and resumable)."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.command(args)
        return code
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


def _complain(error: Exception, code: int) -> int:
    print(f"lrsearch: error: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lrsearch",
        description="Find a learning-rate schedule for a PyTorch training job, with evidence.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    _add_run(add("run", _run, "Search for a schedule, or go on with the study of that name."))
    _add_report(add("report", _report, "Write a run's HTML report again."))
    _add_export(add("export", _export, "Print the winner (or another trial) as code for your training script."))
    _add_dashboard(add("dashboard", _dashboard, "Open a run in optuna-dashboard."))
    _add_preview(add("preview", _preview, "Draw schedules for several parameter values, without training."))
    families = add("families", _families, "List the schedule families, or write a search space to edit.")
    families.add_argument("--toml", action="store_true", help="print a search space as TOML, for --space")
    families.add_argument("--families", type=_names, help="which ones (with --toml: exp,step,cosine)")
    families.add_argument("--epochs", type=int, default=20, help="horizon the ranges are made for (default 20)")
    families.add_argument("--optimizer", choices=("sgd", "adamw"), default="sgd", help="whose base_lr range")
    add("tasks", _tasks, "List the built-in training jobs.")
    runs = add("runs", _runs, "List the runs in a folder.")
    runs.add_argument("folder", nargs="?", default="runs", help="where to look (default runs)")
    return parser


def _add_run(p: argparse.ArgumentParser) -> None:
    p.add_argument("objective", nargs="?", default="digits", help="a task, train.py:objective or module:objective")
    p.add_argument("--budget", default="60", help='trials "60", time "30m", or epochs "500ep" (default 60)')
    p.add_argument("--epochs", type=int, help="length of a trial (default: the task's)")
    p.add_argument("--families", type=_names, help="schedule families (default exp,step,cosine)")
    p.add_argument("--space", metavar="FILE", help="search space as TOML; see: lrsearch families --toml")
    p.add_argument("--interval", choices=("step", "epoch"), help="when the rate changes (default step)")
    p.add_argument("--study", metavar="NAME", help="the study's name (default: the objective's)")
    p.add_argument("--out", metavar="DIR", default="runs", help="where run folders go (default runs)")
    p.add_argument("--storage", metavar="URL", help="Optuna storage (default: a journal file in the run folder)")
    p.add_argument("--engine", default="auto", help="auto, lanes, processes or single (default auto: measured)")
    p.add_argument("--jobs", type=int, default=0, help="worker processes (default: the engine's choice)")
    p.add_argument("--device", default="auto", help="torch device (default auto: CUDA if there is one)")
    p.add_argument("--sampler", default="tpe", help="tpe, gp, random or qmc (default tpe)")
    p.add_argument("--pruner", default="median", help="median, halving, hyperband or none (default median)")
    p.add_argument("--metric", default="val_loss", help="metric that ranks trials (default val_loss)")
    p.add_argument("--maximize", action="store_true", help="larger is better")
    p.add_argument("--seed", type=int, default=0, help="seed of the search and of every trial (default 0)")
    p.add_argument("--json", action="store_true", help="one JSON object per line on standard output")
    p.add_argument("--open", action="store_true", help="open the report when done")
    p.add_argument("--optimizer", choices=("sgd", "adamw"), help="a task's optimizer; sets the base_lr range")
    task = p.add_argument_group("built-in tasks")
    task.add_argument("--model", default="", help="one of the task's models")
    task.add_argument("--batch-size", type=int, default=0, help="samples in a step")
    task.add_argument("--data-dir", default="data", help="folder with the datasets (default data)")
    task.add_argument("--download", action="store_true", help="let torchvision fetch what is missing")
    task.add_argument("--subset", type=int, default=0, help="train on this many samples only")
    task.add_argument("--bf16", action="store_true", help="autocast to bfloat16")


def _add_run_argument(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", help="a run folder, or a study's name under runs/")
    p.add_argument("--storage", metavar="URL", help="Optuna storage, if not the run folder's journal")
    p.add_argument("--study", metavar="NAME", help="the study's name, if the storage has several")


def _add_report(p: argparse.ArgumentParser) -> None:
    _add_run_argument(p)
    p.add_argument("--output", metavar="FILE", help="where to write it (default: report.html in the run folder)")
    p.add_argument("--png", metavar="FILE", help="the lr and loss curves as an image, for slides")
    p.add_argument("--svg", metavar="FILE", help="the same as SVG")
    p.add_argument("--open", action="store_true", help="open it in the browser")


def _add_export(p: argparse.ArgumentParser) -> None:
    _add_run_argument(p)
    p.add_argument("--format", choices=FORMATS, default="torch", help="default torch")
    p.add_argument("--trial", type=int, metavar="K", help="another trial than the best")
    p.add_argument("--epochs", type=float, help="stretch to the real training length")
    p.add_argument("--steps-per-epoch", type=int, metavar="M", help="the real number of optimizer steps in an epoch")
    p.add_argument("--keep-warmup", action="store_true", help="do not stretch the warm-up: keep its length in steps")
    p.add_argument("--base-lr", type=float, help="rescale to another base_lr")
    p.add_argument("--output", metavar="FILE", help="write to a file instead of standard output")


def _add_dashboard(p: argparse.ArgumentParser) -> None:
    _add_run_argument(p)
    p.add_argument("--port", type=int, default=8080, help="default 8080")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")


def _add_preview(p: argparse.ArgumentParser) -> None:
    p.add_argument("--family", help="default: a gallery of exp, step, cosine and warm-up")
    p.add_argument("--epochs", type=float, default=150, help="horizon (default 150)")
    p.add_argument("--interval", choices=("step", "epoch"), default="epoch", help="default epoch")
    p.add_argument("--html", metavar="FILE", help="also write an HTML plot")
    more = p.add_argument_group("values", "each may be given several times; all combinations are drawn")
    for name in ("base_lr", "warmup", *FAMILY_PARAMS):
        kind = str if name == "shape" else float
        more.add_argument(f"--{name.replace('_', '-')}", dest=name, type=kind, action="append", metavar="X")


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from .api import run
    from .objectives import TaskOptions
    from .reports.terminal import make_progress, print_json, print_summary

    keys = ("budget", "epochs", "families", "space", "interval", "study", "out", "storage", "engine", "jobs", "device")
    more = ("sampler", "pruner", "metric", "maximize", "seed", "optimizer")
    options = ("model", "batch_size", "data_dir", "download", "subset", "bf16")
    result = run(
        args.objective,
        **{k: getattr(args, k) for k in (*keys, *more)},
        task_options=TaskOptions(**{k: getattr(args, k) for k in options}),
        progress=make_progress(args.metric, as_json=args.json),
        begun=_BEGUN,
    )
    if args.json:
        print_json(result)
    else:
        print_summary(result, Console())
    if args.open:
        _open(Path(str(result.folder)) / "report.html")
    return OK if result.ranking else FAILED


def _report(args: argparse.Namespace) -> int:
    from .api import write_report

    result = _load(args)
    path = write_report(result, Path(args.output) if args.output else _default_report(result, args))
    print(f"Report: {path}")
    for kind in ("png", "svg"):
        if target := getattr(args, kind):
            from .reports.images import write_image

            print(f"Image: {write_image(result, Path(target), kind)}")
    if args.open:
        _open(path)
    return OK


def _default_report(result: SearchResult, args: argparse.Namespace) -> Path:
    from .search import folder_name

    return Path(result.folder or f"runs/{folder_name(result.name)}") / "report.html"


def _export(args: argparse.Namespace) -> int:
    from .reports.export import export

    result = _load(args)
    text = export(
        result.best if args.trial is None else result.trial(args.trial),
        result,
        args.format,
        epochs=args.epochs,
        steps_per_epoch=args.steps_per_epoch,
        base_lr=args.base_lr,
        keep_warmup=args.keep_warmup,
    )
    if args.output is None:
        print(text, end="")
    else:
        _write(Path(args.output), text)
    return OK


def _dashboard(args: argparse.Namespace) -> int:
    from .api import locate
    from .reports.dashboard import serve

    result = _load(args)
    serve(result, locate(args.run, args.storage), host=args.host, port=args.port)
    return OK


def _preview(args: argparse.Namespace) -> int:
    from rich.console import Console

    from .reports.braille import lr_plot
    from .reports.preview import GALLERY, variants, write_preview

    values = {k: v for k in ("base_lr", "warmup", *FAMILY_PARAMS) if (v := getattr(args, k))}
    wanted: Sequence[tuple[str, dict[str, Any]]] = GALLERY
    if args.family:
        wanted = [(args.family, values)]
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


def _families(args: argparse.Namespace) -> int:
    from .spaces import DEFAULT_FAMILIES, FAMILIES, default_space, get_family, space_to_toml

    if args.toml:
        chosen = tuple(args.families or DEFAULT_FAMILIES)
        print(space_to_toml(default_space(args.optimizer, args.epochs, chosen)), end="")
        return OK
    for name in args.families or FAMILIES:
        family = get_family(name)
        mark = " (searched by default)" if name in DEFAULT_FAMILIES else ""
        print(f"{name}{mark}\n  {family.summary}\n  {family.reference}")
        for param in family.params:
            print(f"    {param.name:<11} {param.summary}")
    return OK


def _tasks(args: argparse.Namespace) -> int:
    from .objectives import TASKS

    for name, task in TASKS.items():
        print(f"{name:<14} {task.summary}; {task.epochs} epochs")
    print(f"{'FILE.py:NAME':<14} your own generator function; see the README")
    return OK


def _runs(args: argparse.Namespace) -> int:
    from .api import load
    from .search import JOURNAL

    found = sorted(Path(args.folder).glob(f"*/{JOURNAL}"))
    for journal in found:
        try:
            result = load(journal)
        except LrsearchError as error:
            print(f"{journal.parent}  {error}")
            continue
        best = result.ranking[0] if result.ranking else None
        what = f"{result.metric} {best.value:.4g}, {best.schedule.describe()}" if best else "nothing complete yet"
        print(f"{journal.parent}  {sum(result.counts().values())} trials, {what}")
    if not found:
        print(f"no runs in {args.folder!r}; start one with: lrsearch run")
    return OK


def _load(args: argparse.Namespace) -> SearchResult:
    from .api import load
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


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        from importlib.metadata import version

        print(f"lrsearch {version('lrsearch')}")
        parser.exit()
