"""What a job gives after an epoch, as numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ObjectiveError


def numbers_of(given: Any, name: str, remedy: str) -> dict[str, float]:
    """A single number counts as val_loss; a mapping must hold numbers (or one-element tensors) by name.

    Args:
        given: What the job gave.
        name: The job's name, for the error.
        remedy: What to write instead, for the error.

    Raises:
        ObjectiveError: It is no number, or there is none.
    """
    pairs = given if isinstance(given, Mapping) else {"val_loss": given}
    metrics: dict[str, float] = {}
    for key, value in pairs.items():
        try:
            if isinstance(value, (str, bytes)):
                raise TypeError
            metrics[str(key)] = float(value.detach() if hasattr(value, "detach") else value)
        except (TypeError, ValueError):
            raise ObjectiveError(f"{name} gave {value!r} as {key}, which is not a number: {remedy}.") from None
    if not metrics:
        raise ObjectiveError(f"{name} gave no metric: {remedy}.")
    return metrics
