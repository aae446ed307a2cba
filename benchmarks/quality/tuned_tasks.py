"""Small fine-tuning jobs: a model that was trained on one set of data goes on with a little of another."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lrsearch.objectives import TensorTask
from lrsearch.objectives.optimizer import described_optimizer
from lrsearch.objectives.recipe import Split


def fine_tune(
    name: str,
    model: Callable[[], nn.Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    before: Split,
    epochs_before: int,
    data: tuple[Split, Split],
    optimizer: str,
    batch_size: int,
    epochs: int,
    *,
    new_head: bool = False,
) -> TensorTask:
    """A job that begins with weights trained `before` by AdamW; with `new_head`, without those of the last layer."""
    trained = _trained(model, loss, before, epochs_before)

    def tuned() -> nn.Module:
        started = copy.deepcopy(trained)
        if new_head:
            last = [m for m in started.modules() if isinstance(m, nn.Linear)][-1]
            last.reset_parameters()
        return started

    train, val = data
    return TensorTask(
        tuned,
        described_optimizer(optimizer, 0.01 if optimizer == "adamw" else 5e-4),
        loss,
        (train.x, train.y),
        (val.x, val.y),
        batch_size=batch_size,
        epochs=epochs,
        name=name,
    )


def _trained(
    model: Callable[[], nn.Module], loss: Callable[[Tensor, Tensor], Tensor], data: Split, epochs: int
) -> nn.Module:
    order = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained = model()
    steps = epochs * (len(data.x) // 32)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=2e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(data.x), generator=order).split(32)[: len(data.x) // 32]:
            optimizer.zero_grad()
            loss(trained(data.x[rows]), data.y[rows]).backward()
            optimizer.step()
            falling.step()
    return trained
