"""Datasets as tensors: torchvision's loaders for reading, one deterministic split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, MissingPartError
from ..options import TaskOptions
from .recipe import Split, Splits

SPLIT_SEED = 0


def torchvision_dataset(name: str, options: TaskOptions, *, train: bool) -> Any:
    """The torchvision dataset class `name`, read from the data folder."""
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        raise MissingPartError(
            f"torchvision cannot be imported beside this torch {torch.__version__} ({error}): "
            "install the torchvision build that belongs to it, or use the task digits."
        ) from None
    root = Path(options.data_dir)
    try:
        return getattr(datasets, name)(root=str(root), train=train, download=options.download)
    except RuntimeError:
        raise DataError(
            f"{name} was not found under {str(root.resolve())!r}: "
            "pass --data-dir FOLDER where it lies, or --download to fetch it."
        ) from None


def images_to_tensor(images: Tensor, mean: list[float], std: list[float]) -> Tensor:
    """``(n, h, w)`` or ``(n, h, w, 3)`` bytes to normalised float ``(n, channels, h, w)``."""
    x = images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)
    shape = (1, -1, 1, 1)
    return ((x.float() / 255 - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)).contiguous()


def split(x: Tensor, y: Tensor, held_out: int, subset: int = 0) -> tuple[Split, Split]:
    """A shuffled split into training data (the first `subset` of it) and `held_out` samples."""
    order = torch.from_numpy(np.random.default_rng(SPLIT_SEED).permutation(len(y)))
    train, held = order[:-held_out], order[-held_out:]
    train = train[:subset] if subset else train
    return Split(x[train], y[train]), Split(x[held], y[held])


def with_test(x: Tensor, y: Tensor, test: Split, held_out: int, subset: int) -> Splits:
    """Splits from training data and a test set that stands apart."""
    train, val = split(x, y, held_out, subset)
    return Splits(train, val, test)
