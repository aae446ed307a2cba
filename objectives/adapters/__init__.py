"""Other people's training loops as objectives: a trial's scheduler goes in, every epoch's metrics come out.

A room of its own in objectives/: it uses `Run` alone. One file a framework, which is imported when it is used.
"""

from __future__ import annotations

from .lightning import LightningCallback
from .trainer import attach

__all__ = ["LightningCallback", "attach"]
