"""`Plan`: everything a search needs to know, decided before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..objectives import Objective, TensorObjective
from ..options import SearchOptions
from ..spaces import Schedule, ScheduleSpace, space_to_dict
from .budget.amount import Budget
from .notes.study import Settings
from .storage.journal import JOURNAL
from .storage.run_folder import folder_name


@dataclass(frozen=True)
class Plan(SearchOptions):
    """Everything a search needs to know: the options that reach it as they are, and what the others were made into.

    Attributes:
        objective: What to train.
        space: Where to look.
        budget: How much to spend.
        study: The study's name.
        out: Folder that holds the run folders.
        at: The run folder itself, where it has another name than the study's, as a copy may; None otherwise.
        maximize: Whether larger is better.
        trial_timeout: Seconds after which a trial has failed; None for any time it needs.
        baseline: The user's own schedule, to be compared with.
        joins: Whether it helps a search that another process has begun.
        sources: Fingerprints of the objective's code, by file or function; empty if they are not known.
        context: Notes for the report: the command line, versions.
    """

    objective: Objective
    space: ScheduleSpace
    budget: Budget
    study: str
    out: str = "runs"
    at: str | None = None
    maximize: bool = False
    trial_timeout: float | None = None
    baseline: Schedule | None = None
    joins: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resplit:
            if not isinstance(self.objective, TensorObjective):
                raise InputError(
                    "--resplit is for built-in tasks and a TensorTask: a job with data of its own can split them by "
                    "run.seed where run.test is true."
                )
            object.__setattr__(self, "objective", self.objective.redrawing())

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.at) if self.at else Path(self.out) / folder_name(self.study)

    @property
    def epochs(self) -> int:
        """Reports of a full trial: its epochs, or the parts of its steps."""
        return self.space.counting.reports(self.space.horizon)

    @property
    def where(self) -> str:
        """The storage: a URL, or the journal's path."""
        return self.storage or str(self.folder / JOURNAL)

    def settings(self) -> Settings:
        """What trials must share to be compared."""
        space, job, counting = space_to_dict(self.space), self.objective.settings(), self.space.counting
        length = {"epochs": self.epochs}
        if counting.unit == "step":
            length = {"steps": counting.at(self.epochs), "every": counting.every}
        if self.resplit:
            job = {**job, "resplit": True}
        return Settings(self.metric, self.maximize, self.seed, space, **length, job=job)
