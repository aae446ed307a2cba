"""Where a command runs: its environment variables, the name of its device, a folder for its socket."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .wire import TRIAL

LONGEST_SOCKET = 80
"""Characters of a folder that a socket may lie in; systems allow about 100 for the whole path."""
_NOT_FOR_IT = ("LRSEARCH_STORAGE", "LRSEARCH_SCHEDULE")
"""Environment variables of the search that are not the command's business."""


def environment(folder: Path, device: str) -> dict[str, str]:
    """What the command finds in its environment; output comes line by line, so that it can be read at once."""
    variables = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_IT}
    variables |= {TRIAL: str(folder), "PYTHONUNBUFFERED": "1"}
    if device.startswith("cuda:"):
        visible = [d for d in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if d]
        number = int(device.removeprefix("cuda:"))
        variables["CUDA_VISIBLE_DEVICES"] = visible[number] if number < len(visible) else str(number)
    return variables


def visible(device: str) -> str:
    """What a device is called where it is the only one that is visible."""
    return "cuda:0" if device.startswith("cuda:") else device


def short_folder() -> str | None:
    """Where a trial's folder may lie so that its socket's path is not too long; None for the usual place."""
    return None if len(tempfile.gettempdir()) <= LONGEST_SOCKET else "/tmp"
