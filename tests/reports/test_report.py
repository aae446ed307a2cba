"""The report's page: whole and safe for every kind of search."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest
from pages import Page
from results import confirmed, contested, lr_trial, made_result, only, resumed

from lrsearch.errors import InputError, MissingPartError, StudyError
from lrsearch.reports.figures import figures_of
from lrsearch.reports.figures.comparison import lr_panel, spread
from lrsearch.reports.figures.contenders import contenders
from lrsearch.reports.figures.paired_differences import paired_panel
from lrsearch.reports.figures.panel import Dot, Text
from lrsearch.reports.figures.theme import DARK, OUTCOMES, RANKS, family_color, family_symbol
from lrsearch.reports.figures.timeline import timeline
from lrsearch.reports.page.page import report_html, write_report
from lrsearch.search import SearchResult
from lrsearch.spaces import FAMILIES, ScheduleSpace, default_space

EVIL = "<script>alert(1)</script>"


def page_of(result: SearchResult, code: str = "") -> Page:
    return Page(report_html(result, code=code))


def odd_results() -> dict[str, SearchResult]:
    made = made_result(20)
    trials = made.trials
    one_family = default_space("sgd", 10, families=("exp",))
    epoch = default_space("sgd", 10, interval="epoch")
    return {
        "ordinary": made_result(40),
        "one trial": made_result(1),
        "no trial": replace(made, trials=()),
        "none complete": replace(made, trials=tuple(replace(t, outcome="pruned") for t in trials)),
        "all diverged": made_result(20, wall=0.0),
        "all failed": only(*(lr_trial(i, 0.1, outcome="failed", reason="OSError: disk") for i in range(3))),
        "running": replace(made, trials=tuple(replace(t, outcome="running", value=None, ended=None) for t in trials)),
        "one family": made_result(20, space=one_family),
        "every family": made_result(60, space=ScheduleSpace(families=tuple(FAMILIES))),
        "per epoch": made_result(20, space=epoch),
        "one epoch": made_result(12, epochs=1),
        "maximize": made_result(20, metric="val_accuracy", maximize=True),
        "no schedule": replace(made, trials=(*trials, replace(trials[0], number=20, schedule=None, outcome="failed"))),
        "bare": replace(
            made,
            sessions=({},),
            trials=tuple(
                replace(t, started=None, ended=None, seconds=(), lr=(), metrics={}, params={}, steps_per_epoch=None)
                for t in trials
            ),
        ),
        "no sessions": replace(made, sessions=()),
        "resumed": resumed(),
        "confirmed": confirmed(),
        "contested": contested(0.05),
        "a confirmation run diverged": confirmed(1),
        "all of a baseline's diverged": confirmed(6),
        "negative values": replace(made, trials=tuple(replace(t, value=-1.0) for t in trials)),
        "zero values": replace(made, trials=tuple(replace(t, value=0.0) for t in trials)),
        "hostile": made_result(
            12,
            name=EVIL,
            metric="<b>loss</b>",
            sessions=({"command": f"lrsearch run {EVIL}", "note": EVIL, "versions": {EVIL: EVIL}},),
        ),
    }


ODD = odd_results()


@pytest.mark.parametrize("name", ODD)
def test_every_kind_of_search_gives_a_whole_page(name: str) -> None:
    page = page_of(ODD[name], code="lr = 0.1")
    titles = {a.get("id") for t, a in page.tags if t in ("h2", "section")}
    assert {"answer", "learned", "how", "trials", "again"} <= titles
    assert len(page.all("h1")) == 1
    assert all(a.get("aria-label") for a in page.all("div", role="img"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert "None" not in page.text
    assert "nan" not in page.text.replace("was nan", "")


@pytest.mark.parametrize("name", ODD)
def test_every_figure_is_one_that_plotly_accepts(name: str) -> None:
    figures = figures_of(ODD[name])
    for figure in figures.values():
        go.Figure(json.loads(json.dumps(figure, allow_nan=False)))
    drawn = {a.get("data-figure") for a in page_of(ODD[name]).all("div") if "data-figure" in a}
    assert drawn == set(figures)


def test_identifiers_are_unique_and_labels_point_somewhere() -> None:
    page = page_of(ODD["ordinary"])
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(ids)
    assert {str(a["href"])[1:] for a in page.all("a")} <= set(ids)


def test_the_answer_says_what_won_and_that_it_is_not_confirmed() -> None:
    result = made_result(40)
    text = page_of(result).text
    assert result.best.schedule is not None
    assert f"Use a {result.best.schedule.family} schedule" in text
    assert "not confirmed on fresh seeds" in text
    assert "than the best baseline" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no trial", "the study has no trials"),
        ("none complete", "no trial has trained to the end"),
        ("all diverged", "every trial diverged. Lower the range of base_lr"),
        ("all failed", "every trial failed"),
        ("one trial", "Too early to say: 1 trial, the untuned baseline."),
        ("resumed", "Session 2"),
    ],
)
def test_the_page_says_what_is_the_matter(name: str, text: str) -> None:
    assert text in page_of(ODD[name]).text


def test_text_of_users_is_shown_and_never_run() -> None:
    html = report_html(ODD["hostile"], code=EVIL)
    page = Page(html)
    assert EVIL not in html
    assert page.text.count(EVIL) >= 4
    assert "<b>loss</b>" not in html
    json.loads(page.data)


def test_the_page_asks_for_nothing_outside_itself() -> None:
    page = page_of(ODD["ordinary"])
    for _, attrs in page.tags:
        for name in ("src", "href", "action", "data"):
            assert (attrs.get(name) or "#").startswith(("#", "data:"))
    assert "connect-src" not in str(page.all("meta"))
    assert any("default-src 'none'" in str(a.get("content")) for a in page.all("meta"))


def test_runs_on_fresh_seeds_are_drawn_seed_by_seed() -> None:
    panel = paired_panel(contested(0.05))
    assert panel is not None
    dots = [m for m in panel.marks if isinstance(m, Dot)]
    assert [d.hover.partition(":")[0] for d in dots] == ["mean", *(f"seed {seed}" for seed in range(3, 12))]
    assert np.mean([d.x for d in dots[1:]]) == pytest.approx(dots[0].x)
    assert dots[0].x < 0 < panel.x.high
    assert any("searched better" in m.text for m in panel.marks if isinstance(m, Text))
    lost = paired_panel(confirmed(1))
    assert lost is not None
    assert "1 diverged" in lost.note
    assert paired_panel(confirmed(6)) is None


def test_the_first_screen_names_the_recommended_trial_and_its_rival() -> None:
    for gap, roles in ((0.05, ["recommended", "baseline"]), (0.0, ["recommended", "best searched"])):
        result = contested(gap)
        shown = contenders(result)
        assert shown[0].trial.number == result.best.number != result.ranking[0].number
        assert [c.name.rpartition("(")[2].rstrip(")") for c in shown] == roles
        assert len(shown[0].runs) == 9
        panel = lr_panel(result)
        assert panel is not None
        assert f"trial {result.best.number} (recommended)" in panel.alt


def test_the_loss_on_the_first_screen_is_the_mean_and_range_over_fresh_seeds() -> None:
    result = contested(0.05)
    best = contenders(result)[0]
    band = spread(best, result.metric)
    assert band is not None
    ends = [t.metrics[result.metric][-1] for t in best.runs]
    assert (band.low[-1], band.mean[-1], band.high[-1]) == pytest.approx((min(ends), np.mean(ends), max(ends)))


def test_the_hover_label_has_one_row_for_each_of_the_other_schedules() -> None:
    shown = [t for t in figures_of(made_result(40))["explorer"]["data"] if t.get("hoverinfo") != "skip"]
    others = [t for t in shown if t["meta"]["group"] in ("baseline", "top")]
    assert len(others) == len({t["meta"]["label"] for t in others}) > 3
    assert all("lr %{text}" in t["hovertemplate"] for t in others)
    assert [t["meta"]["group"] for t in shown].count("recommended") == 2  # its rate and its loss


def test_what_is_off_a_scale_is_a_triangle_at_the_bad_end_and_counted() -> None:
    for maximize in (False, True):
        values = [0.10, 0.11, 0.12, 0.13, 0.14, 5.0] if not maximize else [0.90, 0.89, 0.88, 0.87, 0.86, 0.1]
        trials = [lr_trial(i, 0.01 * (i + 1), value=v) for i, v in enumerate(values)]
        figure = figures_of(only(*trials, settings={**made_result(3).settings, "maximize": maximize}))["base_lr"]
        assert figure["layout"]["meta"]["off"] == 1
        (points,) = (t for t in figure["data"] if t["name"] == "exp")
        low, high = figure["layout"]["yaxis"]["range"]
        assert all(low <= y <= high for y in points["y"])
        assert points["marker"]["symbol"][-1] == ("triangle-down" if maximize else "triangle-up")
        assert points["y"][-1] == (min if maximize else max)(points["y"])
        assert points["text"][-1] == f"{values[-1]:.4g}"


def test_the_diverged_strip_is_at_the_bad_end() -> None:
    for maximize in (False, True):
        metric = "val_accuracy" if maximize else "val_loss"
        figure = figures_of(made_result(40, metric=metric, maximize=maximize))["base_lr"]["layout"]
        assert (figure["yaxis2"]["domain"][0] > figure["yaxis"]["domain"][0]) != maximize


def test_a_worker_that_starts_is_drawn_pale_and_only_before_its_first_trial() -> None:
    made = made_result(6)
    late = [replace(t, started=t.started and t.started - timedelta(seconds=3 * (t.number == 0))) for t in made.trials]
    chart = timeline(replace(made, trials=tuple(replace(t, seconds=(0.09,) * t.epochs) for t in late)))
    waits = [b.trained - b.start for b in chart.bars]
    assert waits[0] == pytest.approx(3, abs=0.1)
    assert waits[1:] == [0.0] * 5


def test_a_few_trials_have_no_figures() -> None:
    assert set(figures_of(made_result(1))) <= {"explorer", "timeline"}


def test_large_searches_stay_light() -> None:
    result = made_result(1000, epochs=100)
    html = report_html(result)
    assert len(html.encode()) < 10e6
    assert len(page_of(result).all("polyline")) == 1000
    for name, figure in figures_of(result).items():
        assert len(figure["data"]) <= 20, name


def test_a_real_search_has_a_page(digits_run: SearchResult, tmp_path: Path) -> None:
    path = write_report(digits_run, tmp_path / "deep" / "report.html", code="lr = 0.1")
    page = Page(path.read_text(encoding="utf-8"))
    assert "digits" in page.text
    assert len(page.all("tr")) > len(digits_run.trials)


def test_a_report_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_report(made_result(3), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_report_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    broken = replace(made_result(3), settings={})
    with pytest.raises(KeyError):
        write_report(broken, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_every_colour_of_a_figure_has_a_dark_counterpart() -> None:
    used = {*map(family_color, FAMILIES), *OUTCOMES.values(), *RANKS}
    assert used <= set(DARK)
    assert len({family_color(f) for f in FAMILIES}) == len({family_symbol(f) for f in FAMILIES}) == len(FAMILIES)


def test_colours_and_symbols_do_not_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(40):
        monkeypatch.setitem(FAMILIES, f"own_{i}", replace(FAMILIES["rex"], name=f"own_{i}"))
    assert len({family_color(f) for f in FAMILIES}) == len({family_symbol(f) for f in FAMILIES}) == len(FAMILIES)
    assert {family_color(f) for f in FAMILIES} <= set(DARK)


# Pictures.


def test_a_picture_needs_a_winner_kaleido_and_a_known_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lrsearch.reports.images import write_image

    with pytest.raises(StudyError, match="no complete trial"):
        write_image(ODD["all diverged"], tmp_path / "x.png")
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(MissingPartError, match="pip install kaleido"):
        write_image(ODD["ordinary"], tmp_path / "x.png")
    with pytest.raises(InputError, match="png or svg"):
        write_image(ODD["ordinary"], tmp_path / "x.gif", "gif")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"ends in \.png, got 'x\.jpg'"):
        write_image(ODD["ordinary"], tmp_path / "x.jpg")
    with pytest.raises(InputError, match="does not exist: make it"):
        write_image(ODD["ordinary"], tmp_path / "nowhere" / "x.png")


def test_the_slide_is_the_first_screen_and_needs_nothing_as_svg(tmp_path: Path) -> None:
    from lrsearch.reports.images import write_image

    result = contested(0.05)
    slide = write_image(result, tmp_path / "x.svg", "svg").read_text()
    root = ElementTree.fromstring(slide)
    assert [p.get("role") for p in root.iter("{http://www.w3.org/2000/svg}svg")][1:] == ["img"] * 4
    assert f"trial {result.best.number} (recommended)" in slide
