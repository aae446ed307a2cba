"""The system's Chromium for tests: opens pages, and says what they asked for and complained about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lrsearch.reports.page.page import write_report
from lrsearch.search import SearchResult

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CODE = 'scheduler = CosineAnnealingLR(optimizer, T_max=10)  # <winner> & "quotes"\n'
NEEDS = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not there: apt install chromium"),
]
Show = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens the report of a search, or a page by its path; afterwards nothing was fetched or complained about."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_page(what: SearchResult | Path, *, width: int = 1280, height: int = 900, **context: object) -> Page:
        path = what if isinstance(what, Path) else write_report(what, tmp_path / "report.html", code=CODE)
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **context))  # type: ignore[arg-type]
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        asked.remove(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []


def drawn(page: Page, name: str) -> Locator:
    """A figure, scrolled to and drawn; what it is folded in is opened."""
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    figure = page.locator(f"[data-figure='{name}']")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector(f"[data-figure='{name}'][data-drawn]", timeout=120_000)
    return figure


def all_drawn(page: Page) -> None:
    """Every figure of the page is drawn."""
    for name in page.locator(".plot").evaluate_all("all => all.map(p => p.dataset.figure)"):
        drawn(page, name)


def whole_table(page: Page) -> None:
    """Shows every row of the trial table."""
    while page.locator("#more").is_visible():
        page.locator("#more").click()
