"""What a trial trains: tasks, the training loop, and loading a user's own code."""

from __future__ import annotations

from ..options import OPTIMIZERS, TaskOptions
from .commands.command import Command
from .commands.sources import MetricFile, MetricJson, MetricPattern, Source, source_of
from .device import device_count, resolve_device
from .loading import load_function, same_objective
from .objective import Measurement, Objective
from .optimizer import TrainedOptimizer, other_range
from .reports import TrialEnded, train
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
