"""A CUDA graph's stand-in on the CPU: it records a step's operations with their memory, and runs the same ones again.

As with the real one, a replay reads and writes the tensors of the recording, whatever they hold by then, and no Python
of the step runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, no_grad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.done: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, result))
        return result


def recorded(step: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
    """Record `step` while it runs, as `graph.cuda_graph` captures it."""
    with _Recorder() as recorder:
        losses = step()

    @no_grad()
    def replay() -> None:
        for func, args, kwargs, before in recorder.done:
            if func.is_view:  # the memory is shared already
                continue
            for old, new in zip(tree_leaves(before), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, Tensor) and old is not new:
                    old.copy_(new)

    return losses, replay
