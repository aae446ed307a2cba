"""What a learning-rate finder found, as one HTML page in the report's own look, usable offline."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from ...errors import InputError
from ...search.results.probe import Probe
from ..facts.probe import found_sentences
from ..figures.panel import NARROW, svg
from ..figures.probe import drawn
from .page import WIDE, environment


def write_finder(probe: Probe, metric: str, path: Path, *, title: str, toml: str = "") -> Path:
    """One page with a probe's figure, what it tells, and a search space to copy.

    Args:
        probe: The probe.
        metric: What its runs were measured by.
        path: The HTML file.
        title: What was probed.
        toml: A search space with the range that was found, if it was.

    Raises:
        InputError: The file cannot be written.
    """
    panel = drawn(probe, metric, maximize=True)  # a logarithmic axis of losses would hide how steep they are
    page = (
        environment()
        .get_template("finder.html.j2")
        .render(
            title=title,
            sentences=found_sentences(probe, metric),
            panel=panel,
            wide=Markup(svg(panel, WIDE)) if panel else "",
            narrow=Markup(svg(panel, NARROW)) if panel else "",
            toml=toml,
        )
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written ({error.strerror}): choose another place.") from None
    return path
