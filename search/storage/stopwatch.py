"""How long something has stayed as it is, whatever the clocks say of those who wrote it."""

from __future__ import annotations

import time
from collections.abc import Hashable
from datetime import datetime

_SEEN: dict[Hashable, tuple[object, float]] = {}
"""By key, the value that was seen last, and ``time.monotonic()`` since when."""


def seen_for(key: Hashable, value: object) -> float:
    """Seconds for which this process has seen that value under the key; 0 when it sees it first."""
    now = time.monotonic()
    seen, since = _SEEN.setdefault(key, (value, now))
    if seen != value:
        _SEEN[key] = value, now
        return 0.0
    return now - since


def older(key: Hashable, stamp: datetime | None, seconds: float) -> bool:
    """Whether something is this many seconds old.

    Either its time stamp says so, or this process has seen it for so long: clocks differ, and may be put back.

    Args:
        key: What it is.
        stamp: When it was made, by some machine's clock; None for long ago.
        seconds: Seconds.
    """
    return stamp is None or time.time() - stamp.timestamp() >= seconds or seen_for((key, stamp), stamp) >= seconds
