"""What a trial trains: tasks, the training loop, and loading a user's own code.

Each name is imported when it is first asked for, so that a script which asks for its scheduler waits for little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import imported_on_use

if TYPE_CHECKING:
    from ..options import OPTIMIZERS, TaskOptions
    from .commands.command import Command
    from .commands.sources import MetricFile, MetricJson, MetricPattern, Source, source_of
    from .device import device_count, resolve_device
    from .loading import load_function, same_objective
    from .objective import Measurement, Objective
    from .optimizer import TrainedOptimizer, other_range
    from .reports import AfterTraining, TrialEnded, train
    from .run import Run
    from .sources import file_sources, function_sources
    from .task import Task, TaskObjective
    from .tasks import DEFAULT_TASK, TASKS, get_task
    from .tensor_task import TensorObjective, TensorTask
    from .user import UserObjective

__all__ = [
    "DEFAULT_TASK",
    "OPTIMIZERS",
    "TASKS",
    "AfterTraining",
    "Command",
    "Measurement",
    "MetricFile",
    "MetricJson",
    "MetricPattern",
    "Objective",
    "Run",
    "Source",
    "Task",
    "TaskObjective",
    "TaskOptions",
    "TensorObjective",
    "TensorTask",
    "TrainedOptimizer",
    "TrialEnded",
    "UserObjective",
    "device_count",
    "file_sources",
    "function_sources",
    "get_task",
    "load_function",
    "other_range",
    "resolve_device",
    "same_objective",
    "source_of",
    "train",
]

_HOME = {
    ".options": ("OPTIMIZERS", "TaskOptions"),
    "commands.command": ("Command",),
    "commands.sources": (
        "MetricFile",
        "MetricJson",
        "MetricPattern",
        "Source",
        "source_of",
    ),
    "device": (
        "device_count",
        "resolve_device",
    ),
    "loading": (
        "load_function",
        "same_objective",
    ),
    "objective": (
        "Measurement",
        "Objective",
    ),
    "optimizer": (
        "TrainedOptimizer",
        "other_range",
    ),
    "reports": (
        "AfterTraining",
        "TrialEnded",
        "train",
    ),
    "run": ("Run",),
    "sources": (
        "file_sources",
        "function_sources",
    ),
    "task": (
        "Task",
        "TaskObjective",
    ),
    "tasks": (
        "DEFAULT_TASK",
        "TASKS",
        "get_task",
    ),
    "tensor_task": (
        "TensorObjective",
        "TensorTask",
    ),
    "user": ("UserObjective",),
}

__getattr__, __dir__ = imported_on_use(__name__, __all__, _HOME)
