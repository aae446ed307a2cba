"""`Engine`: how the trials of a session run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from ..budget.ledger import Grant
from ..results.trial import TrialRecord


@dataclass(frozen=True)
class Engine:
    """The engine of a session.

    Attributes:
        name: What runs the trials.
        width: Lanes or processes side by side.
        why: Why this one, and what was measured, in a line.
        graph: Whether lanes replay their step as a CUDA graph.
    """

    name: Literal["lanes", "processes", "single", "cluster"]
    width: int
    why: str
    graph: bool = False


Ended = Generator[tuple[Grant, TrialRecord], None, None]
"""What was granted and the record of each trial as it ends."""
