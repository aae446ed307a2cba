"""Schedules as any library proposes them: a space in floats, integers and choices, and what a search has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lrsearch.spaces import Range, ScheduleSpace
from lrsearch.spaces.families import Choice

Value = float | str


class Plain:
    """A space in terms that every library has: floats, integers and choices, some for one family alone.

    Attributes:
        families: What is searched for each family alone.
        shared: What is searched for every family.
    """

    def __init__(self, space: ScheduleSpace) -> None:
        self.space = space
        self.fixed: dict[str, Value] = {}
        self.families: dict[str, dict[str, Range | Choice]] = {}
        self.shared: dict[str, Range | Choice] = {}
        for family in space.families:
            self.families[family] = {}
            for name in space.names(family):
                span = space.range_of(name)
                if isinstance(span, Range) and span.low == span.high:
                    self.fixed[name] = span.low
                else:
                    (self.families[family] if name.startswith(f"{family}.") else self.shared)[name] = span

    @property
    def every(self) -> dict[str, Range | Choice]:
        """All that is searched, but the family."""
        return {**self.shared, **{name: span for own in self.families.values() for name, span in own.items()}}

    def to_peer(self, params: Mapping[str, Value]) -> dict[str, Any]:
        """Optuna's parameters as a library has them: a stepped range counts its steps, what is fixed is left out."""
        values: dict[str, Any] = {"family": params["family"]}
        for name, span in self.every.items():
            if name in params:
                values[name] = params[name]
                if isinstance(span, Range) and span.step:
                    values[name] = round((float(params[name]) - span.low) / span.step)
        return values

    def to_params(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """Optuna's parameters of what a library proposes, with what is fixed."""
        params = {**self.fixed, "family": str(values["family"])}
        for name, span in self.every.items():
            if name in values:
                if isinstance(span, Choice):
                    params[name] = str(values[name])
                elif span.step:
                    params[name] = span.low + span.step * int(values[name])
                else:
                    params[name] = min(max(float(values[name]), span.low), span.high)
        return params


def steps(span: Range) -> int | None:
    """How many steps a range has, if it has any."""
    return round((span.high - span.low) / span.step) if span.step else None


@dataclass(frozen=True)
class Proposal:
    """What a library wants to be trained.

    Attributes:
        params: Optuna's parameters.
        until: The last epoch of it.
        key: What it is known by if it is asked for again, to be trained further.
    """

    params: dict[str, Value]
    until: int
    key: object = None


class Peer(Protocol):
    """A library's search."""

    def ask(self) -> Proposal:
        """The next proposal."""

    def tell(self, params: Mapping[str, Value], epoch: int, loss: float, last: bool) -> bool:
        """Take in the loss after an epoch of a row with these parameters; true if the trial is to be stopped."""
