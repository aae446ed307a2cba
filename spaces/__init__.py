"""What a schedule is: families, curves, PyTorch schedulers, search ranges.

Each name is imported when it is first asked for, so that a script which asks for its scheduler waits for little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import imported_on_use

if TYPE_CHECKING:
    from .base_lr import BASE_LR, base_lr_range, is_known
    from .counting import IN_EPOCHS, Counting, Unit, amount, brief, in_unit, steps_counting
    from .families import (
        DEFAULT_FAMILIES,
        FAMILIES,
        Choice,
        Family,
        Param,
        Range,
        family_set,
        get_family,
        is_recorded,
        set_names,
    )
    from .files import read_schedule
    from .one_line import schedule_from_line
    from .own_families import add_family, family
    from .schedule import Interval, Schedule
    from .space import ScheduleSpace, default_space
    from .toml import params_from, read_space, read_usual, space_from_dict, space_from_toml, space_to_dict
    from .toml_text import space_to_toml
    from .warmup import WARMUP_START, WarmupShape
    from .widening import changes

__all__ = [
    "BASE_LR",
    "DEFAULT_FAMILIES",
    "FAMILIES",
    "IN_EPOCHS",
    "WARMUP_START",
    "Choice",
    "Counting",
    "Family",
    "Interval",
    "Param",
    "Range",
    "Schedule",
    "ScheduleSpace",
    "Unit",
    "WarmupShape",
    "add_family",
    "amount",
    "base_lr_range",
    "brief",
    "changes",
    "default_space",
    "family",
    "family_set",
    "get_family",
    "in_unit",
    "is_known",
    "is_recorded",
    "params_from",
    "read_schedule",
    "read_space",
    "read_usual",
    "schedule_from_line",
    "set_names",
    "space_from_dict",
    "space_from_toml",
    "space_to_dict",
    "space_to_toml",
    "steps_counting",
]

_HOME = {
    "base_lr": ("BASE_LR", "base_lr_range", "is_known"),
    "counting": ("IN_EPOCHS", "Counting", "Unit", "amount", "brief", "in_unit", "steps_counting"),
    "families": (
        "DEFAULT_FAMILIES",
        "FAMILIES",
        "Choice",
        "Family",
        "Param",
        "Range",
        "family_set",
        "get_family",
        "is_recorded",
        "set_names",
    ),
    "files": ("read_schedule",),
    "one_line": ("schedule_from_line",),
    "own_families": ("add_family", "family"),
    "schedule": ("Interval", "Schedule"),
    "space": ("ScheduleSpace", "default_space"),
    "toml": ("params_from", "read_space", "read_usual", "space_from_dict", "space_from_toml", "space_to_dict"),
    "toml_text": ("space_to_toml",),
    "warmup": ("WARMUP_START", "WarmupShape"),
    "widening": ("changes",),
}

__getattr__, __dir__ = imported_on_use(__name__, __all__, _HOME)
