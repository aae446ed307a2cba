"""Exported facts as JSON and YAML, and JSON read back, damaged or not."""

from __future__ import annotations

import json
import math
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from results import confirmed
from schedules import SCHEDULES, make_record, make_result, schedule_id

from lrsearch.errors import InputError
from lrsearch.reports.export import export, read_best
from lrsearch.spaces import Schedule

TEMPORARY = tempfile.TemporaryDirectory()


@pytest.mark.parametrize("schedule", SCHEDULES[::5], ids=schedule_id)
def test_json_is_read_back(tmp_path: Path, schedule: Schedule) -> None:
    record = make_record(schedule, params={"family": schedule.family}, reason="ok")
    path = tmp_path / "trial.json"
    path.write_text(export(record, make_result(record), "json"), encoding="utf-8")
    assert read_best(path) == record


def test_json_keeps_what_is_not_finite(tmp_path: Path) -> None:
    record = make_record(
        Schedule("exp", 0.3, 5), outcome="diverged", value=math.inf, metrics={"val_loss": (1.0, -math.inf)}
    )
    path = tmp_path / "trial.json"
    path.write_text(export(record, None, "json"))
    assert read_best(path) == record
    assert "Infinity" not in path.read_text()


def test_a_setting_of_a_job_that_is_not_finite_is_a_word_in_json() -> None:
    """As a bound of gradients that bounds nothing."""
    result = confirmed()
    told = json.loads(export(result.best, replace(result, settings={**result.settings, "clip": math.inf}), "json"))
    assert told["settings"]["clip"] == "Infinity"


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_test_metric_that_is_not_finite_is_none_in_json(odd: float) -> None:
    result = confirmed()
    assert result.confirmation
    runs = tuple(replace(run, test={"test_loss": odd}) for run in result.confirmation.every)
    odd_result = replace(result, confirmation=replace(result.confirmation, every=runs))
    told = json.loads(export(result.best, odd_result, "json"))
    assert {run["test"]["test_loss"] for run in told["confirmation"]["runs"] if run["test"]} == {None}


def test_yaml_has_the_same_facts() -> None:
    record = make_record(Schedule("step", 0.3, 5))
    result = make_result(record, name="no: 1e3 # yaml")
    assert yaml.safe_load(export(record, result, "yaml")) == json.loads(export(record, result, "json"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "null", '{"kind": "lrsearch trial"}', "[" * 10**5, '{"kind": "x"}', "\x00", "NaN"]
)
def test_junk_is_not_read_as_a_trial(tmp_path: Path, text: str) -> None:
    path = tmp_path / "junk.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"junk\.json"):
        read_best(path)


@given(st.data())
def test_a_damaged_file_is_an_input_error_or_a_trial(data: st.DataObject) -> None:
    facts = json.loads(export(make_record(Schedule("cosine", 0.3, 5)), None, "json"))
    junk = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
    facts[data.draw(st.sampled_from(sorted(facts)))] = data.draw(junk)
    path = Path(TEMPORARY.name) / "damaged.json"
    path.write_text(json.dumps(facts))
    with suppress(InputError):
        read_best(path)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_best(tmp_path / "none.json")
