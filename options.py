"""The options of every command. Importing this costs nothing but argparse."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Sequence
from typing import Any

FORMATS = ("torch", "lightning", "transformers", "timm", "json", "yaml")
STORAGE = "LRSEARCH_STORAGE"
"""The environment variable that --storage is taken from where it is not given."""
_EXAMPLES = """\
examples:
  lrsearch run --budget 40                                 the built-in digits task, no download
  lrsearch run train.py:objective --budget 2h --epochs 30  your own training job
  lrsearch preview --family cosine --T-max 50 --T-max 150  look at curves first
  lrsearch export runs/digits --format lightning           take the winner home
"""


_OBJECTIVE = "a task, train.py:objective or module:objective; what follows -- are the script's own arguments"
_BASELINE = "your present schedule, to be compared with: cosine:base_lr=0.1,warmup=1 or a JSON file that export wrote"
_ACCEPT = "go on with a study although your code has changed since it was begun"
_CONFIRM = "judge the winner against tuned baselines on up to so many fresh seeds; 0 for none (default 9)"


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments of a command line, the process's own by default; exits with code 2 and the usage if it is wrong.

    Raises:
        InputError: ``preview`` is to draw a family of the user's own that cannot be loaded.
    """
    given, parser = sys.argv[1:] if argv is None else list(argv), make_parser()
    given, script = _split(given)
    for argument in given:
        if argument.startswith("--") and argument.partition("=")[2] == "--":  # argparse would take it for a list
            parser.error(f"{argument}: -- is no value.")
    if given[:1] == ["preview"]:  # its options are the families' parameters, which are not known without NumPy
        from .families import parameters

        parser = make_parser(parameters(_value_of("--family", given)))
    found = parser.parse_args(given)
    found.arguments = script
    return found


def _split(given: list[str]) -> tuple[list[str], list[str]]:
    """What is meant for the command, and what after ``--`` is for the user's own script; only ``run`` takes both."""
    if "--" not in given or given[0] != "run":
        return given, []
    at = given.index("--")
    return given[:at], given[at + 1 :]


def make_parser(family_params: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Every command with its options; ``command`` of the parsed arguments is its name.

    Args:
        family_params: The families' parameters, which are options of ``preview``.
    """
    parser = argparse.ArgumentParser(
        prog="lrsearch",
        description="Find a learning-rate schedule for a PyTorch training job, with evidence.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=name)
        return sub

    _add_run(add("run", "Search for a schedule, or go on with the study of that name."))
    _add_report(add("report", "Write a run's HTML report again."))
    _add_export(add("export", "Print the winner (or another trial) as code for your training script."))
    _add_transfer(add("transfer", "Measure whether a run's winner stays ahead over longer trainings."))
    _add_worker(add("worker", "Help with a search that another process has begun, from any machine."))
    _add_dashboard(add("dashboard", "Open a run in optuna-dashboard."))
    _add_preview(add("preview", "Draw schedules for several parameter values, without training."), family_params)
    families = add("families", "List the schedule families, or write a search space to edit.")
    families.add_argument("--toml", action="store_true", help="print a search space as TOML, for --space")
    families.add_argument("--families", type=_names, help="which ones (with --toml: exp,step,cosine)")
    families.add_argument("--epochs", type=int, default=20, help="horizon the ranges are made for (default 20)")
    families.add_argument("--optimizer", choices=("sgd", "adamw"), default="sgd", help="whose base_lr range")
    add("tasks", "List the built-in training jobs.")
    runs = add("runs", "List the runs in a folder.")
    runs.add_argument("folder", nargs="?", default="runs", help="where to look (default runs)")
    return parser


def _add_run(p: argparse.ArgumentParser) -> None:
    p.add_argument("objective", nargs="?", default="digits", help=_OBJECTIVE)
    p.add_argument("--budget", default="60", help='trials "60", time "30m", or epochs "500ep" (default 60)')
    p.add_argument("--epochs", type=int, help="length of a trial (default: the task's)")
    p.add_argument(
        "--families",
        type=_names,
        help="schedule families, all, llm, vision, or your own as FILE.py:NAME (default exp,step,cosine)",
    )
    p.add_argument("--space", metavar="FILE", help="search space as TOML; see: lrsearch families --toml")
    p.add_argument("--interval", choices=("step", "epoch"), help="when the rate changes (default step)")
    p.add_argument("--study", metavar="NAME", help="the study's name (default: the objective's)")
    p.add_argument("--fresh", action="store_true", help="start the study anew; its run of before is kept as NAME-1")
    p.add_argument("--accept-changes", action="store_true", help=_ACCEPT)
    p.add_argument("--out", metavar="DIR", default="runs", help="where run folders go (default runs)")
    _add_storage(p, "Optuna storage (default: a journal file in the run folder)")
    p.add_argument("--engine", default="auto", help="auto, lanes, processes or single (default auto: measured)")
    p.add_argument("--jobs", type=int, default=0, help="worker processes (default: the engine's choice)")
    p.add_argument("--device", default="auto", help="torch device (default auto: CUDA if there is one)")
    p.add_argument("--sampler", default="curve", help="curve, tpe, gp, random or qmc (default curve)")
    p.add_argument("--pruner", default="auto", help="auto, median, halving, hyperband or none (default auto)")
    p.add_argument("--metric", default="val_loss", help="metric that ranks trials (default val_loss)")
    p.add_argument(
        "--maximize",
        action=argparse.BooleanOptionalAction,
        help="larger is better (default: of accuracy, f1, ...)",
    )
    p.add_argument("--seed", type=int, default=0, help="seed of the search and of every trial (default 0)")
    p.add_argument(
        "--trial-timeout", metavar="TIME", help='a trial that takes longer, as "300" (s) or "5m", has failed'
    )
    p.add_argument("--confirm", type=int, default=9, metavar="SEEDS", help=_CONFIRM)
    p.add_argument("--baseline", metavar="SCHEDULE", help=_BASELINE)
    p.add_argument("--backend", choices=("ray", "dask"), help="train on the workers of such a cluster, --jobs of them")
    p.add_argument("--address", help="the cluster's address (default: from Ray's or Dask's environment variables)")
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
    _add_storage(p, "Optuna storage (default: where the run folder says)", of_a_run=True)
    p.add_argument("--study", metavar="NAME", help="the study's name, if the storage has several")


def _add_report(p: argparse.ArgumentParser) -> None:
    _add_run_argument(p)
    p.add_argument("--output", metavar="FILE", help="where to write it (default: report.html in the run folder)")
    p.add_argument("--png", metavar="FILE", help="the first screen's panels as an image, for slides")
    p.add_argument("--svg", metavar="FILE", help="the same as SVG, which needs no browser")
    p.add_argument("--open", action="store_true", help="open it in the browser")


def _add_export(p: argparse.ArgumentParser) -> None:
    _add_run_argument(p)
    p.add_argument("--format", choices=FORMATS, default="torch", help="default torch")
    p.add_argument("--trial", type=int, metavar="K", help="another trial than the best")
    p.add_argument("--epochs", type=float, help="stretch to the real training length")
    p.add_argument("--steps-per-epoch", type=int, metavar="M", help="the real number of optimizer steps in an epoch")
    p.add_argument("--keep-warmup", action="store_true", help="do not stretch the warm-up: keep its length in steps")
    p.add_argument("--base-lr", type=float, help="rescale to another base_lr")
    _add_own_families(p)
    p.add_argument("--output", metavar="FILE", help="write to a file instead of standard output")


def _add_transfer(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", help="a run folder, or a study's name under runs/")
    p.add_argument("--epochs", type=int, required=True, help="length of the real training")
    p.add_argument("--objective", metavar="SPEC", help="train.py:objective, unless a built-in task was searched")
    p.add_argument(
        "--measure", type=_lengths, metavar="E,E", help="horizons to train (default 2, 4 times the search's)"
    )
    p.add_argument("--seeds", type=int, default=3, help="on how many of the confirmation's seeds (default 3)")
    p.add_argument("--keep-warmup", action="store_true", help="do not stretch the warm-up: keep its length in epochs")
    _add_storage(p, "Optuna storage (default: where the run folder says)", of_a_run=True)
    p.add_argument("--engine", default="auto", help="auto, lanes, processes or single (default auto: measured)")
    p.add_argument("--device", default="auto", help="torch device (default auto: CUDA if there is one)")
    p.add_argument("--data-dir", default="data", help="folder with the datasets (default data)")
    _add_own_families(p)


def _add_worker(p: argparse.ArgumentParser) -> None:
    p.add_argument("--study", metavar="NAME", required=True, help="the search's name")
    _add_storage(p, "the search's database, as an Optuna URL")
    p.add_argument("--objective", metavar="SPEC", help="train.py:objective, unless a built-in task is searched")
    p.add_argument("--engine", default="auto", help="auto, lanes, processes or single (default auto: measured)")
    p.add_argument("--jobs", type=int, default=0, help="worker processes (default: the engine's choice)")
    p.add_argument("--device", default="auto", help="torch device (default auto: CUDA if there is one)")
    p.add_argument(
        "--wait", metavar="TIME", default="10m", help="how long to wait for the search to begin (default 10m)"
    )
    p.add_argument("--data-dir", default="data", help="folder with the datasets (default data)")
    _add_own_families(p)


def _add_dashboard(p: argparse.ArgumentParser) -> None:
    _add_run_argument(p)
    p.add_argument("--port", type=int, default=8080, help="default 8080")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")


def _add_preview(p: argparse.ArgumentParser, family_params: Sequence[str]) -> None:
    p.add_argument("--family", help="a family, or your own as FILE.py:NAME; default: a gallery of exp, step, cosine")
    p.add_argument("--epochs", type=float, default=150, help="horizon (default 150)")
    p.add_argument("--interval", choices=("step", "epoch"), default="step", help="when the rate changes (default step)")
    p.add_argument("--html", metavar="FILE", help="also write an HTML page with sliders")
    more = p.add_argument_group("values", "each may be given several times; all combinations are drawn")
    for name in ("base_lr", "warmup", "warmup_start", "warmup_shape", *family_params):
        flag = f"--{name.replace('_', '-')}"
        more.add_argument(flag, dest=f"value:{name}", type=_number_or_name, action="append", metavar="X")


def _add_storage(p: argparse.ArgumentParser, text: str, *, of_a_run: bool = False) -> None:
    """Other users of the machine see a command's arguments, but not its environment; a typed run comes before that."""
    default = None if of_a_run else os.environ.get(STORAGE) or None
    text += f"; better in ${STORAGE} if it holds a password"
    p.add_argument("--storage", metavar="URL", default=default, help=text)


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _value_of(option: str, given: Sequence[str]) -> str | None:
    """What follows an option; None if it is not given."""
    for word, following in itertools.zip_longest(given, given[1:]):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None


def _add_own_families(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--families",
        dest="own_families",
        metavar="FILE.py:NAME",
        type=_names,
        default=[],
        help="your own families that were searched, whose code is then used instead of stored points",
    )


def _lengths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"give whole epochs separated by commas, got {text!r}.") from None


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
