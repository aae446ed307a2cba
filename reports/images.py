"""The winning schedule beside its loss curves as a picture for slides, drawn by kaleido and a Chromium."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from ..errors import InputError, MissingPartError
from ..search import SearchResult
from .facts.tables import num
from .figures.winner import Figure, text, winner_figure

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
WIDTH, HEIGHT, SCALE = 1280, 720, 2


def write_image(result: SearchResult, path: str | os.PathLike[str], kind: Literal["png", "svg"] = "png") -> Path:
    """Write the winner's lr and loss curves as a 1280 x 720 picture (PNG at twice the resolution).

    Args:
        result: The search.
        path: The file; its folder is made.
        kind: ``"png"`` or ``"svg"``.

    Returns:
        The path.

    Raises:
        InputError: `kind` is neither.
        MissingPartError: kaleido or a Chromium browser is not there.
        StudyError: No trial is complete.
    """
    if kind not in ("png", "svg"):
        raise InputError(f"an image is png or svg, got {kind!r}.")
    target = Path(path)
    data = _draw(slide(result), kind)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


def slide(result: SearchResult) -> Figure:
    """The winner's figure with a title and a white ground; raises `StudyError` without a winner."""
    best = result.best
    figure = winner_figure(result)
    assert figure is not None
    assert best.schedule is not None
    title = f"{text(best.schedule.describe())}<br><sub>{text(result.metric)} {num(best.value)}</sub>"
    figure["layout"] |= {
        "title": {"text": title, "x": 0.06, "y": 0.95},
        "font": {**figure["layout"]["font"], "size": 18},
        "margin": {"l": 110, "r": 40, "t": 110, "b": 70},
        "width": WIDTH,
        "height": HEIGHT,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
    }
    return figure


def _draw(figure: Figure, kind: str) -> bytes:
    try:
        import kaleido
        from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError
    except ImportError:
        raise MissingPartError("an image needs kaleido: pip install kaleido") from None
    # no mathjax: it would be fetched from the network
    options = {"mathjax": False, "path": find_browser()}
    try:
        return bytes(
            kaleido.calc_fig_sync(
                figure,
                opts={"format": kind, "width": WIDTH, "height": HEIGHT, "scale": SCALE if kind == "png" else 1},
                kopts={k: v for k, v in options.items() if v is not None},
            )
        )
    except ChromeNotFoundError:
        raise MissingPartError(
            "an image needs Chromium or Chrome, and none was found: install one (apt install chromium), "
            "or run kaleido_get_chrome."
        ) from None
    except (BrowserClosedError, BrowserFailedError) as error:
        raise MissingPartError(f"the browser that draws images did not start: {error}".split("\n")[0]) from None


def find_browser() -> str | None:
    """The system's Chromium or Chrome (or ``$BROWSER_PATH``); None leaves the search to kaleido."""
    named = os.environ.get("BROWSER_PATH")
    return named or next((found for name in BROWSERS if (found := shutil.which(name))), None)
