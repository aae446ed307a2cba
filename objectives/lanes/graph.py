"""The training step as a CUDA graph: one launch instead of hundreds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .model import LaneModel
from .state import LaneState

WARMUP_STEPS = 3
"""Steps before a capture, so that libraries have chosen their kernels (as PyTorch's notes on CUDA graphs advise)."""

SWITCH = "LRSEARCH_CUDA_GRAPHS"
"""The environment variable that says whether graphs are measured and used: one of `CHOICES`, the default first."""
CHOICES = ("off", "auto")

Replay = Callable[[], None]
Capture = Callable[[Callable[[], Tensor]], tuple[Tensor, Replay]]
"""Maps a program to the tensor that it gives and a replay, which reads and writes the same memory each time."""


def graphs_possible(device: str) -> bool:
    """Whether steps on `device` can be captured at all."""
    return torch.device(device).type == "cuda"


@dataclass(frozen=True)
class _Captured:
    """A replay and the memory that it reads and writes."""

    replay: Replay
    inputs: tuple[Tensor, Tensor, Tensor]
    losses: Tensor


class StepGraph:
    """`LaneModel.train_step`, captured once for each set of rows and replayed while these keep their memory.

    Args:
        model: Whose step.
        capture: How a program is captured.
    """

    def __init__(self, model: LaneModel, capture: Capture | None = None) -> None:
        self._model, self._capture = model, capture or cuda_graph
        self._captured: dict[tuple[int, ...], _Captured] = {}
        self._last: tuple[LaneState, tuple[int, ...]] | None = None

    @property
    def kept(self) -> int:
        """How many captured steps there are."""
        return len(self._captured)

    def forget(self) -> None:
        """Drop all graphs: the rows are about to move."""
        self._captured.clear()
        self._last = None

    def train_step(self, state: LaneState, x: Tensor, y: Tensor, factors: Tensor, *, shared: bool) -> Tensor:
        """See `LaneModel.train_step`; the answer is overwritten by the next call."""
        key = (shared, *x.shape, *self._addresses(state))
        if key not in self._captured:
            now = state.backup()
            self._captured[key] = self._captured_step(state, (x.clone(), y.clone(), factors.clone()), shared)
            state.restore(now)
        graph = self._captured[key]
        for static, value in zip(graph.inputs, (x, y, factors), strict=True):
            static.copy_(value)
        graph.replay()
        return graph.losses

    def _addresses(self, state: LaneState) -> tuple[int, ...]:
        """Where the rows lie; looked up once for each state."""
        if self._last is None or self._last[0] is not state:
            self._last = state, tuple(t.data_ptr() for t in state.tensors())
        return self._last[1]

    def _captured_step(self, state: LaneState, inputs: tuple[Tensor, Tensor, Tensor], shared: bool) -> _Captured:
        losses, replay = self._capture(lambda: self._model.train_step(state, *inputs, shared=shared))
        return _Captured(replay, inputs, losses)


def cuda_graph(step: Callable[[], Tensor]) -> tuple[Tensor, Replay]:
    """Capture as PyTorch's notes on CUDA graphs say: a few runs on a side stream, then one that is only recorded."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARMUP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step()
    return losses, graph.replay
