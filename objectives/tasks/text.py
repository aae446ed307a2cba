"""The next character of Unicode's character names, which every Python knows: no download, a second a trial on a CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ...options import TaskOptions
from ..task import Task

if TYPE_CHECKING:
    from torch import nn

    from ..recipe import Split, Splits

CONTEXT, EMBEDDING, WIDTH = 12, 12, 128
TRAIN, HELD_OUT = 16_384, 4_096
SEED = 0
ALPHABET = "\n -0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHA256 = "03ce3aea0397e841afdbafb4f732c6cb6fdca0bdb370d0a9cdbdbdcae33a3ee3"
BY_RULE = ("CJK UNIFIED", "CJK COMPAT", "HANGUL SYLLABLE")
"""Beginnings of the names that are made by rule, from a number or a sound."""


def names() -> list[str]:
    """The 12,886 names of Unicode 3.2 that were given by hand, in the order of the characters.

    Python keeps this version of Unicode for internationalised domain names (RFC 3454), whatever later ones add.

    Raises:
        DataError: This Python has other names.
    """
    from unicodedata import ucd_3_2_0

    all_names = [ucd_3_2_0.name(chr(code), "") for code in range(0x110000)]
    all_names = [name for name in all_names if name and not name.startswith(BY_RULE)]
    digest = hashlib.sha256("\n".join(all_names).encode()).hexdigest()
    if digest != SHA256:
        raise DataError(
            f"this Python has other names for the characters of Unicode 3.2 (SHA-256 {digest[:8]}, "
            f"not {SHA256[:8]}): use CPython, or another task."
        )
    return all_names


def _load(options: TaskOptions) -> Splits:
    from ..recipe import Splits

    rng = np.random.default_rng(SEED)
    shuffled = names()
    shuffled = [shuffled[i] for i in rng.permutation(len(shuffled))]
    tenth = len(shuffled) // 10
    val, test, train = shuffled[:tenth], shuffled[tenth : 2 * tenth], shuffled[2 * tenth :]
    return Splits(
        _windows(train, options.subset or TRAIN, rng), _windows(val, HELD_OUT, rng), _windows(test, HELD_OUT, rng)
    )


def _windows(lines: Sequence[str], count: int, rng: np.random.Generator) -> Split:
    """`count` characters of the text ``(n,)``, and for each those before it, one-hot ``(n, CONTEXT, letters)``."""
    import torch
    from torch.nn import functional

    from ..recipe import Split

    codes = torch.tensor([ALPHABET.index(c) for c in "\n".join(lines)])
    windows = codes.unfold(0, CONTEXT + 1, 1)
    windows = windows[torch.from_numpy(rng.permutation(len(windows))[:count])]
    return Split(functional.one_hot(windows[:, :-1], len(ALPHABET)).float(), windows[:, -1].contiguous())


def _mlp() -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Linear(len(ALPHABET), EMBEDDING, bias=False),
        nn.Flatten(),
        nn.Linear(CONTEXT * EMBEDDING, WIDTH),
        nn.GELU(),
        nn.Linear(WIDTH, WIDTH),
        nn.GELU(),
        nn.Linear(WIDTH, len(ALPHABET)),
    )


TASK = Task(
    name="text",
    summary="next character of Unicode's character names, MLP over the 12 before, AdamW; no download",
    epochs=4,
    classes=len(ALPHABET),
    models={"mlp": _mlp},
    load=_load,
    batch_size=128,
    weight_decay=1e-2,
    optimizer="adamw",
    independent=False,
)
