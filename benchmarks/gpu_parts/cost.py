"""What the card can do, and what an epoch asks of it: launches, memory traffic, arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lrsearch.objectives.lanes import Lanes
from lrsearch.objectives.training import train
from lrsearch.spaces import Schedule

from .context import Context
from .jobs import Job

LAUNCHES = 200
MEBI = 2**20


@dataclass(frozen=True)
class Card:
    """What a device reaches in simple programs, measured here.

    Attributes:
        fp32: Floating-point operations a second of a large matrix product.
        bf16: The same in bfloat16.
        bandwidth: Bytes a second, read and written, of a large copy.
        launch: Seconds that the host needs to launch an operation that is next to nothing.
    """

    fp32: float
    bf16: float
    bandwidth: float
    launch: float


@dataclass(frozen=True)
class Cost:
    """What an epoch of one trial asks of the device, training and evaluation, as a share of all lanes' epoch.

    Attributes:
        launches: Operations that are launched for all lanes together.
        bytes: Bytes that operations of one lane read and write; those that a fused kernel keeps in registers count.
        flops: Floating-point operations of one trial.
    """

    launches: int
    bytes: float
    flops: float


def measure_card(context: Context) -> Card:
    """Run the simple programs."""
    side, elements = (512, MEBI) if not context.cuda else (8192, 256 * MEBI)

    def product(dtype: torch.dtype) -> float:
        a = torch.randn(side, side, device=context.device).to(dtype)
        return float(2 * side**3 / context.timed(lambda: a @ a, least=3, enough=0.2))

    source = torch.zeros(elements, device=context.device)
    target, one = torch.empty_like(source), torch.zeros(1, device=context.device)

    def launches() -> None:
        for _ in range(LAUNCHES):
            one.add_(1)

    copied = 8 * elements / context.timed(lambda: target.copy_(source), least=3, enough=0.2)
    launch = context.timed(launches, least=3) / LAUNCHES
    return Card(product(torch.float32), product(torch.bfloat16), copied, launch)


def measure_cost(job: Job, lanes: int, device: str) -> Cost:
    """Count what an epoch does, in `lanes` lanes and alone."""
    recipe, data = job.on(device)
    schedule = Schedule("constant", 1e-3, 1)
    pool = Lanes(recipe, data, device, lanes)
    for number in range(lanes):
        pool.put(number, schedule, seed=0, epochs=1)
    with _Traffic() as traffic:
        pool.run_epoch()
    with FlopCounterMode(display=False) as flops:
        next(train(recipe, data, schedule, epochs=1, seed=0, device=device))
    return Cost(traffic.launches, traffic.bytes / lanes, flops.get_total_flops())


class _Traffic(TorchDispatchMode):
    """Counts operations, and the bytes of the tensors that they take and give; views are free."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches, self.bytes = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.launches += 1
            tensors = [t for t in tree_leaves((args, kwargs, given)) if isinstance(t, Tensor)]
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return given
