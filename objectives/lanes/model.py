"""One model run for many lanes at once, by `torch.func.vmap`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ..recipe import Recipe, Split
from .losses import lane_loss
from .optim import LaneOptimizer
from .state import LaneState

EVAL_BATCHES = 4
"""Evaluation takes this many training batches at a time: without a graph to keep, that needs no more memory."""

PROBE = 8
"""Samples that the gradients are checked with."""


class LaneModel:
    """The model, loss and optimizer of a recipe over the rows of a `LaneState`.

    Args:
        recipe: What to train.
        data: Training data; a few samples are used to check the gradients.
        device: Where.

    Raises:
        InputError: The optimizer has no lane form.
    """

    def __init__(self, recipe: Recipe, data: Split, device: str) -> None:
        self._recipe = replace(recipe, loss=lane_loss(recipe.loss))
        with own_randomness(device), slow_parts_allowed():
            self._model: nn.Module = recipe.model().to(device)
            self.optimizer = LaneOptimizer.of(recipe, self._model)
            self._empty = self._lay_out(data.x[:PROBE], data.y[:PROBE])

    def empty_state(self) -> LaneState:
        """A state without rows."""
        return self._empty.resized([], 0)

    def train_step(self, state: LaneState, x: Tensor, y: Tensor, factors: Tensor, *, shared: bool) -> Tensor:
        """One optimizer step of every lane, in place.

        Args:
            state: ``K`` rows.
            x: Inputs, ``(b, ...)`` if `shared`, else ``(K, b, ...)``.
            y: Targets, likewise.
            factors: From `LaneOptimizer.factors`, ``(groups, factors, K)``.
            shared: Whether all lanes see the same batch.

        Returns:
            Mean losses of the batch before the step, ``(K,)``.
        """
        losses, grads = self._gradients(state, x, y, shared)
        self.optimizer.update(state.params, grads, state.moments, factors)
        return losses

    @torch.no_grad()
    def evaluate(self, state: LaneState, data: Split) -> Tensor:
        """``val_loss`` and metrics of every lane in evaluation mode, sums over all samples, ``(metrics, K)``."""
        self._model.eval()
        lanes = vmap(self._scores, in_dims=(0, 0, None, None), out_dims=1, randomness="different")
        sums = torch.zeros((), device=data.x.device)
        size = EVAL_BATCHES * self._recipe.batch_size
        for x, y in zip(data.x.split(size), data.y.split(size), strict=True):
            sums = sums + lanes(state.params, state.rest, x, y)
        return sums

    def _gradients(
        self, state: LaneState, x: Tensor, y: Tensor, shared: bool
    ) -> tuple[Tensor, dict[str, Tensor | None]]:
        """Losses ``(K,)`` and gradients by parameter, None for one that is not used."""
        self._model.train()
        dim = None if shared else 0
        lanes = vmap(self._loss, in_dims=(0, 0, dim, dim), randomness="different")
        losses = lanes(state.params, state.rest, x, y)
        # Lanes are independent, so the gradient of the sum is each lane's own, also beside a lane that is NaN.
        grads = torch.autograd.grad(losses.sum(), list(state.params.values()), allow_unused=True)
        return losses.detach(), dict(zip(state.params, grads, strict=True))

    def _lay_out(self, x: Tensor, y: Tensor) -> LaneState:
        """An empty state in the memory order that suits the gradients."""
        empty = LaneState.empty(self._model, self.optimizer.moments)
        two = empty.resized([], 2)
        two.start(0, self._model)
        two.start(1, self._model)
        _, grads = self._gradients(two.view(0, 2), x, y, shared=True)
        return empty.laid_out_like(grads)

    def _loss(self, params: dict[str, Tensor], rest: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return self._recipe.loss(self._outputs(params, rest, x), y)

    def _scores(self, params: dict[str, Tensor], rest: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return self._recipe.scores(self._outputs(params, rest, x), y)

    def _outputs(self, params: dict[str, Tensor], rest: dict[str, Tensor], x: Tensor) -> Tensor:
        def call(x: Tensor) -> Tensor:
            outputs: Tensor = functional_call(self._model, (params, rest), (x,))
            return outputs

        return self._recipe.predict(call, x)


@contextmanager
def own_randomness(device: str, *numbers: int) -> Iterator[None]:
    """Seed the global generators, which random layers draw from, and give them back as they were."""
    where = torch.device(device)
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence(numbers or 0).generate_state(1)[0]))
        yield


@contextmanager
def slow_parts_allowed() -> Iterator[None]:
    """Let vmap loop over the lanes where it has no batched form, without its warning: `choose_lanes` sees the cost."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        yield
