"""A trial alone that steps as a lane does, without making an optimizer of `torch.optim`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...spaces.families import Array
from ..recipe import Recipe
from .optim import LaneOptimizer


class LaneStepper:
    """One model, trained by `LaneOptimizer`; see `lrsearch.objectives.training.Stepper`.

    Args:
        recipe: Whose optimizer.
        model: What is trained.
        lrs: The schedule's rate at every step, ``(epochs * steps,)``.
        steps: Optimizer steps in an epoch.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, lrs: Array, steps: int) -> None:
        self._optimizer = LaneOptimizer.of(recipe, model)
        self._trained = {name: p for name, p in model.named_parameters() if name in self._optimizer.moments}
        self._params = {name: p.detach().unsqueeze(0) for name, p in self._trained.items()}  # in the same memory
        self._moments = {
            name: [torch.zeros_like(self._params[name]) for _ in range(count)]
            for name, count in self._optimizer.moments.items()
        }
        self._lrs, self._steps, self._done = lrs, steps, 0
        self._factors: Tensor | None = None

    def step(self, loss: Tensor) -> None:
        """See `Stepper`."""
        position = self._done % self._steps
        if position == 0 or self._factors is None:
            done = np.arange(self._done, self._done + self._steps)
            rates = self._lrs[done, None]
            self._factors = self._optimizer.factors(rates, done[:, None].astype(float), str(loss.device))
        grads = torch.autograd.grad(loss, list(self._trained.values()), allow_unused=True)
        gradients = {n: None if g is None else g.unsqueeze(0) for n, g in zip(self._trained, grads, strict=True)}
        self._optimizer.update(self._params, gradients, self._moments, self._factors[position])
        self._done += 1

    def end_epoch(self) -> None:
        """See `Stepper`."""

    def lower(self, share: float) -> None:
        """See `Stepper`; the rates of the epochs to come are read as they begin."""
