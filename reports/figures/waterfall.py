"""Where the gain comes from, as the rows of a small waterfall: the page draws them with plain boxes."""

from __future__ import annotations

from typing import NamedTuple

from ...search import SearchResult
from ..facts.gain import Gain, GainStep
from ..facts.numbers import together


class Rung(NamedTuple):
    """One row.

    Attributes:
        name: The schedule.
        value: Its value, for people.
        text: What the step changed and which part of the gain it brings; empty for the first.
        kind: "start", "better" or "worse".
        left: Where its box begins, in per cent of the width.
        width: How wide it is, in per cent.
    """

    name: str
    value: str
    text: str
    kind: str
    left: float
    width: float


def waterfall(gained: Gain | None, result: SearchResult) -> tuple[Rung, ...]:
    """The rows, the untuned schedule first; empty if nothing is known of the gain."""
    if gained is None:
        return ()
    values = [s.value for s in gained.steps]
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or abs(high) or 1.0
    smallest = min((abs(s.change) for s in gained.steps[1:] if s.change), default=0.0)
    shown = together(*values, apart=smallest)
    rungs = []
    for i, (step, value) in enumerate(zip(gained.steps, shown, strict=True)):
        before = values[i - 1] if i else step.value
        start, end = sorted(100 * (v - low + room) / (high - low + 2 * room) for v in (before, step.value))
        rungs.append(Rung(step.name, value, _text(step), _kind(step, i, result.maximize), start, max(end - start, 0.6)))
    return tuple(rungs)


def _text(step: GainStep) -> str:
    if not step.by:
        return ""
    return step.by if step.share is None else f"{100 * step.share:.0f}\N{NO-BREAK SPACE}% by {step.by}"


def _kind(step: GainStep, place: int, maximize: bool) -> str:
    if not place:
        return "start"
    return "better" if (step.change > 0) == maximize or not step.change else "worse"
