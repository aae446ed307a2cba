"""The step of lanes under `torch.compile`: forward, backward and optimizer as one program whose small parts are fused.

`torch.compile` of `LaneModel.train_step` itself breaks at `torch.autograd.grad` and compiles the optimizer parameter by
parameter: it gains nothing. So the step is first traced to plain operations (`make_fx`) that change nothing in place
but at their end (`functionalize`), and that program is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from lrsearch.objectives.lanes.model import LaneModel
from lrsearch.objectives.lanes.state import LaneState

Program = Callable[[Sequence[Tensor], Tensor, Tensor, Tensor], Tensor]


class FusedStep:
    """A stand-in for `LaneModel` where only `train_step` is asked for; `forget` is there for `Lanes`.

    Python of the model runs once, when the step is traced. What it draws with Python's or NumPy's generators would be
    the same in every step.

    Args:
        model: Whose step.
        backend: Of `torch.compile`; "aot_eager" compiles nothing, but goes the same way.
    """

    def __init__(self, model: LaneModel, backend: str = "inductor") -> None:
        self._model, self._backend = model, backend
        self._programs: dict[tuple[int, ...], Program] = {}

    def forget(self) -> None:
        """Nothing: programs hold no memory of rows."""

    def train_step(self, state: LaneState, x: Tensor, y: Tensor, factors: Tensor, *, shared: bool) -> Tensor:
        """See `LaneModel.train_step`."""
        key = (shared, factors.shape[-1], *x.shape)
        rows = [t.detach() for t in state.tensors()]
        if key not in self._programs:
            now = state.backup()
            self._programs[key] = self._compiled(state, rows, (x, y, factors), shared)
            state.restore(now)
        with torch.no_grad():
            return self._programs[key](rows, x, y, factors)

    def _compiled(
        self, state: LaneState, rows: list[Tensor], batch: tuple[Tensor, Tensor, Tensor], shared: bool
    ) -> Program:
        def step(tensors: Sequence[Tensor], x: Tensor, y: Tensor, factors: Tensor) -> Tensor:
            given = iter(tensors)
            traced = state.map(lambda _: next(given))
            traced.params = {k: v.detach().requires_grad_() for k, v in traced.params.items()}
            return self._model.train_step(traced, x, y, factors, shared=shared)

        plain = make_fx(functionalize(make_fx(step)(rows, *batch)))(rows, *batch)
        compiled: Program = torch.compile(plain, backend=self._backend, fullgraph=True, dynamic=False)
        return compiled
