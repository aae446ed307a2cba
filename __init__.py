"""lrsearch finds a learning-rate schedule for a PyTorch training job, with evidence.

>>> from lrsearch import Schedule
>>> Schedule("cosine", base_lr=0.1, horizon=150).curve(steps_per_epoch=1)[[0, 75]].round(6).tolist()
[0.1, 0.05]
"""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .lazy import imported_on_use

if TYPE_CHECKING:
    from .api import find, run, work
    from .errors import DataError, InputError, LrsearchError, MissingPartError, ObjectiveError, StudyError
    from .objectives import Command, Measurement, Objective, Run, TaskOptions, TensorTask, UserObjective
    from .objectives.adapters import LightningCallback, attach
    from .objectives.script_calls import param, report, scheduler, seed
    from .run_folder import load
    from .search import Budget, Probe, SearchResult, TrialRecord
    from .search.sampling.curve_sampler import CurvePruner, CurveSampler
    from .spaces import Choice, Range, Schedule, ScheduleSpace, default_space, family

__all__ = [
    "Budget",
    "Choice",
    "Command",
    "CurvePruner",
    "CurveSampler",
    "DataError",
    "InputError",
    "LightningCallback",
    "LrsearchError",
    "Measurement",
    "MissingPartError",
    "Objective",
    "ObjectiveError",
    "Probe",
    "Range",
    "Run",
    "Schedule",
    "ScheduleSpace",
    "SearchResult",
    "StudyError",
    "TaskOptions",
    "TensorTask",
    "TrialRecord",
    "UserObjective",
    "attach",
    "default_space",
    "family",
    "find",
    "load",
    "param",
    "report",
    "run",
    "scheduler",
    "seed",
    "work",
]

_HOME = {
    "api": ("find", "run", "work"),
    "errors": ("DataError", "InputError", "LrsearchError", "MissingPartError", "ObjectiveError", "StudyError"),
    "run_folder": ("load",),
    "objectives.script_calls": ("param", "report", "scheduler", "seed"),
    "objectives": ("Command", "Measurement", "Objective", "Run", "TaskOptions", "TensorTask", "UserObjective"),
    "objectives.adapters": ("LightningCallback", "attach"),
    "search": ("Budget", "Probe", "SearchResult", "TrialRecord"),
    "search.sampling.curve_sampler": ("CurvePruner", "CurveSampler"),
    "spaces": ("Choice", "Range", "Schedule", "ScheduleSpace", "default_space", "family"),
}
_get, _dir = imported_on_use(__name__, __all__, _HOME)


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``import lrsearch`` costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("lrsearch")
    if name in __all__ and "ipykernel" in sys.modules:
        _quiet_in_notebook()
    return _get(name)


def _quiet_in_notebook() -> None:
    """Keep a complaint out of notebooks: tqdm, which Optuna imports for bars that no search uses, wants ipywidgets."""
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.filterwarnings("ignore", message="IProgress not found")
        importlib.import_module("tqdm.auto")


def __dir__() -> list[str]:
    """The public names."""
    return [*_dir(), "__version__"]
