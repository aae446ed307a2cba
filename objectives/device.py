"""Which torch device to train on."""

from __future__ import annotations

from ..errors import InputError


def resolve_device(name: str) -> str:
    """``"auto"`` as ``"cuda"`` where there is one, else ``"cpu"``; other names are checked.

    Raises:
        InputError: torch does not know the device, or it is not there.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except Exception as error:  # RuntimeError, AssertionError or AcceleratorError, by torch version
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"the device {name!r} cannot be used ({reason}): try --device auto or cpu.") from None
    return name


def device_count(device: str) -> int:
    """How many devices of that kind a search may use: all GPUs for plain ``"cuda"``, else one."""
    import torch

    return max(1, torch.cuda.device_count()) if device == "cuda" else 1
