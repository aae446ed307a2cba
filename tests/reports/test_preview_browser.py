"""The preview's page in a real browser: its sliders, and what axe says."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsers import NEEDS, Show

from lrsearch.reports.preview import GALLERY, variants, write_preview

pytestmark = [*NEEDS, pytest.mark.slow]


def gallery(path: Path) -> Path:
    groups = {family: variants(family, values, horizon=150, interval="step") for family, values in GALLERY}
    return write_preview(groups, path)


def test_a_slider_moves_the_curve_and_is_read_out(show: Show, tmp_path: Path) -> None:
    page = show(gallery(tmp_path / "curves.html"))
    box = page.locator("[data-group]").first
    line = box.locator("path.curve").first
    before = line.get_attribute("d")
    gamma = box.get_by_label("gamma")
    gamma.focus()
    page.keyboard.press("ArrowRight")
    assert line.get_attribute("d") != before
    said = gamma.get_attribute("aria-valuetext")
    assert said
    assert said in box.inner_text()
    box.get_by_label("base_lr").press("End")
    assert "Begins at 10," in box.locator(".note").inner_text()


@pytest.mark.parametrize("kind", ["light", "dark", "phone"])
def test_axe_finds_nothing_in_the_preview(show: Show, tmp_path: Path, kind: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")
    phone = {"width": 375, "has_touch": True, "is_mobile": True} if kind == "phone" else {}
    page = show(gallery(tmp_path / "p.html"), color_scheme="dark" if kind == "dark" else "light", **phone)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    violations = axe.Axe().run(page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in violations] == []
