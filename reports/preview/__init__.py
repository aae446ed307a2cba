"""Previews: any family's curve for several values of its parameters, without training anything.

May import facts and figures; those only to write the page, as curves in a terminal should be there at once.
Change it without asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...spaces import Schedule
from .variants import GALLERY, variants

if TYPE_CHECKING:
    from ...search import Probe

__all__ = ["GALLERY", "variants", "write_finder", "write_preview"]


def write_finder(probe: Probe, metric: str, path: Path, *, title: str, toml: str = "") -> Path:
    """One HTML page with a probe's figure, what it tells, and TOML to copy.

    Raises:
        InputError: The file cannot be written.
    """
    from .finder import write_finder

    return write_finder(probe, metric, path, title=title, toml=toml)


def write_preview(groups: Mapping[str, Mapping[str, Schedule]], path: Path, steps_per_epoch: int = 20) -> Path:
    """One HTML page with the curves of each group of labelled schedules, and sliders for the family's parameters.

    Raises:
        InputError: The file cannot be written.
    """
    from .page import write_page

    return write_page(groups, path, steps_per_epoch)
