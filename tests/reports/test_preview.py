"""The preview: its curves and sliders, and the page in a real browser."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from pages import Page

from lrsearch.reports.preview import GALLERY, variants, write_preview
from lrsearch.reports.preview.sliders import IMPOSSIBLE, MOST, POINTS, SCALE, sliders
from lrsearch.spaces import FAMILIES, Schedule


def gallery(path: Path) -> Path:
    groups = {family: variants(family, values, horizon=150, interval="step") for family, values in GALLERY}
    return write_preview(groups, path)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sliders_hold_the_schedule_that_was_asked_for(family: str) -> None:
    given = Schedule(family, 0.1, 20, {p.name: p.usual(20) for p in FAMILIES[family].params if not p.opt_in})
    preview = sliders([given])
    if preview is None:
        assert not FAMILIES[family].params
        return
    curves = np.frombuffer(base64.b64decode(preview.curves), "<u2").reshape(-1, POINTS)
    assert len(curves) == np.prod([len(s.labels) for s in preview.sliders]) <= MOST
    row = 0
    for s in preview.sliders:
        row = row * len(s.labels) + s.start
    assert curves[row][0] != IMPOSSIBLE
    steps = round(4 * POINTS / 20)
    rates = given.curve(steps) / 0.1
    at = np.linspace(0, len(rates) - 1, POINTS).round().astype(int)
    assert curves[row] / SCALE == pytest.approx(rates[at], abs=1e-4)


def test_the_page_is_small_titled_and_whole(tmp_path: Path) -> None:
    path = gallery(tmp_path / "curves.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 1.5e6
    assert page.all("html", lang="en")
    assert any(a.get("name") == "viewport" for a in page.all("meta"))
    assert "Learning-rate schedules: exp, step, cosine, linear" in page.text
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
