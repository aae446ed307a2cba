"""Every command: what it is for, and its options, from which the command line is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .keywords import FindOptions, OfARun, RunOptions, TransferOptions, WorkOptions
from .options import OPTIMIZERS, Options, option

if TYPE_CHECKING:
    from .spaces import Interval

FORMATS = ("torch", "lightning", "transformers", "timm", "json", "yaml")


@dataclass(frozen=True)
class OfAStudy(OfARun):
    """A run that is there, whose storage may hold others."""

    _: KW_ONLY
    study: str | None = option(None, "the study's name, if the storage has several", metavar="NAME")


@dataclass(frozen=True, kw_only=True)
class OwnFamilies(Options):
    """The user's own families, for commands that know which were searched."""

    own_families: Sequence[str] = option(
        (),
        "your own families that were searched, whose code is then used instead of stored points",
        metavar="FILE.py:NAME",
        flag="families",
    )


@dataclass(frozen=True, kw_only=True)
class Run(RunOptions):
    """Search for a schedule, or go on with the study of that name."""

    command: ClassVar[str] = "run"
    json: bool = option(False, "one JSON object per line on standard output", noted=False)
    open: bool = option(False, "open the report when done", noted=False)


@dataclass(frozen=True, kw_only=True)
class Find(FindOptions):
    """Find the learning rates that suit a job, in a fraction of a training."""

    command: ClassVar[str] = "find"
    html: str | None = option(None, "also write an HTML page with the figure", metavar="FILE")
    toml: str | None = option(None, "also write a search space with the range, for run --space", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class Report(OfAStudy):
    """Write a run's HTML report again."""

    command: ClassVar[str] = "report"
    output: str | None = option(None, "where to write it (default: report.html in the run folder)", metavar="FILE")
    png: str | None = option(None, "the first screen's panels as an image, for slides", metavar="FILE")
    svg: str | None = option(None, "the same as SVG, which needs no browser", metavar="FILE")
    open: bool = option(False, "open it in the browser")


@dataclass(frozen=True, kw_only=True)
class Export(OfAStudy, OwnFamilies):
    """Print the winner (or another trial) as code for your training script."""

    command: ClassVar[str] = "export"
    format: str = option("torch", "what to print", choices=FORMATS)
    trial: int | None = option(None, "another trial than the best", metavar="K")
    epochs: float | None = option(None, "stretch to the real training length")
    steps: int | None = option(None, "the same of a search that counts steps", metavar="N")
    steps_per_epoch: int | None = option(None, "the real number of optimizer steps in an epoch", metavar="M")
    keep_warmup: bool = option(False, "do not stretch the warm-up: keep its length in steps")
    base_lr: float | None = option(None, "rescale to another base_lr")
    output: str | None = option(None, "write to a file instead of standard output", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class Transfer(TransferOptions, OwnFamilies):
    """Measure whether a run's winner stays ahead over longer trainings."""

    command: ClassVar[str] = "transfer"


@dataclass(frozen=True, kw_only=True)
class Worker(WorkOptions, OwnFamilies):
    """Help with a search that another process has begun, from any machine."""

    command: ClassVar[str] = "worker"


@dataclass(frozen=True, kw_only=True)
class Dashboard(OfAStudy):
    """Open a run in optuna-dashboard."""

    command: ClassVar[str] = "dashboard"
    port: int = option(8080, "where it listens")
    host: str = option("127.0.0.1", "address to listen on (default: this machine only)")


@dataclass(frozen=True, kw_only=True)
class Preview(Options):
    """Draw schedules for several parameter values, without training."""

    command: ClassVar[str] = "preview"
    family: str | None = option(None, "a family, or your own as FILE.py:NAME; default: a gallery of exp, step, cosine")
    epochs: float = option(150, "horizon")
    interval: Interval = option("step", "when the rate changes", choices=("step", "epoch"))
    html: str | None = option(None, "also write an HTML page with sliders", metavar="FILE")
    values: Mapping[str, Sequence[Any]] = option((), "values to draw, by parameter", flag="")


@dataclass(frozen=True, kw_only=True)
class Families(Options):
    """List the schedule families, or write a search space to edit."""

    command: ClassVar[str] = "families"
    toml: bool = option(False, "print a search space as TOML, for --space")
    families: Sequence[str] = option((), "which ones (with --toml: exp,step,cosine)")
    epochs: int = option(20, "horizon the ranges are made for")
    steps: int | None = option(None, "the same in optimizer steps", metavar="N")
    optimizer: str = option("sgd", "whose base_lr range", choices=OPTIMIZERS)


@dataclass(frozen=True, kw_only=True)
class Tasks(Options):
    """List the built-in training jobs."""

    command: ClassVar[str] = "tasks"


@dataclass(frozen=True, kw_only=True)
class Runs(Options):
    """List the runs in a folder."""

    command: ClassVar[str] = "runs"
    folder: str = option("runs", "where to look", positional=True)


Command = Run | Find | Report | Export | Transfer | Worker | Dashboard | Preview | Families | Tasks | Runs
COMMANDS: tuple[type[Command], ...] = (
    *(Run, Find, Report, Export, Transfer, Worker, Dashboard, Preview, Families, Tasks, Runs),
)
