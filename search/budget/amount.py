"""`Budget`: how much a search may spend, in trials, wall time, training epochs or steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ...errors import InputError

_RULE = 'a budget is trials ("60"), wall time ("90s", "30m", "1h30m"), epochs ("500ep") or steps ("50000steps")'
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True)
class Budget:
    """A promise that is kept.

    Attributes:
        kind: What is counted.
        amount: How many trials, seconds, epochs or optimizer steps; above 0.
    """

    kind: Literal["trials", "seconds", "epochs", "steps"]
    amount: float

    def __post_init__(self) -> None:
        if not 0 < self.amount < 1e12:
            raise InputError(f"{_RULE}, above 0; got {self.amount:g} {self.kind}.")

    @classmethod
    def parse(cls, text: str | int | Budget) -> Budget:
        """The budget that `text` names; raises `InputError`.

        >>> Budget.parse("1h30m")
        Budget(kind='seconds', amount=5400.0)
        """
        if isinstance(text, Budget):
            return text
        written = str(text).strip().lower()
        if re.fullmatch(r"[+-]?\d{1,12}", written):
            return cls("trials", int(written))
        if match := re.fullmatch(r"(\d{1,12}) ?(?:ep|epochs?)", written):
            return cls("epochs", int(match[1]))
        if match := re.fullmatch(r"(\d{1,12}) ?steps?", written):
            return cls("steps", int(match[1]))
        match = _TIME.fullmatch(written)
        if not match or not written:
            raise InputError(f"{_RULE}; got {str(text)!r}.")
        return cls("seconds", float(sum(float(match[i + 1] or 0) * s for i, s in enumerate(_SECONDS.values()))))

    def __str__(self) -> str:
        if self.kind == "trials":
            return f"{self.amount:g} trials"
        if self.kind in ("epochs", "steps"):
            return f"{self.amount:.10g} {self.kind}"
        return duration(self.amount)


def parse_seconds(text: str | float, option: str) -> float:
    """Seconds as a number, ``"90"``, ``"5m"`` or ``"1h30m"``; `InputError` names the `option`."""
    try:
        budget = Budget.parse(f"{float(text)}s" if str(text).replace(".", "", 1).isdigit() else str(text))
    except InputError:
        budget = None
    if budget is None or budget.kind != "seconds":
        raise InputError(f'{option} is a time above 0, as "300" (seconds), "5m" or "1h30m"; got {str(text)!r}.')
    return budget.amount


def duration(seconds: float) -> str:
    """Seconds in words that fit a line: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
