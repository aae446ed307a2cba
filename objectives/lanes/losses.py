"""Losses that vmap would run slowly as PyTorch has them, in a form that suits it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..recipe import PerBatch

IGNORED = -100
"""The label that `functional.cross_entropy` leaves out."""


def lane_loss(loss: PerBatch) -> PerBatch:
    """The same loss, but for rounding, as lanes should compute it."""
    return cross_entropy if loss is functional.cross_entropy else loss


def cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    """`functional.cross_entropy` at its defaults: outputs ``(b, classes, ...)``, labels ``(b, ...)``.

    vmap takes PyTorch's own apart in Python at every step, and imports sympy for it the first time.
    """
    if y.is_floating_point():  # probabilities
        return functional.cross_entropy(outputs, y)
    counted = y != IGNORED
    labels = torch.where(counted, y, 0)
    chosen = functional.log_softmax(outputs, 1).gather(1, labels.unsqueeze(1)).squeeze(1)
    return -torch.where(counted, chosen, 0.0).sum() / counted.sum()
