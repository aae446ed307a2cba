"""A schedule in one line, as ``cosine:base_lr=0.1,T_max=20,warmup=1``."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from .counting import Unit
from .families import get_family
from .schedule import Interval, Schedule

FORM = "FAMILY:base_lr=RATE[,NAME=VALUE ...]"
COMMON = ("base_lr", "warmup", "warmup_start", "warmup_shape")


def schedule_from_line(text: str, epochs: float, interval: Interval = "step", unit: Unit = "epoch") -> Schedule:
    """The schedule that a line describes.

    Args:
        text: ``FAMILY:NAME=VALUE,...``. The names are base_lr, which must be there, warmup, warmup_start, warmup_shape,
            epochs (the length that it is made for; steps in a search that counts them), and the family's parameters.
        epochs: The length if the line does not say.
        interval: Whether the rate changes every step or every epoch.
        unit: What lengths are in.

    Raises:
        InputError: The line has another form, or a name or a value is wrong.

    >>> schedule_from_line("step:base_lr=0.1,step_size=30,gamma=0.1,epochs=90", 10).describe()
    'step, base_lr 0.1, step_size 30, gamma 0.1, no warmup, 90 epochs'
    """
    name, _, rest = text.partition(":")
    family = get_family(name)
    length, other = ("epochs", "steps") if unit == "epoch" else ("steps", "epochs")
    common_names = [*COMMON, length]
    allowed = [*common_names, *(p.name for p in family.params)]
    given: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if key == other:
            raise InputError(f"{text!r}: this search counts {length}, not {other}: give all lengths in {length}.")
        if not equals or key not in allowed or key in given:
            raise InputError(
                f"{text!r}: {pair.strip()!r} is not NAME=VALUE with one of {', '.join(allowed)}, each once."
            )
        given[key] = _value(value)
    if "base_lr" not in given:
        raise InputError(f"{text!r} needs base_lr: write {FORM}, as {name}:base_lr=0.1.")
    common = {key: given.pop(key) for key in common_names if key in given}
    try:
        horizon = common.pop(length, epochs)
        return Schedule(name, horizon=horizon, params=given, interval=interval, unit=unit, **common)
    except InputError as error:
        raise InputError(f"{text!r}: {error}") from None


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
