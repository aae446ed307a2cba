"""`Plan`: everything a search needs to know, settled before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..objectives import Objective
from ..spaces import Schedule, ScheduleSpace, space_to_dict
from .budget.amount import Budget
from .results.paired_tests import DEFAULT_SEEDS, FEWEST
from .sampling.pruners import DEFAULT_PRUNER
from .sampling.samplers import DEFAULT_SAMPLER
from .storage.journal import JOURNAL
from .storage.run_folder import folder_name

ENGINES = ("auto", "lanes", "processes", "single")
DEFAULT_ENGINE = "auto"


@dataclass(frozen=True)
class Plan:
    """Everything a search needs to know.

    Attributes:
        objective: What to train.
        space: Where to look.
        budget: How much to spend.
        study: The study's name.
        out: Folder that holds the run folders.
        at: The run folder itself, where it has another name than the study's, as a copy may; None otherwise.
        storage: An Optuna URL; None for a journal file in the run folder.
        metric: Metric that ranks trials.
        maximize: Whether larger is better.
        sampler: Name of the sampler.
        pruner: Name of the pruner.
        engine: How trials are run: "lanes", "processes", "single", or "auto" to measure and choose.
        jobs: Worker processes; 0 chooses.
        device: Torch device, or "auto".
        seed: Seed of the search and of every trial.
        trial_timeout: Seconds after which a trial has failed; None for any time it needs.
        confirm: Most fresh seeds that the winner is judged on; 0 for no confirmation.
        baseline: The user's own schedule, to be compared with.
        joins: Whether it helps a search that another process has begun.
        sources: Fingerprints of the objective's code, by file or function; empty if they are not known.
        accept_changes: Whether a study whose code has changed is resumed.
        context: Notes for the report: the command line, versions.
    """

    objective: Objective
    space: ScheduleSpace
    budget: Budget
    study: str
    out: str = "runs"
    at: str | None = None
    storage: str | None = field(default=None, repr=False)  # it may hold a password
    metric: str = "val_loss"
    maximize: bool = False
    sampler: str = DEFAULT_SAMPLER
    pruner: str = DEFAULT_PRUNER
    engine: str = DEFAULT_ENGINE
    jobs: int = 0
    device: str = "auto"
    seed: int = 0
    trial_timeout: float | None = None
    confirm: int = DEFAULT_SEEDS
    baseline: Schedule | None = None
    joins: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)
    accept_changes: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.confirm and self.confirm < FEWEST:
            raise InputError(f"confirm must be 0 or at least {FEWEST} seeds, got {self.confirm}.")
        if self.jobs < 0:
            raise InputError(f"jobs must be at least 1 (0 chooses), got {self.jobs}.")
        if not 0 <= self.seed < 2**32:  # what NumPy takes
            raise InputError(f"seed must be from 0 to {2**32 - 1}, got {self.seed}.")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.at) if self.at else Path(self.out) / folder_name(self.study)

    @property
    def epochs(self) -> int:
        """Epochs of a full trial."""
        return int(self.space.horizon)

    @property
    def where(self) -> str:
        """The storage: a URL, or the journal's path."""
        return self.storage or str(self.folder / JOURNAL)

    def settings(self) -> dict[str, Any]:
        """What trials must share to be compared."""
        return {
            **self.objective.settings(),
            "metric": self.metric,
            "maximize": self.maximize,
            "epochs": self.epochs,
            "seed": self.seed,
            "space": space_to_dict(self.space),
        }
