"""Which range of base_lr suits an optimizer, by the name of its class."""

from __future__ import annotations

from ..errors import InputError
from .families import Range

BASE_LR = {
    "sgd": Range(1e-3, 1.0, log=True),
    "adam": Range(1e-5, 3e-2, log=True),
    "unit": Range(1e-2, 10.0, log=True),
}
"""The ranges by kind of optimizer.

Momentum SGD: 0.1 is the classic centre, divergence sets in around 1. Adagrad, whose steps shrink, and Rprop are
searched alike. Adam-type steps are normalised, and the customary 1e-4 to 1e-3 stands in the middle; small networks
take more. Adadelta, L-BFGS, Prodigy and D-Adaptation scale their steps themselves: 1 is their rate in PyTorch and in
their papers.
"""

_KINDS = {
    "unit": ("adadelta", "lbfgs", "prodigy", "dadapt"),
    "sgd": ("sgd", "adagrad", "rprop"),
    "adam": ("adam", "rmsprop", "adafactor", "lion", "lamb", "muon"),
}
"""Parts of class names in lower case; the first kind that fits counts, so that DAdaptAdam is no Adam."""


def base_lr_range(optimizer: str) -> Range:
    """The range for an optimizer's class name in any case, e.g. ``"adamw"``, ``"SGD"``, ``"AdamW8bit"``.

    Raises:
        InputError: Nothing is known of an optimizer of that name.
    """
    if (kind := _kind(optimizer)) is None:
        ranges = ", ".join(f"{name} ({BASE_LR[kind].low:g} to {BASE_LR[kind].high:g})" for name, kind in _ASKED.items())
        whose = f"for the optimizer {optimizer!r}" if optimizer else "since nothing says which optimizer trains"
        raise InputError(
            f"no range of base_lr is known {whose}: take that of another one with "
            f"--optimizer, {ranges}, or give base_lr in a --space file."
        )
    return BASE_LR[kind]


def is_known(optimizer: str) -> bool:
    """Whether `base_lr_range` has a range for it."""
    return _kind(optimizer) is not None


def _kind(optimizer: str) -> str | None:
    name = optimizer.lower()
    return next((kind for kind, parts in _KINDS.items() if any(part in name for part in parts)), None)


_ASKED = {"sgd": "sgd", "adamw": "adam"}
