"""Files that are written in one go."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import psutil


def replace_file(path: Path, text: str) -> Path:
    """Write a file, so that no reader ever sees half of it; what processes that were killed left of it is removed.

    Raises:
        OSError: It cannot be written; an older one is as it was.
    """
    mine = f".{path.name}.{socket.gethostname()}."
    for left in path.parent.glob(f"{mine}*"):
        pid = left.name.removeprefix(mine)
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f"{mine}{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return path
