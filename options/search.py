"""The options that reach a search, or a built-in task, as they were asked for. A new one is a field here."""

from __future__ import annotations

from dataclasses import dataclass

from .option import Options, option

STORAGE = "LRSEARCH_STORAGE"
"""The environment variable that --storage is taken from where it is not given."""
ENGINES = ("auto", "lanes", "processes", "single")
SAMPLERS = ("curve", "tpe", "gp", "random", "qmc")
PRUNERS = ("auto", "median", "halving", "hyperband", "none")
PROBES = ("auto", "off")
OPTIMIZERS = ("sgd", "adamw")
FEWEST_SEEDS = 3
"""A comparison on fewer seeds says nothing."""

WHAT, JUDGED, KEPT, RUNS, TASK = "what is searched", "what counts", "the study", "how trials run", "built-in tasks"
COMMAND = "any command, as lrsearch run -- python train.py"
GROUPS = ("", WHAT, JUDGED, COMMAND, KEPT, RUNS, TASK)
"""Headings of the help, in order."""
PASSWORD = f"better in ${STORAGE} if it holds a password"
_UNDER_WAY = (lambda n: n >= 0), "must be at least 1 (0 chooses)"
_SEED = (lambda n: 0 <= n < 2**32), f"must be from 0 to {2**32 - 1}"  # what NumPy takes
_SEEDS = (lambda n: n == 0 or n >= FEWEST_SEEDS), f"must be 0 or at least {FEWEST_SEEDS} seeds"


@dataclass(frozen=True, kw_only=True)
class EngineOptions(Options):
    """How a process runs trials."""

    engine: str = option(
        "auto", "how trials run: NAMES (default DEFAULT: measured)", group=RUNS, names=ENGINES, here=True
    )
    device: str = option("auto", "torch device (default DEFAULT: CUDA if there is one)", group=RUNS, here=True)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(EngineOptions):
    """How a process runs trials, several at once."""

    jobs: int = option(
        0, "worker processes (default: the engine's choice)", group=RUNS, metavar="N", rule=_UNDER_WAY, here=True
    )


@dataclass(frozen=True, kw_only=True)
class SearchOptions(WorkerOptions):
    """What reaches the search as it was asked for: `lrsearch.search.Plan` has these fields, too.

    What must first be made into something else, as a file into a space, is in `lrsearch.keywords`.
    """

    metric: str = option("val_loss", "metric that ranks trials", group=JUDGED)
    confirm: int = option(
        9,
        "judge the winner against tuned baselines on up to this many fresh seeds; 0 for none (default DEFAULT)",
        group=JUDGED,
        metavar="SEEDS",
        rule=_SEEDS,
    )
    resplit: bool = option(
        False,
        "draw a validation set anew for each of those seeds; for built-in tasks and tensors",
        group=JUDGED,
    )
    accept_changes: bool = option(
        False, "go on with a study although your code has changed since it was begun", group=KEPT, here=True
    )
    storage: str | None = option(
        None,
        f"Optuna storage (default: a journal file in the run folder); {PASSWORD}",
        group=KEPT,
        metavar="URL",
        env=STORAGE,
        secret=True,
        here=True,
    )
    sampler: str = option("curve", "how schedules are proposed: NAMES", group=RUNS, names=SAMPLERS)
    probe: str = option(
        "off",
        "learn the scale of base_lr first, from an epoch at each of a few constant rates: NAMES (default DEFAULT)",
        group=RUNS,
        names=PROBES,
    )
    spend_all: bool = option(
        False, "go on to the end of the budget though another trial is expected to gain next to nothing", group=RUNS
    )
    pruner: str = option("auto", "how hopeless trials are stopped: NAMES", group=RUNS, names=PRUNERS)
    seed: int = option(0, "seed of the search and of every trial (default DEFAULT)", group=RUNS, rule=_SEED)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(Options):
    """What a person may change about a built-in task; an empty name or 0 takes the task's default."""

    model: str = option("", "one of the task's models", group=TASK)
    optimizer: str = option("", "sgd or adamw", group=TASK)
    batch_size: int = option(0, "samples in a step", group=TASK, metavar="N")
    data_dir: str = option("data", "folder with the datasets, laid out as torchvision does", group=TASK, metavar="DIR")
    download: bool = option(False, "let torchvision fetch what is missing", group=TASK)
    subset: int = option(0, "train on this many samples only", group=TASK, metavar="N")
    bf16: bool = option(False, "autocast to bfloat16", group=TASK)
