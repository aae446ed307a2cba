"""The registry of built-in tasks: every module of this folder that defines ``TASK``."""

from __future__ import annotations

import importlib
import pkgutil

from ...errors import unknown
from ..task import Task

__all__ = ["DEFAULT_TASK", "TASKS", "get_task"]

DEFAULT_TASK = "digits"
"""The quickest one without a download on which the schedule matters: see benchmarks/RESULTS.md."""
TASKS: dict[str, Task] = {}

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    _task: Task = importlib.import_module(f"{__name__}.{_module}").TASK
    if _task.name in TASKS:
        raise ValueError(f"the task {_task.name!r} is registered already")
    TASKS[_task.name] = _task


def get_task(name: str) -> Task:
    """The task of that name; raises `InputError` with the closest name."""
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]
