"""The training step as a CUDA graph: one launch instead of hundreds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .model import LaneModel
from .state import LaneState

WARMUP_STEPS = 3
"""Steps before a capture, so that libraries have chosen their kernels (as PyTorch's notes on CUDA graphs advise)."""


@dataclass(frozen=True)
class _Captured:
    """A graph and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, Tensor, Tensor]
    losses: Tensor


class StepGraph:
    """`LaneModel.train_step`, captured once for each set of rows and replayed while these keep their memory."""

    def __init__(self, model: LaneModel) -> None:
        self._model = model
        self._captured: dict[tuple[int, ...], _Captured] = {}

    def forget(self) -> None:
        """Drop all graphs: the rows are about to move."""
        self._captured.clear()

    def train_step(self, state: LaneState, x: Tensor, y: Tensor, factors: Tensor, *, shared: bool) -> Tensor:
        """See `LaneModel.train_step`; the answer is overwritten by the next call."""
        key = (shared, *(t.data_ptr() for t in state.tensors()), *x.shape)
        if key not in self._captured:
            now = state.backup()
            self._captured[key] = self._capture(state, (x.clone(), y.clone(), factors.clone()), shared)
            state.restore(now)
        found = self._captured[key]
        for static, value in zip(found.inputs, (x, y, factors), strict=True):
            static.copy_(value)
        found.graph.replay()
        return found.losses

    def _capture(self, state: LaneState, inputs: tuple[Tensor, Tensor, Tensor], shared: bool) -> _Captured:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUP_STEPS):
                self._model.train_step(state, *inputs, shared=shared)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            losses = self._model.train_step(state, *inputs, shared=shared)
        return _Captured(graph, inputs, losses)
