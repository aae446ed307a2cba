"""Recommended, finalist, lowest in the search: every place names the right one of three different trials."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from results import contested, made_result
from rich.console import Console

from lrsearch.reports.dashboard.texts import lr_and_loss, noted, study_note, trial_note
from lrsearch.reports.export import export
from lrsearch.reports.facts import curves, rows, tables
from lrsearch.reports.facts.fresh_seeds import confirmed_rows, standing
from lrsearch.reports.facts.marks import all_marks, finalist, label, lowest_in_search, recommended, word
from lrsearch.reports.facts.verdict import checks_on_test_data, expected
from lrsearch.reports.figures.base_lr import base_lr_figure
from lrsearch.reports.figures.parameters import parameters
from lrsearch.reports.figures.ranked_curves import join, ranked_figure
from lrsearch.reports.terminal.json_output import print_json
from lrsearch.reports.terminal.summary import print_summary
from lrsearch.search import SearchResult

LOWEST, FINALIST, BASELINE, DROPPED = 4, 18, 0, 1
VERDICT = "fresh seeds"


@pytest.fixture(params=[(0.0, False), (0.05, False), (-0.05, False), (0.0, True), (0.05, True)])
def result(request: pytest.FixtureRequest) -> SearchResult:
    gap, maximize = request.param
    return contested(gap, maximize=maximize)


def chosen(result: SearchResult) -> int:
    """What the search recommends."""
    assert result.confirmation is not None
    return FINALIST if result.confirmation.word == "better" else BASELINE


def test_the_marks_are_three_trials_and_the_baselines(result: SearchResult) -> None:
    trials = [one(result) for one in (recommended, finalist, lowest_in_search)]
    assert [t.number for t in trials if t] == [chosen(result), FINALIST, LOWEST]
    assert all_marks(result)[LOWEST] == ("lowest_in_search",)
    assert all_marks(result)[BASELINE][-1] == "baseline"
    assert all_marks(result)[DROPPED] == ("baseline",)
    assert len(all_marks(result)) == 2 + len(result.baselines)


def test_the_lowest_is_called_the_highest_where_larger_is_better() -> None:
    assert label(contested(maximize=True), contested(maximize=True).trial(LOWEST)) == "highest in the search"
    assert label(contested(0.05), contested().trial(FINALIST)) == "recommended, finalist"


def test_families_are_behind_the_lowest_in_the_search_never_ahead_of_it(result: SearchResult) -> None:
    families = tables.families(result)
    sign = -1 if result.maximize else 1
    assert families[0].behind == 0
    assert families[0].trial == LOWEST
    assert all(sign * row.behind >= 0 for row in families if row.behind is not None)
    of = {t.number: t.schedule.family for t in result.trials if t.schedule}
    assert [row.family for row in families if row.recommended] == [of[chosen(result)]]


def test_the_recommended_trial_is_not_counted_as_close_to_itself() -> None:
    result = contested()
    best = result.best.value
    assert best is not None
    better = sum(t.value is not None and t.value <= 1.01 * best for t in result.ranking) - 1
    assert tables.close_calls(result) == better > 0


def test_curves_hold_the_recommended_the_finalist_and_the_lowest_each_once(result: SearchResult) -> None:
    roles = {c.number: c.role for c in curves.curves(result)}
    assert len(roles) == len(curves.curves(result))
    assert curves.curves(result)[0].number == chosen(result)
    assert roles[chosen(result)] == "recommended"
    assert roles[LOWEST] == "lowest_in_search"
    assert roles[FINALIST] in ("finalist", "recommended")


def test_parameters_tell_the_recommended_from_the_lowest(result: SearchResult) -> None:
    shared = parameters(result)[0]
    assert shared.recommended is not None
    assert shared.lowest is not None
    assert (shared.recommended.trial, shared.lowest.trial) == (chosen(result), LOWEST)
    assert shared.lowest_of_all
    own = [p for p in parameters(result) if "." in p.name and p.recommended is None]
    assert all(p.lowest is not None for p in own)


def test_the_thick_curve_is_the_recommended_one(result: SearchResult) -> None:
    figure = ranked_figure(result)
    schedule = result.trial(chosen(result)).schedule
    assert figure is not None
    assert schedule is not None
    thick = figure["data"][-1]
    assert (thick["x"], thick["y"]) == join([curves.lr_line(schedule, 20)])
    assert f"trial {chosen(result)}<" in thick["hovertemplate"]


def test_rings_in_the_base_lr_figure(result: SearchResult) -> None:
    figure = base_lr_figure(result)
    assert figure is not None
    rings = {t["name"]: t["customdata"] for t in figure["data"] if "customdata" in t}
    assert rings["recommended"] == [chosen(result)]
    assert rings[word("lowest_in_search", result)] == [LOWEST]


def test_rows_carry_their_marks(result: SearchResult) -> None:
    labels = {r.number: r.label for r in rows.trial_rows(result) if r.label}
    assert "recommended" in labels[chosen(result)]
    assert "in the search" in labels[LOWEST]
    assert len(labels) == len(all_marks(result))


def test_the_terminal_says_which_trial_is_which(result: SearchResult) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    print_summary(result, console)
    text = console.export_text()
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()[:2].strip().isdigit()}
    assert "recommended" in lines[str(chosen(result))]
    assert "in the search" in lines[str(LOWEST)]
    assert "finalist" in lines[str(FINALIST)]


def test_json_says_the_recommended_trial(result: SearchResult, capsys: pytest.CaptureFixture[str]) -> None:
    print_json(result)
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["best"]["number"] == said["confirmation"]["recommended"] == chosen(result)
    assert said["confirmation"]["finalist"] == FINALIST


def test_the_dashboards_notes_mark_the_trials(result: SearchResult) -> None:
    table = {line.split("|")[1].strip(): line for line in study_note(result).splitlines() if line.startswith("|")}
    assert "recommended" in table[str(chosen(result))]
    assert "in the search" in table[str(LOWEST)]
    assert "finalist" in table[str(FINALIST)]
    note = trial_note(result, result.trial(LOWEST), 1)
    assert "in the search" in note.splitlines()[0]
    assert f"recommends trial {chosen(result)}" in note
    assert result.best in noted(result)
    drawn = lr_and_loss(result)
    assert drawn is not None
    assert str(chosen(result)) in drawn["data"][0]["name"] or chosen(result) == BASELINE


@pytest.mark.parametrize("format", ["torch", "lightning"])
def test_code_of_a_trial_that_was_never_confirmed_claims_no_verdict(result: SearchResult, format: str) -> None:
    other = next(t for t in result.ranking if t.number not in (LOWEST, FINALIST) and not t.baseline)
    text = " ".join(export(other, result, format).replace("#", "").split())
    assert f"Trial {other.number} was not confirmed on fresh seeds. The search recommends trial" in text
    text = " ".join(export(result.trial(LOWEST), result, format).replace("#", "").split())
    assert f"Trial {LOWEST} was dropped after 2 selection seeds" in text
    assert "9 fresh seeds" not in text


def test_the_verdict_stands_by_the_recommended_trial_and_the_finalist(result: SearchResult) -> None:
    assert VERDICT in standing(result, result.best)
    assert "The search recommends" not in standing(result, result.best)
    assert VERDICT in standing(result, result.trial(FINALIST))
    assert ("The search recommends" in standing(result, result.trial(FINALIST))) == (chosen(result) != FINALIST)


def test_without_a_confirmation_the_lowest_is_recommended() -> None:
    made = made_result(30)
    assert recommended(made) is lowest_in_search(made) is made.best
    assert finalist(made) is None
    assert label(made, made.best) == "recommended, lowest in the search"
    assert standing(made, made.best) == ""


def test_the_finalist_at_a_lower_rate_is_confirmed_too() -> None:
    result = contested(0.05)
    confirmation, lower = result.confirmation, 6
    assert confirmation is not None
    again = [replace(t, confirms=lower) for t in confirmation.runs if t.confirms == FINALIST]
    safer = replace(
        confirmation, contest=replace(confirmation.contest, lower=(lower,)), every=(*confirmation.every, *again)
    )
    result = replace(result, confirmation=safer)
    assert result.best.number == lower
    assert VERDICT in standing(result, result.best)
    assert "not confirmed" not in standing(result, result.best)
    assert [(r.trial, r.role) for r in confirmed_rows(result)][:2] == [(FINALIST, "finalist"), (lower, "lower")]
    assert not any(t.contradicts for t in checks_on_test_data(contested(0.05, test_gap=0.02)))
    expectation = expected(result)
    assert expectation is not None
    assert (expectation.trial, expectation.seeds) == (lower, 9)
