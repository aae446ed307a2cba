"""The report: one HTML file that needs no network and holds everything a search has to show."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shlex
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ...search import SearchResult, duration
from ...search.results.importance import NOTED_FROM, importance
from ..export._files import replace_file
from ..facts import rows, spending, tables
from ..facts.answer import answer
from ..facts.curves import phases
from ..facts.early_epochs import early_orders
from ..facts.marks import recommended
from ..facts.numbers import cell, num, param
from ..facts.probe import probe_sentences
from ..facts.transfer import longer
from ..figures import PANELS, figures_of
from ..figures.base_lr import wall
from ..figures.contenders import contenders
from ..figures.panel import NARROW, WIDE, svg
from ..figures.parameters import parameters
from ..figures.probe import probe_panel
from ..figures.response import close_range
from ..figures.theme import DARK, OUTCOMES, RANKS, STARTING, SYMBOLS, Figure, family_color, family_symbol
from ..figures.transfer import longer_panel
from ..figures.waterfall import waterfall


class Drawn(NamedTuple):
    """A panel as drawn for a wide and for a narrow page."""

    title: str
    note: str
    wide: Markup
    narrow: Markup


def write_report(
    result: SearchResult,
    path: str | os.PathLike[str],
    *,
    code: str = "",
    notes: Sequence[str] = (),
) -> Path:
    """Write the report of a search; an older one is replaced in one go.

    Args:
        result: The search.
        path: The HTML file; its folder is made.
        code: Python that builds the recommended scheduler, to be shown and copied.
        notes: Further sentences for the answer.

    Returns:
        The path.

    Raises:
        OSError: It cannot be written; an older one is as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not target.is_file():  # a device or a pipe must not be replaced by a file
        target.write_text(report_html(result, code=code, notes=notes), encoding="utf-8")
        return target
    return replace_file(target, report_html(result, code=code, notes=notes))


def report_html(result: SearchResult, *, code: str = "", notes: Sequence[str] = ()) -> str:
    """The whole page as text; see `write_report`."""
    figures = figures_of(result)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            **_content(result, figures),
            code=code,
            notes=tuple(notes),
            payload=_json({"figures": figures, "dark": DARK}),
            plotly=Markup(_plotly()),
        )
    )


def report_panels(result: SearchResult) -> dict[str, Drawn]:
    """The panels by name, as SVG: the first screen, longer trainings, the probe; empty ones are left out."""
    drawers = {**PANELS, "longer": longer_panel, "probe": probe_panel}
    panels = {name: panel(result) for name, panel in drawers.items()}
    return {
        name: Drawn(p.title, p.note, Markup(svg(p, WIDE)), Markup(svg(p, NARROW)))
        for name, p in panels.items()
        if p is not None
    }


def _content(result: SearchResult, figures: dict[str, Figure]) -> dict[str, Any]:
    best = recommended(result)
    schedule = best.schedule if best is not None else None
    return {
        "result": result,
        "best": best,
        "answer": answer(result),
        "figures": figures,
        "waterfall": waterfall(answer(result).headline.gain, result),
        "panels": report_panels(result),
        "contenders": contenders(result),
        "export": f"lrsearch export {shlex.quote(result.folder)}" if result.folder else "",
        "phases": phases(schedule, best.steps_per_epoch) if best is not None and schedule is not None else (),
        **_importance(result),
        "parameters": parameters(result),
        "drawn_parameters": [name.removeprefix("parameter-") for name in figures],
        "good": close_range(result),
        "wall": wall(result),
        "families": tables.families(result),
        "outcomes": spending.outcomes(result),
        "further": spending.further(result),
        "unspent": spending.unspent(result),
        "wall_seconds": spending.wall_seconds(result),
        "reasons": spending.reasons(result),
        "orders": early_orders(result),
        "longer": longer(result),
        "probe": probe_sentences(result),
        "rows": rows.trial_rows(result),
        "sessions": rows.sessions(result),
        "facts": rows.study_facts(result),
        "toml": rows.space_toml(result),
        "spark_size": (rows.SPARK_WIDTH, rows.SPARK_HEIGHT),
    }


def _importance(result: SearchResult) -> dict[str, Any]:
    """The shares of the shared parameters and the recommended family's own, and what the others have."""
    shares = importance(result) if len(result.ranking) >= NOTED_FROM else {}
    best = recommended(result)
    own = best.schedule.family if best is not None and best.schedule is not None else ""
    shown = {
        name: share for name, share in shares.items() if name.partition(".")[0] in (own, "params") or "." not in name
    }
    left = sum(shares.values()) - sum(shown.values())
    return {"importance": shown, "importance_left": left if left >= 0.005 else 0, "importance_from": NOTED_FROM}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__ or "lrsearch.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(num=num, param=param, cell=cell, duration=duration)
    environment.globals.update(
        family_color=family_color, family_symbol=family_symbol, symbols=SYMBOLS, ranks=RANKS, zip=zip
    )
    environment.globals.update(outcome_colors={**OUTCOMES, "starting": STARTING}, dark=DARK, asset=_asset)
    return environment


def _asset(name: str) -> Markup:
    """Our own CSS or JavaScript, put into the page as it is."""
    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))


def _json(value: object) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@lru_cache(maxsize=1)
def _plotly() -> str:
    """Plotly's JavaScript from the installed package, compressed: the page inflates it."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode("ascii")
