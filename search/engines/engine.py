"""`Engine`: how the trials of a session run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from ..budget.ledger import Allowance
from ..results.trial import TrialRecord


@dataclass(frozen=True)
class Engine:
    """The engine of a session.

    Attributes:
        name: What runs the trials.
        width: Lanes or processes side by side.
        why: Why this one, and what was measured, in a line.
        graph: Whether lanes replay their step as a CUDA graph.
        threads: PyTorch's threads in this process; 0 for as many as there are.
    """

    name: Literal["lanes", "processes", "single", "cluster"]
    width: int
    why: str
    graph: bool = False
    threads: int = 0

    def __str__(self) -> str:
        """What it does, in a sentence."""
        how = {
            "single": "one trial at a time",
            "lanes": f"{self.width} trials at a time, in lanes of one batched model",
            "processes": f"{self.width} trials at a time, in processes of their own",
            "cluster": "trials on the cluster's workers",
        }[self.name]
        return f"Training {how}{f' ({self.why})' if self.why else ''}."


Ended = Generator[tuple[Allowance, TrialRecord], None, None]
"""What was reserved and the record of each trial as it ends."""
