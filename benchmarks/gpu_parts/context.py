"""What a part is given: the device, the time that it has, and where its rows go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Row = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """A part's surroundings.

    Attributes:
        device: A torch device.
        quick: Whether small models and short trials will do.
        data_dir: Folder with the datasets.
        deadline: ``time.time()`` by which the part is to end.
        add: Keeps a row of results at once, so that a part that is cut off loses nothing.
    """

    device: str
    quick: bool
    data_dir: str
    deadline: float
    add: Callable[[Row], None]

    @property
    def cuda(self) -> bool:
        """Whether the device is an NVIDIA (or ROCm) card."""
        return torch.device(self.device).type == "cuda"

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.time()

    def wait(self) -> None:
        """Wait until the device has done what was asked of it."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def timed(self, call: Callable[[], Any], *, least: int = 1, enough: float = 0.0) -> float:
        """The shortest seconds of a call, after one to warm up; repeated `least` times and for `enough` seconds."""
        call()
        self.wait()
        seconds: list[float] = []
        while len(seconds) < least or sum(seconds) < enough:
            begun = time.perf_counter()
            call()
            self.wait()
            seconds.append(time.perf_counter() - begun)
        return min(seconds)
