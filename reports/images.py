"""The first screen of the report as a picture for slides: SVG by itself, PNG through kaleido and a Chromium."""

from __future__ import annotations

import base64
import html
import logging
import os
import re
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ..errors import InputError, MissingPartError, StudyError
from ..search import SearchResult
from .facts.answer import answer
from .figures import PANELS
from .figures.contenders import contenders
from .figures.panel import Panel, svg
from .figures.theme import FONT, INK, MUTED, Figure

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
WIDTH, HEIGHT, SCALE = 1280, 720, 2
MARGIN, TOP, GAP = 48, 178, 40
"""Around the slide, above the panels, and between them."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may hold: control characters and halves of characters, as a stranger's names may."""
STYLE = (
    f"text{{font-family:{FONT}}}.panel text{{font-size:13px}}"
    ".s{stroke:var(--c);fill:none;stroke-linejoin:round}.f{fill:var(--c)}.band{opacity:.17}"
    ".panel .name{paint-order:stroke;stroke:#fff;stroke-width:3px}"
)


def write_image(result: SearchResult, path: str | os.PathLike[str], kind: Literal["png", "svg"] = "png") -> Path:
    """Write the four panels of the first screen as a 1280 x 720 picture (PNG at twice the resolution).

    Args:
        result: The search.
        path: The file; its name ends in `kind`.
        kind: ``"png"`` or ``"svg"``.

    Returns:
        The path.

    Raises:
        InputError: `kind` is neither, the name has another suffix, or the file cannot be written.
        MissingPartError: A PNG is wanted, and kaleido or a Chromium browser is not there.
        StudyError: No trial is complete.
    """
    target = _checked(Path(path), kind)
    picture = slide(result)
    data = picture.encode() if kind == "svg" else _rasterize(picture)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise InputError(f"{str(target)!r} cannot be written ({error.strerror}): choose another place.") from None
    return target


def _checked(target: Path, kind: str) -> Path:
    """The path, if a picture of that kind can stand there."""
    if kind not in ("png", "svg"):
        raise InputError(f"an image is png or svg, got {kind!r}.")
    if target.suffix.lower() != f".{kind}":
        raise InputError(f"the name of a {kind} image ends in .{kind}, got {target.name!r}.")
    if not target.parent.is_dir():
        raise InputError(f"the folder {str(target.parent)!r} does not exist: make it, or choose another place.")
    return target


def slide(result: SearchResult) -> str:
    """The slide as SVG, on a white ground; raises `StudyError` if no trial is complete."""
    schedule = result.best.schedule
    if schedule is None:
        raise StudyError(f"trial {result.best.number} has no schedule to draw.")
    lines = textwrap.wrap(answer(result).verdict, 130, max_lines=2, placeholder=" …")
    parts = [
        _write(MARGIN, 58, schedule.describe(), 28, INK, "600"),
        *(_write(MARGIN, 90 + 24 * i, line, 17, INK) for i, line in enumerate(lines)),
        *_legend(result),
        *_panels(result),
    ]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{ground}{"".join(parts)}</svg>'
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", drawn)


def _panels(result: SearchResult) -> list[str]:
    """The panels two by two, each below its title."""
    shown = [p for draw in PANELS.values() if (p := draw(result)) is not None]
    width, height = (WIDTH - 2 * MARGIN - GAP) // 2, (HEIGHT - TOP - 16) // 2
    parts = []
    for i, panel in enumerate(shown):
        x, y = MARGIN + (i % 2) * (width + GAP), TOP + (i // 2) * height
        parts += [_write(x, y, panel.title, 15, INK, "600"), _placed(panel, x, y + 6, width, height - 46)]
        parts.append(_write(x, y + height - 24, panel.note, 13, MUTED))
    return parts


def _placed(panel: Panel, x: int, y: int, width: int, height: int) -> str:
    return svg(panel, (width, height), f'x="{x}" y="{y}" width="{width}" height="{height}"')


def _legend(result: SearchResult) -> list[str]:
    parts, x = [], MARGIN
    for c in contenders(result):
        dash = f' stroke-dasharray="{c.dash}"' if c.dash else ""
        parts.append(f'<path d="M{x} 145h28" stroke="{c.color}" stroke-width="{c.width}"{dash}/>')
        parts.append(_write(x + 36, 150, c.name, 15, INK))
        x += 70 + 9 * len(c.name)
    return parts


def _write(x: int, y: int, text: str, size: int, color: str, weight: str = "400") -> str:
    style = f'font-size="{size}" font-weight="{weight}" fill="{color}"'
    return f'<text x="{x}" y="{y}" {style}>{html.escape(text)}</text>'


def _rasterize(picture: str) -> bytes:
    """The SVG as PNG: kaleido draws an empty figure that has it as its ground."""
    source = "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode("ascii")
    image = {"source": source, "xref": "paper", "yref": "paper", "x": 0, "y": 1, "sizex": 1, "sizey": 1}
    hidden = {"visible": False, "range": [0, 1]}
    layout: Figure = {"margin": dict.fromkeys("lrtb", 0), "xaxis": hidden, "yaxis": hidden, "images": [image]}
    return _draw({"data": [], "layout": {**layout, "width": WIDTH, "height": HEIGHT}})


def _draw(figure: Figure) -> bytes:
    try:
        import kaleido
        from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError
    except ImportError:
        raise MissingPartError("a PNG needs kaleido: pip install kaleido (--svg needs nothing).") from None
    # no mathjax: it would be fetched from the network
    options = {"mathjax": False, "path": find_browser()}
    try:
        with _quiet("choreographer"):
            return bytes(
                kaleido.calc_fig_sync(
                    figure,
                    opts={"format": "png", "width": WIDTH, "height": HEIGHT, "scale": SCALE},
                    kopts={k: v for k, v in options.items() if v is not None},
                )
            )
    except ChromeNotFoundError:
        raise MissingPartError(
            "a PNG needs Chromium or Chrome, and none was found: install one (apt install chromium), "
            "run kaleido_get_chrome, or use --svg, which needs none."
        ) from None
    except (BrowserClosedError, BrowserFailedError) as error:
        raise MissingPartError(f"the browser that draws images did not start: {error}".split("\n")[0]) from None


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Meanwhile that logger's warnings, as of a browser that ends slowly on a busy machine, are not shown."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def find_browser() -> str | None:
    """The system's Chromium or Chrome (or ``$BROWSER_PATH``); None leaves the search to kaleido."""
    named = os.environ.get("BROWSER_PATH")
    return named or next((path for name in BROWSERS if (path := shutil.which(name))), None)
