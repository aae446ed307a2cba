"""The tensors of many lanes, stacked: one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class LaneState:
    """What `n` lanes own; every tensor has a first dimension of `n`.

    Attributes:
        params: Trained parameters by name.
        rest: Buffers and frozen parameters by name.
        moments: Optimizer state by parameter's name.
    """

    params: dict[str, Tensor]
    rest: dict[str, Tensor]
    moments: dict[str, list[Tensor]]

    @classmethod
    def empty(cls, model: nn.Module, moments: Mapping[str, int]) -> LaneState:
        """No rows yet.

        Args:
            model: Gives shapes, types and device.
            moments: How many tensors of optimizer state each trained parameter needs, by name.
        """
        tensors = {name: t.detach().new_empty((0, *t.shape)) for name, t in named_tensors(model).items()}
        params = {name: tensors.pop(name) for name in moments}
        return cls(params, tensors, {name: [params[name]] * n for name, n in moments.items()})

    def laid_out_like(self, grads: Mapping[str, Tensor | None]) -> LaneState:
        """The same without rows, parameters and moments ordered in memory as their gradients are.

        A linear layer's gradient comes transposed; to step along two orders at once is several times slower.
        """
        new = self.resized([], 0)
        for name, grad in grads.items():
            strides = grad is not None and torch.empty_like(grad).stride()
            if strides and strides[0] == self.params[name].stride(0):
                p = new.params[name]
                new.params[name] = torch.empty_strided(p.shape, strides, dtype=p.dtype, device=p.device)
                new.moments[name] = [new.params[name]] * len(new.moments[name])
        return new

    def map(self, f: Callable[[Tensor], Tensor]) -> LaneState:
        """A state with `f` of every tensor."""
        return LaneState(
            {k: f(v) for k, v in self.params.items()},
            {k: f(v) for k, v in self.rest.items()},
            {k: [f(v) for v in vs] for k, vs in self.moments.items()},
        )

    def tensors(self) -> list[Tensor]:
        """Every tensor, always in the same order."""
        return [*self.params.values(), *self.rest.values(), *(v for vs in self.moments.values() for v in vs)]

    def resized(self, rows: Sequence[int], extra: int) -> LaneState:
        """A copy of some rows, followed by `extra` rows of no meaning yet."""
        keep = list(rows)

        def copy(t: Tensor) -> Tensor:
            shape = (len(keep) + extra, *t.shape[1:])
            new = torch.empty_strided(shape, t.stride(), dtype=t.dtype, device=t.device)
            new[: len(keep)] = t.detach()[keep]
            return new

        return self.map(copy)

    def view(self, start: int, stop: int) -> LaneState:
        """Rows `start` to `stop` in the same memory; the parameters are leaves that take gradients."""
        part = self.map(lambda t: t[start:stop])
        part.params = {k: v.detach().requires_grad_() for k, v in part.params.items()}
        return part

    def backup(self, device: str = "cpu") -> list[Tensor]:
        """A copy for `restore`, by default in host memory."""
        return [t.detach().to(device, copy=True) for t in self.tensors()]

    @torch.no_grad()
    def restore(self, backup: Sequence[Tensor]) -> None:
        """Undo every change since `backup`, in place."""
        for t, old in zip(self.tensors(), backup, strict=True):
            t.copy_(old)

    @torch.no_grad()
    def start(self, row: int, model: nn.Module) -> None:
        """Give a row the weights of `model`, and no optimizer state."""
        fresh = named_tensors(model)
        for name, t in (self.params | self.rest).items():
            t[row].copy_(fresh[name])
        for moments in self.moments.values():
            for t in moments:
                t[row].zero_()


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
