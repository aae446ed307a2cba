"""The space that an answer at an end of its range asks for, as a file to search on with."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from pathlib import Path

from ...search import SearchResult
from ...spaces import space_to_toml
from ..facts.edges import wider_space

NAME = "wider"


def write_wider_space(result: SearchResult) -> Path | None:
    """Write the wider space into the run folder; returns the file, None if no wider one is asked for.

    A file that is there already is never changed, since a search may go on with it: another gets a number.
    """
    if result.folder is None or (space := wider_space(result)) is None:
        return None
    text = space_to_toml(space)
    path = _place(Path(result.folder), text)
    with suppress(FileExistsError), open(path, "x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path


def wider_space_file(result: SearchResult) -> Path | None:
    """The file that `write_wider_space` wrote for this search as it is now; None if there is none."""
    if result.folder is None or (space := wider_space(result)) is None:
        return None
    path = _place(Path(result.folder), space_to_toml(space))
    return path if os.path.isfile(path) else None


def _place(folder: Path, text: str) -> Path:
    """The first of ``wider.toml``, ``wider-2.toml``, ... that is free or holds this text."""
    names = itertools.chain([f"{NAME}.toml"], (f"{NAME}-{n}.toml" for n in itertools.count(2)))
    return next(path for name in names if _holds(path := folder / name, text) or not os.path.lexists(path))


def _holds(path: Path, text: str) -> bool:
    data = text.encode()
    return os.path.isfile(path) and os.path.getsize(path) == len(data) and path.read_bytes() == data
