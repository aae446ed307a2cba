"""`torch.optim`'s SGD, Adam and AdamW over stacked parameters, each lane at its own rate and step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from ...errors import InputError
from ...spaces.groups import group_ratios
from ..optimizer import DescribedOptimizer
from ..recipe import Recipe

Array = NDArray[np.float64]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class _Rule:
    """One optimizer class in lane form.

    Attributes:
        moments: How many tensors of state a parameter needs, by the group's options.
        factors: From rates ``(...)``, steps before ``(...)`` and options: what differs by lane, ``(factors, ...)``.
        update: Changes a parameter ``(K, ...)`` and its moments by gradient, factors ``(K, 1, ...)``, options.
    """

    moments: Callable[[Options], int]
    factors: Callable[[Array, Array, Options], Array]
    update: Callable[[Tensor, Tensor, Sequence[Tensor], Sequence[Tensor], Options], None]


def _sgd_factors(lr: Array, done: Array, o: Options) -> Array:
    return np.stack([-lr, -lr * o["momentum"]])


def _sgd(p: Tensor, g: Tensor, moments: Sequence[Tensor], factors: Sequence[Tensor], o: Options) -> None:
    step, step_momentum = factors
    if o["weight_decay"]:
        g = g.add(p, alpha=o["weight_decay"])  # never in place: autograd may hand out one gradient twice
    if not moments:
        p.addcmul_(g, step)
        return
    (average,) = moments
    torch.add(g, average, alpha=o["momentum"], out=average)
    if o["nesterov"]:
        p.addcmul_(g, step).addcmul_(average, step_momentum)
    else:
        p.addcmul_(average, step)


def _adam_factors(lr: Array, done: Array, o: Options) -> Array:
    beta1, beta2 = o["betas"]
    t = done + 1.0
    return np.stack([-lr / (1 - beta1**t), 1 / np.sqrt(1 - beta2**t), 1 - lr * o["weight_decay"]])


def _adam(p: Tensor, g: Tensor, moments: Sequence[Tensor], factors: Sequence[Tensor], o: Options) -> None:
    (step, correction, decay), (mean, square), (beta1, beta2) = factors, moments, o["betas"]
    if o["weight_decay"] and o["decoupled_weight_decay"]:
        p.mul_(decay)
    elif o["weight_decay"]:
        g = g.add(p, alpha=o["weight_decay"])
    mean.lerp_(g, 1 - beta1)
    square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    denominator = square.sqrt().mul_(correction).add_(o["eps"])
    p.addcmul_(torch.div(mean, denominator, out=denominator), step)


_SGD = _Rule(lambda o: 1 if o["momentum"] else 0, _sgd_factors, _sgd)
_ADAM = _Rule(lambda o: 2, _adam_factors, _adam)
RULES: dict[type[Optimizer], _Rule] = {SGD: _SGD, Adam: _ADAM, AdamW: _ADAM}


@dataclass(frozen=True)
class _Group:
    """Parameters that share options; `ratio` is their rate over the schedule's."""

    names: tuple[str, ...]
    options: Options
    ratio: float


class LaneOptimizer:
    """An optimizer in lane form.

    Args:
        optimizer: The fresh optimizer of one `model`, or its description: SGD, Adam or AdamW, with any groups and
            options but those that say so in the error.
        model: The model whose parameters are stacked.

    Raises:
        InputError: The optimizer has no lane form.
    """

    def __init__(self, optimizer: Optimizer | DescribedOptimizer, model: nn.Module) -> None:
        kind, groups, ratios = _parts(optimizer, model)
        if kind not in RULES:
            known = ", ".join(c.__name__ for c in RULES)
            raise InputError(f"the optimizer {kind.__name__} has no lane form, only {known} have")
        self._rule = RULES[kind]
        names = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
        self._groups = [
            _group(group, names, ratio, issubclass(kind, AdamW)) for group, ratio in zip(groups, ratios, strict=True)
        ]
        double = any(p.dtype == torch.float64 for p in model.parameters())
        self._dtype = torch.float64 if double else torch.float32
        self.moments = {name: self._rule.moments(g.options) for g in self._groups for name in g.names}
        """How many tensors of state each trained parameter needs, by name."""

    @classmethod
    def of(cls, recipe: Recipe, model: nn.Module) -> LaneOptimizer:
        """The optimizer of a recipe, in lane form."""
        made = recipe.optimizer
        return cls(made if isinstance(made, DescribedOptimizer) else made(model), model)

    def factors(self, lrs: Array, done: Array, device: str) -> Tensor:
        """What differs by lane, for many steps at once, so that no step waits for the host.

        Args:
            lrs: The schedules' rates, ``(steps, K)``.
            done: Steps that each lane has done before each step, ``(steps, K)``.
            device: Where the answer lies.

        Returns:
            ``(steps, groups, factors, K)``, for `update`, one step at a time.
        """
        per_group = [self._rule.factors(lrs * g.ratio, done, g.options) for g in self._groups]
        return torch.from_numpy(np.stack(per_group).swapaxes(1, 2).swapaxes(0, 1)).to(device, self._dtype)

    @torch.no_grad()
    def update(
        self,
        params: Mapping[str, Tensor],
        grads: Mapping[str, Tensor | None],
        moments: Mapping[str, Sequence[Tensor]],
        factors: Tensor,
    ) -> None:
        """One step in place: parameters and moments are ``(K, ...)`` by name, factors ``(groups, factors, K)``.

        A parameter without gradient (None) is left alone, as `torch.optim` does.
        """
        for group, values in zip(self._groups, factors.unbind(), strict=True):
            by_dims: dict[int, list[Tensor]] = {}
            for name in group.names:
                p, g = params[name], grads[name]
                if g is not None:
                    if p.dim() not in by_dims:
                        by_dims[p.dim()] = [v.view(-1, *[1] * (p.dim() - 1)) for v in values.unbind()]
                    self._rule.update(p, g, moments[name], by_dims[p.dim()], group.options)


def _parts(
    optimizer: Optimizer | DescribedOptimizer, model: nn.Module
) -> tuple[type[Optimizer], list[dict[str, Any]], list[float]]:
    """Class, parameter groups, and their ratios to the schedule's rate."""
    if isinstance(optimizer, DescribedOptimizer):
        group = {**optimizer.all_options, "params": list(model.parameters())}
        return optimizer.optimizer_class, [group], [1.0]
    return type(optimizer), optimizer.param_groups, group_ratios(optimizer)[0]


def _group(group: dict[str, Any], names: Mapping[int, str], ratio: float, decoupled: bool) -> _Group:
    for option in ("amsgrad", "maximize", "differentiable", "dampening"):
        if group.get(option):
            raise InputError(f"the optimizer option {option}={group[option]!r} has no lane form")
    if any(id(p) not in names and p.requires_grad for p in group["params"]):
        raise InputError("the optimizer trains a tensor that is no parameter of the model")
    options = {"decoupled_weight_decay": decoupled, **{k: v for k, v in group.items() if k != "params"}}
    return _Group(tuple(names[id(p)] for p in group["params"] if p.requires_grad), options, ratio)
