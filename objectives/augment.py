"""Random changes of a batch of images, on its device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def shifted(x: Tensor, pixels: int, generator: torch.Generator, background: float = 0.0) -> Tensor:
    """Move each image of ``(b, channels, h, w)`` by up to `pixels` in both directions; `background` fills the gaps."""
    n, _, h, w = x.shape
    padded = functional.pad(x, (pixels,) * 4, value=background)
    shift = torch.randint(2 * pixels + 1, (2, n, 1), generator=generator, device=x.device)
    rows, columns = (s + torch.arange(size, device=x.device) for s, size in zip(shift, (h, w), strict=True))
    samples = torch.arange(n, device=x.device)[:, None, None]
    return padded[samples, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def mirrored(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror about half of the images of ``(b, channels, h, w)``, left to right."""
    chosen = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
    return torch.where(chosen, x.flip(3), x)
