"""The figures: one file a figure, its plain data beside its drawing.

May import facts. A panel is drawn as static SVG on the first screen, a figure by Plotly further down.
"""

from __future__ import annotations

from collections.abc import Callable

from ...search import SearchResult
from .compared import loss_panel, lr_panel
from .paired import paired_panel
from .panel import Panel
from .response import response_panel

PANELS: dict[str, Callable[[SearchResult], Panel | None]] = {
    "lr": lr_panel,
    "paired": paired_panel,
    "loss": loss_panel,
    "response": response_panel,
}
"""The four panels of the first screen by name, in the order of reading; None where there is nothing to show."""
