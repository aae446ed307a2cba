"""Running out of memory: told from other errors, and where a copy is kept so that it loses nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MARGIN = 2
"""A copy stays on the device if so many of them fit beside the busiest moment so far."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the host had no more memory.

    The error that comes out of a graph's capture may only follow from the one that says so; hence the whole chain is
    looked at.
    """
    seen: list[BaseException] = []
    while error not in seen:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__ or error
    return False


def backup_device(device: str, tensors: Sequence[Tensor], *, known: bool) -> str:
    """Where to copy tensors of `device` to: to itself where there is room, which is many times as fast, else the host.

    Args:
        device: A torch device.
        tensors: What is copied.
        known: Whether work of this size was done before, so that the busiest moment so far tells what it needs.
    """
    if torch.device(device).type != "cuda" or not known:
        return "cpu"
    free, _ = torch.cuda.mem_get_info(device)
    room = free + torch.cuda.memory_reserved(device) - torch.cuda.max_memory_allocated(device)
    return device if room > MARGIN * sum(t.numel() * t.element_size() for t in tensors) else "cpu"
