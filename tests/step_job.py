"""A training that has no epochs: it counts optimizer steps, and reports after every so many."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from lrsearch.objectives import Run

RATES: list[float] = []
"""The rates of the last training's optimizer steps."""


def objective(run: Run) -> Iterator[dict[str, float]]:
    RATES.clear()
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = run.scheduler(optimizer)
    for step in range(run.steps):
        train_step(model, optimizer)
        scheduler.step()
        if (step + 1) % run.every == 0:
            yield losses(model)


def pushes(run: Run) -> None:
    RATES.clear()
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = run.scheduler(optimizer)
    for step in range(1, run.steps + 1):
        train_step(model, optimizer)
        scheduler.step()
        if step % run.every == 0 and not run.report(step, **losses(model)):
            return


def losses(model: torch.nn.Module) -> dict[str, float]:
    known = torch.Generator().manual_seed(1)
    return {name: loss_of(model, known).item() for name in ("train_loss", "val_loss")}


def loss_of(model: torch.nn.Module, generator: torch.Generator | None = None) -> torch.Tensor:
    """Noisy enough that a rate which stays high does worse at the end."""
    x = torch.randn(16, 4, generator=generator)
    noise = 2 * torch.randn(16, 1, generator=generator)
    loss: torch.Tensor = (model(x) - x.sum(1, keepdim=True) - noise).square().mean()
    return loss


def train_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    RATES.append(optimizer.param_groups[0]["lr"])
    optimizer.zero_grad()
    loss_of(model).backward()
    optimizer.step()
