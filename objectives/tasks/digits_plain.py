"""The images of the task digits, unshifted and therefore few: luck decides more than the schedule."""

from __future__ import annotations

from dataclasses import replace

from .digits import TASK as DIGITS

TASK = replace(
    DIGITS,
    name="digits-plain",
    summary="the images of digits, not shifted: here the schedule hardly matters; no download",
    augment=None,
    revision=1,
)
