"""What can be asked for: an option is one field, from which command line, keywords and stored sessions are made.

It may import `lrsearch.errors` alone, and nothing that takes time. A new option needs no leave.
"""

from .option import Option, Options, keywords, notes, option, options_of, shared, takes, told
from .search import (
    COMMAND,
    ENGINES,
    FEWEST_SEEDS,
    GROUPS,
    JUDGED,
    KEPT,
    OPTIMIZERS,
    PASSWORD,
    PRUNERS,
    RUNS,
    SAMPLERS,
    STORAGE,
    WHAT,
    EngineOptions,
    SearchOptions,
    TaskOptions,
    WorkerOptions,
)

__all__ = [
    "COMMAND",
    "ENGINES",
    "FEWEST_SEEDS",
    "GROUPS",
    "JUDGED",
    "KEPT",
    "OPTIMIZERS",
    "PASSWORD",
    "PRUNERS",
    "RUNS",
    "SAMPLERS",
    "STORAGE",
    "WHAT",
    "EngineOptions",
    "Option",
    "Options",
    "SearchOptions",
    "TaskOptions",
    "WorkerOptions",
    "keywords",
    "notes",
    "option",
    "options_of",
    "shared",
    "takes",
    "told",
]
