"""Files that are written in one go."""

from __future__ import annotations

import glob
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import psutil

PART = ".lrsearch-part"
LONG_S = 86_400
"""Seconds after which what is left of a file was left by a process that was killed, on whatever machine."""


def replace_file(path: Path, text: str) -> Path:
    """Write a file, so that no reader ever sees half of it; what processes that were killed left of it is removed.

    Raises:
        OSError: It cannot be written; an older one is as it was.
    """
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}{PART}")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.*{PART}"):
        with suppress(OSError, ValueError):  # somebody else has removed it
            if _abandoned(left, beside=temporary):
                left.unlink()
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return path


def _abandoned(left: Path, beside: Path) -> bool:
    """Whether the process that wrote a temporary file is dead: on this machine, or so old that it must be."""
    written, mine = Path(left.stem), Path(beside.stem)  # their suffixes are process ids
    if written.stem == mine.stem:
        return not psutil.pid_exists(int(written.suffix[1:]))
    return time.time() - left.stat().st_mtime > LONG_S
