"""How much base_lr matters: what a search notes of it when it ends, and when a reader takes the note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from results import made_result

from lrsearch.search import SearchResult
from lrsearch.search.notes.ending import NotedResponse, Response
from lrsearch.search.results.response import noted_response, response


def reading(result: SearchResult) -> Response | None:
    return response(result, schedule) if (schedule := result.best.schedule) else None


def with_note(result: SearchResult, **changes: Any) -> SearchResult:
    """The result with a note in which these values stand instead; those of its curve by their own names."""
    note = noted_response(result)
    assert note is not None
    attrs = note.to_attrs()
    for name, value in changes.items():
        (attrs if name in attrs else attrs["curve"])[name] = value
    return replace(result, noted_response=NotedResponse.kept(attrs))


def test_the_note_is_taken_where_it_is_of_this_schedule_and_these_trials() -> None:
    result = made_result(40)
    marked = with_note(result, limit=123.0)
    assert reading(marked) == replace(reading(result), limit=123.0)  # type: ignore[type-var]
    other = next(t.schedule for t in result.ranking[1:] if t.schedule is not None)
    assert response(marked, other) == response(result, other)
    more = made_result(45)
    assert reading(replace(more, noted_response=marked.noted_response)) == reading(more)


@pytest.mark.parametrize(
    "changes",
    [
        {"complete": 3},
        {"diverged": 0},
        {"schedule": {"family": "cosine"}},
        {"mean": [0.1]},
        {"low": "<b>"},
        {"high": [float("nan")] * 49},
        {"base_lr": [0.1] * 49},
        {"base_lr": [], "mean": [], "low": [], "high": []},
        {"good": [0.1, 0.2, 0.3]},
        {"curve": None},
    ],
    ids=str,
)
def test_a_note_that_does_not_fit_is_left_aside(changes: Mapping[str, Any]) -> None:
    result = made_result(40)
    assert reading(with_note(result, **changes)) == reading(result)


def test_without_enough_trials_there_is_nothing_to_note() -> None:
    assert noted_response(made_result(5)) is None
    assert noted_response(made_result(0)) is None
