"""Lines of a journal: each says after which line it was written, so that doubled, lost and changed lines are found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from zlib import crc32

AFTER = "after"
"""Name of the checksum of the line before in a line of ours; lines of plain Optuna scripts have none."""


class DamagedLine(Exception):
    """A line does not follow the one before it; the message says so."""


class NoLine(DamagedLine):
    """A line is no JSON; the message says so."""


class Lines:
    """Reads lines one after another.

    A plain Optuna script has a lock of its own, so that its lines may come between one of ours and the one that ours
    was written after.

    Args:
        first: Whether they are read from the file's beginning; what the first one follows is else unknown.
    """

    def __init__(self, *, first: bool) -> None:
        self._before = {0} if first else set[int]()

    def read(self, line: bytes) -> dict[str, Any]:
        """What a line says; raises `DamagedLine`."""
        try:
            log = json.loads(line)
            after = log.pop(AFTER, None)
        except (ValueError, AttributeError, TypeError, RecursionError):
            raise NoLine("is not what Optuna writes") from None
        if after is None:
            self._before.add(crc32(line))
            return dict(log)
        if self._before and after not in self._before:
            raise DamagedLine("does not follow the line before: lines were doubled, lost or changed there")
        self._before = {crc32(line)}
        return dict(log)


def written(logs: list[dict[str, Any]], last: bytes) -> bytes:
    """Lines to append after the line `last`, which is empty for none."""
    lines = b""
    for log in logs:
        last = _line({**log, AFTER: crc32(last)})
        lines += last
    return lines


def _line(log: Mapping[str, Any]) -> bytes:
    return json.dumps(log, separators=(",", ":")).encode() + b"\n"
