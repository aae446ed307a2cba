"""The keywords of the Python API, which are the commands' options, too. A new one is a field here.

What reaches the search as it was asked for is in `lrsearch.options.search`; here is what must first be made into
something else: a file into a space, a name into an objective.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from .options import (
    COMMAND,
    JUDGED,
    KEPT,
    OPTIMIZERS,
    PASSWORD,
    RUNS,
    STORAGE,
    WHAT,
    EngineOptions,
    Options,
    SearchOptions,
    TaskOptions,
    WorkerOptions,
    option,
)

if TYPE_CHECKING:
    from os import PathLike

    from .objectives import Objective
    from .search import Budget, Progress
    from .spaces import Family, Interval, Schedule, ScheduleSpace

_WHOLE = (lambda n: n == int(n) and n >= 1), "must be a whole number of at least 1"
_RATE = (lambda r: 0 < r < float("inf")), "must be above 0"
_DATA = ("data_dir",)
_ARGUMENTS = "the script's arguments or the command, as they were searched; on the command line, after --"


@dataclass(frozen=True, kw_only=True)
class CommandOptions(Options):
    """Where a command's metrics and lengths are, unless its script says so itself."""

    metric_file: str | None = option(
        None,
        "where the command's metrics are, if it does not call lrsearch.report: a column of a table it writes",
        group=COMMAND,
        metavar="FILE:COLUMN",
    )
    metric_regex: str | None = option(
        None, "or numbers in its output, as 'val_loss=(\\S+)'", group=COMMAND, metavar="REGEX"
    )
    metric_json: bool = option(False, "or lines of its output that are JSON objects", group=COMMAND)
    steps_per_epoch: int | None = option(
        None,
        "optimizer steps in an epoch, for fields as {warmup_steps}, if it does not call lrsearch.scheduler",
        group=COMMAND,
        metavar="M",
        rule=_WHOLE,
    )


@dataclass(frozen=True)
class RunOptions(SearchOptions, CommandOptions):
    """Everything that `lrsearch.run` takes."""

    objective: str | Callable[..., Any] | Objective | None = option(
        None,
        "a task, train.py:objective or module:objective; what follows -- is its script's own arguments, or without an "
        "objective any command, in whose arguments {base_lr} and the like are filled (default digits)",
        in_python="Also a generator function, or an `Objective`.",
        positional=True,
        noted=False,
    )
    _: KW_ONLY
    budget: str | int | Budget = option(60, 'trials "60", time "30m", epochs "500ep" or steps "50000steps"', group=WHAT)
    epochs: int | None = option(None, "length of a trial (default: the task's)", group=WHAT, metavar="N", rule=_WHOLE)
    steps: int | None = option(
        None, "the same in optimizer steps, for trainings without epochs", group=WHAT, metavar="N", rule=_WHOLE
    )
    every: int | None = option(
        None, "optimizer steps between a trial's reports (default: 20 reports or fewer)", group=WHAT, rule=_WHOLE
    )
    families: Sequence[str | Family] | None = option(
        None,
        "schedule families, all, llm, vision, or your own as FILE.py:NAME (default exp,step,cosine)",
        in_python="Also such a family itself; where a space is given, its families are the default.",
        group=WHAT,
    )
    space: ScheduleSpace | str | PathLike[str] | None = option(
        None,
        "search space as TOML; see: lrsearch families --toml",
        in_python="Also a `ScheduleSpace`.",
        group=WHAT,
        metavar="FILE",
        noted=False,
    )
    params: Mapping[str, Any] | None = option(
        None,
        'what else is searched, as {"weight_decay": {"low": 1e-6, "high": 0.1, "log": True, "default": 0.01}, '
        '"batch_size": [32, 64]}: a range or choices, or a `Range` or `Choice`',
        flag="",
        noted=False,
    )
    interval: Interval | None = option(
        None, "when the rate changes (default step)", group=WHAT, choices=("step", "epoch")
    )
    optimizer: str | None = option(
        None,
        "a task's optimizer; sets the base_lr range",
        in_python="Another class's name for an objective of your own, whose optimizer is found out by default.",
        group=WHAT,
        choices=OPTIMIZERS,
    )
    maximize: bool | None = option(None, "larger is better (default: of accuracy, f1, ...)", group=JUDGED)
    baseline: Schedule | str | PathLike[str] | None = option(
        None,
        "your present schedule, to be compared with: cosine:base_lr=0.1,warmup=1, plateau:base_lr=0.1,patience=3, or a "
        "JSON file that export wrote",
        in_python="Also a `Schedule`.",
        group=JUDGED,
        metavar="SCHEDULE",
    )
    study: str | None = option(None, "the study's name (default: the objective's)", group=KEPT, metavar="NAME")
    fresh: bool = option(False, "start the study anew; its run of before is kept as NAME-1", group=KEPT)
    out: str | PathLike[str] = option("runs", "where run folders go", group=KEPT, metavar="DIR")
    trial_timeout: str | float | None = option(
        None, 'a trial that takes longer, as "300" (s) or "5m", has failed', group=RUNS, metavar="TIME"
    )
    backend: str | None = option(
        None, "train on the workers of such a cluster, --jobs of them", group=RUNS, choices=("ray", "dask")
    )
    address: str | None = option(
        None, "the cluster's address (default: from Ray's or Dask's environment variables)", group=RUNS
    )
    arguments: Sequence[str] = option(
        (),
        "what the objective's script finds in sys.argv after its own name, or a command where there is no objective; "
        "on the command line, after --",
        flag="",
        noted=False,
    )
    task_options: TaskOptions | None = option(
        None,
        "options of a built-in task",
        parts=("model", "batch_size", "data_dir", "download", "subset", "bf16"),
        noted=False,
    )
    progress: Progress | bool | Callable[[str], object] | None = option(
        None,
        "who to tell; False for nobody, True or a function such as print for lines of text; by default a terminal or "
        "a notebook is told",
        flag="",
        noted=False,
    )
    begun: float | None = option(
        None, "the time.monotonic() from which a wall-clock budget counts; now by default", flag="", noted=False
    )


@dataclass(frozen=True)
class FindOptions(WorkerOptions, CommandOptions):
    """Everything that `lrsearch.find` takes."""

    objective: str | Callable[..., Any] | Objective | None = option(
        None,
        "a task, train.py:objective or module:objective; what follows -- is its script's own arguments, or without an "
        "objective any command (default digits)",
        in_python="Also a generator function, or an `Objective`.",
        positional=True,
    )
    _: KW_ONLY
    low: float | None = option(None, "lowest rate to try (default: by the optimizer)", rule=_RATE)
    high: float | None = option(None, "highest rate to try (default: by the optimizer)", rule=_RATE)
    optimizer: str | None = option(None, "a task's optimizer", in_python="Or the class's name.", choices=OPTIMIZERS)
    metric: str = option("val_loss", "metric to measure by")
    maximize: bool | None = option(None, "larger is better (default: of accuracy, f1, ...)")
    seed: int = option(0, "seed of weights and batches")
    arguments: Sequence[str] = option(
        (), "what the objective's script finds in sys.argv after its own name, or a command", flag=""
    )
    task_options: TaskOptions | None = option(
        None, "options of a built-in task", parts=("model", "batch_size", "data_dir", "download", "subset", "bf16")
    )
    progress: Progress | None = option(None, "who to tell", flag="")


@dataclass(frozen=True)
class OfARun(Options):
    """A run that is there."""

    run: str | PathLike[str] = option(..., "a run folder, or a study's name under runs/", positional=True)
    _: KW_ONLY
    storage: str | None = option(
        None, f"Optuna storage (default: where the run folder says); {PASSWORD}", metavar="URL", secret=True
    )


@dataclass(frozen=True)
class TransferOptions(OfARun, EngineOptions):
    """Everything that `lrsearch.api.transfer` takes."""

    epochs: int | None = option(None, "length of the real training", metavar="N", rule=_WHOLE)
    _: KW_ONLY
    steps: int | None = option(None, "the same of a search that counts steps", metavar="N", rule=_WHOLE)
    objective: str | Callable[..., Any] | Objective | None = option(
        None, "train.py:objective, unless a built-in task was searched", metavar="SPEC"
    )
    arguments: Sequence[str] = option((), _ARGUMENTS, flag="", noted=False)
    measure: Sequence[int] | None = option(None, "horizons to train (default 2, 4 times the search's)", metavar="E,E")
    seeds: int = option(3, "on how many of the confirmation's seeds, at least 2")
    keep_warmup: bool = option(False, "do not stretch the warm-up: keep its length")
    task_options: TaskOptions | None = option(
        None, "options of a built-in task, of which only data_dir matters: the rest is the search's", parts=_DATA
    )
    progress: Progress | None = option(None, "who to tell", flag="")


@dataclass(frozen=True)
class WorkOptions(WorkerOptions):
    """Everything that `lrsearch.work` takes."""

    study: str = option(..., "the search's name", metavar="NAME")
    storage: str = option(
        ..., f"the search's database, as an Optuna URL; {PASSWORD}", metavar="URL", env=STORAGE, secret=True
    )
    _: KW_ONLY
    objective: str | Callable[..., Any] | Objective | None = option(
        None, "train.py:objective, unless a built-in task is searched", metavar="SPEC"
    )
    arguments: Sequence[str] = option((), _ARGUMENTS, flag="", noted=False)
    wait: str | float = option("10m", "how long to wait for the search to begin", metavar="TIME")
    task_options: TaskOptions | None = option(
        None, "options of a built-in task, of which only data_dir matters: the rest is the search's", parts=_DATA
    )
    progress: Progress | None = option(None, "who to tell", flag="")
