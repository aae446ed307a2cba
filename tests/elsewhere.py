"""A device that is not the CPU, on a machine without one: PyTorch's "meta" device, whose tensors hold no data.

An accelerator refuses what mixes its tensors with the CPU's; here `Elsewhere` does. What a program reads from the
device reads as ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = "meta"
COPIES = ("copy_", "_to_copy")


class Generator(torch.Generator):
    """A generator for a device that need not exist."""

    elsewhere: set[int] = set()  # noqa: RUF012
    """The addresses of those that were made for another device than the CPU: operations see copies of the object."""

    def __new__(cls, device: str | torch.device = "cpu") -> Generator:
        made = super().__new__(cls, device="cpu")  # type: ignore[call-arg]
        cls.elsewhere.discard(made._cdata)  # type: ignore[attr-defined]
        if torch.device(device).type != "cpu":
            cls.elsewhere.add(made._cdata)  # type: ignore[attr-defined]
        return made


class Elsewhere(TorchDispatchMode):
    """Looks at every operation.

    Attributes:
        reads: What was read from the device, by operation: each makes the host wait.
        stray: Operations that gave numbers on the CPU, outside of what is allowed. Integers are left out, the order of
            batches is made there; so are Python's numbers, and NumPy's on their way to the device.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reads: list[str] = []
        self.stray: list[str] = []
        self._allowed = 0

    def allow(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, whose work on the CPU is meant."""

        def allowed(*args: Any, **kwargs: Any) -> Any:
            self._allowed += 1
            try:
                return call(*args, **kwargs)
            finally:
                self._allowed -= 1

        return allowed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        given = _tensors((args, kwargs))
        here = [t for t in given if t.device.type == "cpu" and t.dim()]
        there = [t for t in given if t.device.type == DEVICE]
        if here and there and name not in COPIES:
            raise AssertionError(f"{func} mixes devices: {[(tuple(t.shape), t.device.type) for t in given]}")
        if name == "_local_scalar_dense" and there:
            self.reads.append(name)
            return 1.0
        if name == "copy_" and args[0].device.type == "cpu" and there:
            self.reads.append(name)
            return args[0].fill_(1)
        if name == "_to_copy" and there and torch.device(kwargs.get("device", DEVICE)).type == "cpu":
            self.reads.append(name)
            return torch.ones(there[0].shape, dtype=kwargs.get("dtype") or there[0].dtype)
        result = func(*args, **kwargs)
        generator, devices = kwargs.get("generator"), {t.device.type for t in _tensors(result)}
        if generator is not None and devices != {DEVICE if generator._cdata in Generator.elsewhere else "cpu"}:
            raise AssertionError(f"{func} draws on {devices} with a generator of another device")
        if not self._allowed and name != "lift_fresh":
            strays = [t for t in _tensors(result) if t.device.type == "cpu" and t.dim() and t.is_floating_point()]
            self.stray += [f"{func} gives {tuple(t.shape)}" for t in strays]
        return result


def _tensors(values: Any) -> list[Tensor]:
    return [t for t in tree_leaves(values) if isinstance(t, Tensor)]
