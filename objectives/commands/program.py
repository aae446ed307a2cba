"""The program that a command starts: whether it is there, and what it is called."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError


def checked_words(command: Sequence[str]) -> list[str]:
    """The command's words; raises `InputError` if there is no such program."""
    words = [str(word) for word in command]
    if not words or not words[0].strip():
        raise InputError("a command begins with a program, as python train.py; it is empty.")
    if words[0].startswith("-"):
        raise InputError(
            f"a command begins with a program, as python train.py, got {words[0]!r}; arguments for an objective's "
            "script follow the objective, as lrsearch run train.py:objective -- --wd 0.1."
        )
    if shutil.which(words[0]) is None:
        raise InputError(f"there is no program {words[0]!r} here: give a path, or activate the environment it is in.")
    return words


def name_of(command: Sequence[str]) -> str:
    """The script's name without its ending, else the program's."""
    scripts = [word for word in command if word.endswith((".py", ".sh")) and not word.startswith("-")]
    return Path(scripts[0] if scripts else command[0]).stem or "command"
