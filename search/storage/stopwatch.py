"""How long something has stayed as it is, whatever the clocks say of those who wrote it."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Moment:
    """The moment before something was read.

    Its reader may be stopped for hours before it comes to judge what it has read: what is judged is how it was then.

    Attributes:
        time: ``time.time()``.
        monotonic: ``time.monotonic()``.
    """

    time: float
    monotonic: float

    @classmethod
    def now(cls) -> Moment:
        """This one."""
        return cls(time.time(), time.monotonic())


_SEEN: dict[Hashable, tuple[object, float]] = {}
"""By key, the value that was seen last, and ``time.monotonic()`` since when."""


def seen_for(key: Hashable, value: object, read: Moment) -> float:
    """Seconds for which this process had seen that value under the key when it was read; 0 at first."""
    seen, since = _SEEN.get(key, (None, 0.0))
    if key not in _SEEN or seen != value:
        _SEEN[key] = value, time.monotonic()  # it may have become so while it was read
        return 0.0
    return read.monotonic - since


def older(key: Hashable, stamp: datetime | None, seconds: float, read: Moment) -> bool:
    """Whether something was this many seconds old when it was read.

    Either its time stamp says so, or this process has seen it for so long: clocks differ, and may be put back.

    Args:
        key: What it is.
        stamp: When it was made, by some machine's clock; None for long ago.
        seconds: Seconds.
        read: The moment before it was read.
    """
    return stamp is None or read.time - stamp.timestamp() >= seconds or seen_for((key, stamp), stamp, read) >= seconds
