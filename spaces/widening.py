"""Whether one space holds another: a study's space may become wider, since the trials that it has stay valid."""

from __future__ import annotations

from typing import NamedTuple

from .beside import optuna_name
from .families import Choice, Range
from .space import ScheduleSpace


class Changes(NamedTuple):
    """How one space differs from another, in words.

    Attributes:
        wider: What it has more of, e.g. "base_lr 0.001 to 4 (was 0.001 to 1)".
        refused: What keeps it from holding the other one, e.g. "base_lr 0.01 to 1 is narrower than 0.001 to 1".
    """

    wider: tuple[str, ...]
    refused: tuple[str, ...]


def changes(before: ScheduleSpace, after: ScheduleSpace) -> Changes:
    """What is wider in the space `after`, and what keeps it from holding all schedules of `before`."""
    wider: list[str] = []
    refused: list[str] = []
    for name in ("families", "horizon", "interval", "warmup_start", "warmup_shape"):
        there, now = (_shown(getattr(space, name)) for space in (before, after))
        if there != now:
            refused.append(f"{name} {now} differs from {there}")
    if missing := [name for name in after.beside if name not in before.beside]:
        refused.append(f"{optuna_name(missing[0])} was not searched")
    for name, old in _ranges(before).items():
        new = _ranges(after).get(name)
        if new is None:
            refused.append(f"{name} is missing")
        elif why := _refusal(old, new):
            refused.append(f"{name} {_shown(new)} {why} {_shown(old)}")
        elif new != old:
            wider.append(f"{name} {_shown(new)} (was {_shown(old)})")
    wider += [f"{name} {_shown(new)} (new)" for name, new in _ranges(after).items() if name not in _ranges(before)]
    return Changes(tuple(wider), tuple(refused))


def _ranges(space: ScheduleSpace) -> dict[str, Range | Choice]:
    assert space.warmup is not None
    beside = {optuna_name(name): span for name, span in space.beside.items()}
    return {"base_lr": space.base_lr, "warmup": space.warmup, **space.ranges, **beside}


def _refusal(old: Range | Choice, new: Range | Choice) -> str:
    """Why `new` does not hold `old`; empty if it does. Optuna lets no study change a scale or a list of names."""
    if isinstance(old, Choice) or isinstance(new, Choice):
        return "" if old == new else "differs from"
    if new.low > old.low or new.high < old.high:
        return "is narrower than"
    if new.log != old.log:
        return "is logarithmic, unlike" if new.log else "is not logarithmic, unlike"
    return "" if _fits(old, new.low, new.step) else "has another grid than"


def _fits(span: Range, low: float, step: float | None) -> bool:
    """Whether every value of a range lies on a grid from `low` on; any value does if there is none."""
    if step is None:
        return True
    if span.step is None and span.low < span.high:
        return False
    distances = ((span.low - low) / step, (span.step or 0.0) / step)
    return all(abs(d - round(d)) < 1e-6 for d in distances)


def _shown(value: object) -> str:
    if isinstance(value, Range):
        if value.low == value.high:
            return f"{value.low:g}"
        extra = f" in steps of {value.step:g}" if value.step else ""
        return f"{value.low:g} to {value.high:g}{extra}"
    if isinstance(value, (tuple, Choice)):
        return ", ".join(value.options if isinstance(value, Choice) else value)
    return f"{value:g}" if isinstance(value, float) else str(value)
