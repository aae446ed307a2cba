"""The figures: one file a figure, its plain data beside its drawing.

A panel is drawn as static SVG on the first screen, a figure by Plotly further down. May import facts. Figures may
change without asking, if somebody has looked at them.
"""

from __future__ import annotations

from collections.abc import Callable

from ...search import SearchResult
from .base_lr import base_lr_figure
from .comparison import loss_panel, lr_panel
from .explorer import explorer_figure
from .families import family_figure
from .paired_differences import paired_panel
from .panel import Panel
from .parameters import parameter_figures
from .progress import progress_figure
from .ranked_curves import ranked_figure
from .response import response_panel
from .stops import stops_figure
from .theme import Figure
from .timeline import timeline_figure

PANELS: dict[str, Callable[[SearchResult], Panel | None]] = {
    "lr": lr_panel,
    "paired": paired_panel,
    "loss": loss_panel,
    "response": response_panel,
}
"""The four panels of the first screen by name, in the order of reading; None where there is nothing to show."""

FIGURES: dict[str, Callable[[SearchResult], Figure | None]] = {
    "explorer": explorer_figure,
    "base_lr": base_lr_figure,
    "ranked": ranked_figure,
    "families": family_figure,
    "progress": progress_figure,
    "timeline": timeline_figure,
    "stops": stops_figure,
}
"""The figures further down by name; besides them, `parameter_figures` gives one for each parameter."""


def figures_of(result: SearchResult) -> dict[str, Figure]:
    """Every figure of the page by name; those with nothing to show are left out."""
    figures = {name: draw(result) for name, draw in FIGURES.items()}
    figures |= {f"parameter-{name}": figure for name, figure in parameter_figures(result).items()}
    return {name: figure for name, figure in figures.items() if figure is not None}
