"""The report in a real browser: it draws, links, sorts, filters and copies, and asks for nothing."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsers import CODE, NEEDS, Show, drawn, whole_table
from results import made_result

from lrsearch.errors import MissingPartError
from lrsearch.reports.images import write_image

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = NEEDS


def ranges(figure: Locator) -> list[list[float]]:
    """The epoch ranges that the lr plot and the loss plot show."""
    shown: list[list[float]] = figure.evaluate(
        "f => ['xy', 'xy2'].map(p => f._fullLayout._plots[p].xaxis.range.slice())"
    )
    return shown


def test_every_figure_is_drawn(show: Show) -> None:
    page = show(made_result(40))
    names = page.locator(".plot").evaluate_all("all => all.map(p => p.dataset.figure)")
    assert len(names) >= 10
    for name in names:
        assert drawn(page, name).locator("svg.main-svg").count() >= 1


def test_hovering_over_the_rate_shows_the_loss_of_the_same_epoch(show: Show) -> None:
    page = show(made_result(30))
    figure = drawn(page, "explorer")
    box = figure.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 80)
    page.mouse.move(box["x"] + 405, box["y"] + 85)
    page.wait_for_selector("[data-figure='explorer'] .hoverlayer text")
    text = " ".join(figure.locator(".hoverlayer text").all_text_contents())
    assert "epoch" in text
    assert "recommended, trial" in text
    assert "val_loss" in text


def test_zooming_the_rate_moves_the_loss_and_back(show: Show) -> None:
    page = show(made_result(30))
    figure = drawn(page, "explorer")
    before = ranges(figure)
    assert before == [[0, 10], [0, 10]]
    box = figure.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 105, steps=5)
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('[data-figure=explorer]')._fullLayout.xaxis.range[0] > 0.5")
    lr, loss = ranges(figure)
    assert lr == loss
    assert lr[1] < 9
    page.get_by_role("button", name="Reset zoom").click()
    page.wait_for_function("() => document.querySelector('[data-figure=explorer]')._fullLayout.xaxis.range[0] == 0")
    assert ranges(figure) == before


def test_switches_show_traces_and_change_the_scale(show: Show) -> None:
    page = show(made_result(30))
    figure = drawn(page, "explorer")
    visible = "f => f.data.filter(t => t.visible).length"
    before = figure.evaluate(visible)
    baselines = page.get_by_role("button", name="baselines", exact=True)
    baselines.click()
    assert baselines.get_attribute("aria-pressed") == "true"
    page.wait_for_function(f"() => ({visible})(document.querySelector('[data-figure=explorer]')) > {before}")
    page.get_by_role("button", name="log lr").press("Enter")
    page.wait_for_function("() => document.querySelector('[data-figure=explorer]')._fullLayout.yaxis.type == 'log'")
    page.get_by_role("button", name="log lr").press("Enter")
    page.wait_for_function("() => document.querySelector('[data-figure=explorer]')._fullLayout.yaxis.type == 'linear'")


def shown_trials(page: Page) -> list[int]:
    return [int(text) for text in page.locator("#trial-table tbody th").all_text_contents()]


def test_the_table_sorts_both_ways_with_missing_values_last(show: Show) -> None:
    result = made_result(30)
    page = show(result)
    whole_table(page)
    ranking = [t.number for t in result.ranking]
    assert shown_trials(page)[: len(ranking)] == ranking
    trial = page.locator("[data-sort=trial]")
    trial.click()
    assert shown_trials(page) == list(range(30))
    trial.click()
    assert shown_trials(page) == list(range(29, -1, -1))
    assert page.locator("th[aria-sort='descending']").inner_text().startswith("Trial")
    value = page.locator("[data-sort=value]")
    value.click()
    value.click()
    last = result.trial(shown_trials(page)[-1])
    assert last.outcome == "diverged"


def test_the_table_filters_by_word_outcome_and_family(show: Show) -> None:
    result = made_result(40)
    page = show(result)
    page.locator("#filter-outcome").select_option("pruned")
    whole_table(page)
    assert len(shown_trials(page)) == result.counts()["pruned"]
    family = next(t.schedule.family for t in result.trials if t.outcome == "pruned" and t.schedule)
    page.locator("#filter-family").select_option(family)
    trials = [result.trial(n) for n in shown_trials(page)]
    assert trials
    assert all(t.schedule and t.schedule.family == family and t.outcome == "pruned" for t in trials)
    page.locator("#filter-outcome").select_option("")
    page.locator("#filter-text").fill("base_lr complete")
    assert all(result.trial(n).outcome == "complete" for n in shown_trials(page))
    page.locator("#filter-text").fill("nothing has this")
    assert shown_trials(page) == []
    assert page.locator("#shown").inner_text() == "0 of 40 trials"


def test_a_long_table_shows_more_on_request(show: Show) -> None:
    page = show(made_result(200))
    assert len(shown_trials(page)) == 12
    page.get_by_role("button", name="Show 100 more").click()
    assert len(shown_trials(page)) == 112


def test_code_and_parameters_are_copied(show: Show) -> None:
    result = made_result(12)
    page = show(result, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the code of the recommended schedule").click()
    page.wait_for_function("() => document.getElementById('said').textContent == 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == CODE
    page.locator("[data-code]").first.click()
    page.wait_for_function("() => navigator.clipboard.readText().then(text => text.startsWith('Schedule('))")


def test_copying_works_without_the_clipboard_interface(show: Show) -> None:
    page = show(made_result(12), permissions=["clipboard-read"])
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.get_by_role("button", name="Copy the code of the recommended schedule").click()
    page.wait_for_function("() => document.getElementById('said').textContent == 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == CODE


@pytest.mark.parametrize("width", [320, 375, 768])
def test_the_page_never_scrolls_sideways(show: Show, width: int) -> None:
    page = show(made_result(40), width=width, has_touch=True, is_mobile=True)
    for name in page.locator(".plot").evaluate_all("all => all.map(p => p.dataset.figure)"):
        drawn(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_drawing_figures_shifts_nothing(show: Show) -> None:
    page = show(made_result(30))
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    before = page.evaluate("document.documentElement.scrollHeight")
    for name in page.locator(".plot").evaluate_all("all => all.map(p => p.dataset.figure)"):
        drawn(page, name)
    assert page.evaluate("document.documentElement.scrollHeight") == before


def test_figures_follow_a_change_to_dark_mode_and_print_in_light(show: Show) -> None:
    page = show(made_result(30), color_scheme="light")
    drawn(page, "explorer")
    ink = "getComputedStyle(document.querySelector('[data-figure=explorer] .xtick text')).fill"
    assert page.evaluate(ink) == "rgb(29, 35, 48)"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"() => {ink} == 'rgb(232, 235, 240)'")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(f"() => {ink} == 'rgb(29, 35, 48)'")
    page.wait_for_function("() => [...document.querySelectorAll('.plot')].every(p => p.dataset.drawn)")


def test_without_scripts_the_text_and_tables_remain(show: Show) -> None:
    result = made_result(60)
    page = show(result, java_script_enabled=False)
    assert page.locator("noscript p").is_visible()
    assert page.locator("#trial-table tbody tr").count() == 60
    assert not page.locator(".plot").first.is_visible()
    assert not page.get_by_role("button", name="Copy").first.is_visible()


def test_a_study_named_like_a_script_is_only_shown(show: Show) -> None:
    page = show(made_result(10, name="<script>alert(1)</script>", metric="<b>loss</b>"))
    assert page.locator("h1").inner_text() == "<script>alert(1)</script>"
    assert drawn(page, "base_lr").locator(".ytitle").text_content() == "<b>loss</b>"


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_the_winner_can_be_had_as_a_picture(tmp_path: Path, kind: str, start: bytes) -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    path = write_image(made_result(12), tmp_path / f"best.{kind}", kind)  # type: ignore[arg-type]
    data = path.read_bytes()
    assert data.startswith(start)
    if kind == "png":
        assert [int.from_bytes(data[i : i + 4], "big") for i in (16, 20)] == [2560, 1440]


def test_a_picture_comes_without_what_its_browser_says(tmp_path: Path) -> None:
    """To its end: some of it comes when the interpreter ends."""
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    code = (
        "import pickle, sys; from lrsearch.reports.images import write_image; "
        "write_image(pickle.load(open(sys.argv[1], 'rb')), sys.argv[2])"
    )
    kept, image = tmp_path / "result.pickle", tmp_path / "best.png"
    kept.write_bytes(pickle.dumps(made_result(5)))
    done = subprocess.run([sys.executable, "-c", code, kept, image], capture_output=True, text=True, timeout=120)
    assert image.exists()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_browser_that_ends_slowly_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kaleido = pytest.importorskip("kaleido", reason="kaleido is not installed")

    def drawn(*_: object, **__: object) -> bytes:
        logging.getLogger("choreographer.browser_async").warning("Resorting to unclean kill browser.")
        return b"\x89PNG"

    monkeypatch.setattr(kaleido, "calc_fig_sync", drawn)
    write_image(made_result(5), tmp_path / "best.png")
    assert not caplog.records
    logging.getLogger("choreographer.browser_async").warning("somebody else's browser")
    assert len(caplog.records) == 1


def test_a_picture_without_a_browser_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    with pytest.raises(MissingPartError, match="Chromium or Chrome"):
        write_image(made_result(5), tmp_path / "best.png")


def test_a_large_search_opens_quickly_and_stays_fluid(show: Show) -> None:
    page = show(made_result(1000, epochs=100))
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    assert painted < 15_000  # milliseconds, on a busy machine too
    drawn(page, "ranked")
    figure = drawn(page, "base_lr")
    assert figure.locator(".point").count() <= 1000
