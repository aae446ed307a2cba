"""What a trial trains: tasks, the training loop, and loading a user's own code."""

from __future__ import annotations

from .device import device_count, resolve_device
from .objective import Measurement, Objective, Run
from .task import OPTIMIZERS, Task, TaskObjective, TaskOptions
from .tasks import DEFAULT_TASK, TASKS, get_task
from .user import UserObjective

__all__ = [
    "DEFAULT_TASK",
    "OPTIMIZERS",
    "TASKS",
    "Measurement",
    "Objective",
    "Run",
    "Task",
    "TaskObjective",
    "TaskOptions",
    "UserObjective",
    "device_count",
    "get_task",
    "resolve_device",
]
