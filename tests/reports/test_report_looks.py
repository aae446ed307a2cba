"""What a reader sees of the report: the first screen, paper, phones, the keyboard, and what axe says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from browsers import NEEDS, Show, all_drawn, drawn, whole_table
from results import contested, made_result

from lrsearch.search import SearchResult

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [*NEEDS, pytest.mark.slow]


def diverging() -> SearchResult:
    """A search in which every diverged trial has a long reason of its own."""
    made = made_result(40)
    reason = "train_loss rose to {}e+03 after epoch 2, far above the 2.303 that it began with"
    trials = [replace(t, reason=reason.format(t.number)) if t.outcome == "diverged" else t for t in made.trials]
    return replace(made, trials=tuple(trials))


def overflow(page: Page, selector: str) -> list[str]:
    """The elements that are wider than the page."""
    wider: list[str] = page.locator(selector).evaluate_all(
        "all => all.filter(e => e.offsetParent && e.getBoundingClientRect().right > innerWidth + 1)"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    return wider


@pytest.mark.parametrize("maximize", [False, True])
def test_the_first_screen_answers_without_scrolling(show: Show, maximize: bool) -> None:
    result = contested(0.05, maximize=maximize)
    page = show(result, height=800)
    assert result.best.schedule is not None
    heading = page.locator("#answer h2")
    assert result.best.schedule.family in heading.inner_text()
    assert page.locator("#answer .panel:visible").count() == 4
    bottom = page.locator("#answer .panels").bounding_box()
    assert bottom is not None
    assert bottom["y"] + bottom["height"] <= 800
    legend = page.locator("#answer .legend").inner_text()
    assert f"trial {result.best.number} (recommended)" in legend
    assert result.best.number != result.ranking[0].number


def test_the_recommended_row_and_marks_are_not_the_lowest_trial(show: Show) -> None:
    result = contested(0.05)
    page = show(result)
    whole_table(page)
    best = page.locator("#trial-table tr.best th")
    assert best.all_inner_texts() == [str(result.best.number)]
    figure = drawn(page, "base_lr")
    rings = figure.evaluate("f => Object.fromEntries(f.data.map(t => [t.name, t.customdata?.[0]]))")
    assert rings["recommended"] == result.best.number
    assert rings["lowest in the search"] == result.ranking[0].number


def test_a_diagonal_drag_zooms_the_epochs_and_leaves_the_rates(show: Show) -> None:
    page = show(made_result(30))
    figure = drawn(page, "explorer")
    place = "f => ['xaxis', 'yaxis', 'yaxis2'].map(a => f._fullLayout[a].range.slice())"
    before = figure.evaluate(place)
    box = figure.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 130, steps=5)
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('[data-figure=explorer]')._fullLayout.xaxis.range[0] > 0.5")
    after = figure.evaluate(place)
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_paper_shows_every_figure_whole_and_nothing_folded(show: Show) -> None:
    page = show(contested(0.05), width=1280)
    drawn(page, "explorer")  # Plotly is there
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = false; })")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 within its margins
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    widths = page.locator(".plot").evaluate_all("all => all.map(p => p.querySelector('svg')?.width.baseVal.value ?? 0)")
    assert all(0 < w <= 680 for w in widths)
    assert overflow(page, "main *:not(svg *):not(i)") == []
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function("() => document.querySelector('[data-figure=explorer] svg').width.baseVal.value > 1000")
    assert len(page.pdf(format="A4")) > 10_000


@pytest.mark.parametrize("width", [1280, 1920])
def test_the_trial_table_fits_with_long_reasons(show: Show, width: int) -> None:
    page = show(diverging(), width=width)
    whole_table(page)
    box = page.locator("#trials .scroll")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
    assert page.locator("#trials .reason").first.is_visible()


def test_narrow_tables_say_with_a_shadow_that_there_is_more(show: Show) -> None:
    page = show(contested(0.05), width=375, has_touch=True, is_mobile=True)
    box = page.locator("#evidence .scroll").first
    box.scroll_into_view_if_needed()
    assert "more-right" in str(box.get_attribute("class"))
    box.evaluate("b => { b.scrollLeft = b.scrollWidth; }")
    page.wait_for_function(
        "b => b.classList.contains('more-left') && !b.classList.contains('more-right')", arg=box.element_handle()
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_on_a_phone_the_gains_names_and_texts_stay_apart(show: Show) -> None:
    page = show(contested(0.05), width=375)
    texts = page.locator("#answer .waterfall span")
    texts.last.evaluate("e => e.append(' 95 % by base_lr, warm-up and a usual decay')")
    boxes = texts.evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(b => [b.left, b.right, b.top, b.bottom])"
    )
    assert len(boxes) >= 4
    for i, (left, right, top, bottom) in enumerate(boxes):
        assert right <= 375
        for other in boxes[:i]:
            assert left >= other[1] or right <= other[0] or top >= other[3] or bottom <= other[2]


def test_the_navigation_stays_and_follows_the_keyboard(show: Show) -> None:
    page = show(contested(0.05), height=800)
    nav = page.locator("nav.top")
    current = nav.locator("[aria-current]")
    assert current.all_inner_texts() == ["Answer"]
    page.keyboard.press("Tab")  # the link that skips to the answer
    names = []
    for _ in range(nav.locator("a").count()):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
    assert names[0] == "Answer"
    page.locator("nav.top a", has_text="How it went").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('nav.top [aria-current]').textContent == 'How it went'")
    assert page.locator("#how > details").get_attribute("open") is not None
    box = nav.bounding_box()
    assert box is not None
    assert (box["y"], box["height"]) == (0, 44)
    title = page.locator("#how h2").bounding_box()
    assert title is not None
    assert title["y"] >= 44


def test_a_click_on_a_point_shows_the_trials_row(show: Show) -> None:
    page = show(made_result(60))
    figure = drawn(page, "progress")
    point = figure.locator(".points path").last
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#trial-table tr.found")
    assert page.locator("#trial-table tr.found").is_visible()


@pytest.mark.parametrize("kind", ["light", "dark", "phone"])
def test_axe_finds_nothing_in_the_report(show: Show, kind: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    phone = {"width": 375, "has_touch": True, "is_mobile": True} if kind == "phone" else {}
    page = show(contested(0.05), color_scheme="dark" if kind == "dark" else "light", **phone)
    all_drawn(page)
    checked = axe.Axe().run(page)
    assert checked.response["passes"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in checked.response["violations"]] == []
