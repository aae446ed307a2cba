"""Notes: what is written is what is read, in today's format and in the first one; what a stranger wrote is refused."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrsearch.cli import main
from lrsearch.errors import StudyError
from lrsearch.search.notes.contest import Contest, Look
from lrsearch.search.notes.ending import NotedResponse, Response, Shares
from lrsearch.search.notes.fields import Notes
from lrsearch.search.notes.study import Limit, SessionNotes, Settings, StudyNotes
from lrsearch.search.notes.trial import Signature, TrialLog, TrialNotes

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "journal.log.gz"

text, whole = st.text(min_size=1), st.integers(-(2**40), 2**40)
number = st.floats(allow_nan=False, allow_infinity=False)
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | whole | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
)
attributes = st.dictionaries(text, anything, min_size=1, max_size=3)
wholes = st.lists(whole, max_size=4).map(tuple)


def rest(*taken: str) -> st.SearchStrategy[dict[str, Any]]:
    """Further attributes, under names of their own."""
    return st.dictionaries(text.filter(lambda name: name not in taken), anything, max_size=3)


contests = st.builds(
    Contest,
    after=whole,
    candidates=wholes,
    baselines=wholes,
    own=wholes,
    choosing=wholes,
    judging=wholes,
    looks=st.lists(st.builds(Look, whole, number), max_size=3).map(tuple),
    level=number,
    lower=wholes,
)
study_settings = st.builds(
    Settings,
    metric=text,
    maximize=st.booleans(),
    epochs=whole,
    seed=whole,
    space=attributes,
    job=rest("metric", "maximize", "epochs", "seed", "space"),
)
numbers = st.lists(number, min_size=1, max_size=4).map(tuple)
NOTES = st.one_of(
    st.builds(
        TrialNotes,
        schedule=st.none() | attributes,
        baseline=st.none() | text,
        seed=st.none() | whole,
        confirms=st.none() | whole,
        repeats=st.none() | whole,
        crashes=st.none() | whole,
        owner=attributes,
        lease=st.none() | number,
        grant=st.none() | whole,
        outcome=text,
        reason=text,
        log=attributes,
    ),
    st.builds(Signature, text, text, whole, number, number, number, st.none() | whole, st.none() | text),
    st.builds(
        TrialLog,
        device=text,
        worker=st.none() | whole,
        steps_per_epoch=st.none() | whole,
        optimizer=st.none() | attributes,
        metrics=st.dictionaries(text, st.lists(st.none() | number, max_size=4).map(tuple), max_size=3),
        lr=st.lists(number, max_size=4).map(tuple),
        seconds=st.lists(number, max_size=4).map(tuple),
        test=st.dictionaries(text, st.none() | number, max_size=3),
    ),
    st.builds(
        StudyNotes,
        settings=st.none() | study_settings,
        draws=st.lists(st.tuples(whole, whole), max_size=3).map(tuple),
        importance=st.none() | attributes,
        response=st.none() | attributes,
        closed=st.none() | st.booleans(),
        stop=st.none() | st.booleans(),
        contests=st.lists(contests, max_size=2).map(tuple),
    ),
    st.builds(
        SessionNotes,
        started=st.none() | number,
        budget=text,
        limit=st.none() | st.builds(Limit, st.sampled_from(["trials", "seconds", "epochs"]), number),
        deadline=st.none() | number,
        baseline=st.none() | attributes,
        trial_timeout=st.none() | number,
        engine=text,
        width=whole,
        why=text,
        sources=st.dictionaries(text, text, max_size=3),
        asked=st.fixed_dictionaries({"command": text, "versions": st.dictionaries(text, text, max_size=3)}),
    ),
    st.builds(Shares, whole, st.dictionaries(text, number, max_size=4)),
    st.builds(
        NotedResponse, attributes.filter(bool), whole, whole, st.builds(Response, *[numbers] * 4, number, numbers)
    ),
    contests,
)


@settings(deadline=None)
@given(NOTES)
def test_what_is_written_as_json_is_read_back(notes: Notes) -> None:
    assert type(notes).read(json.loads(json.dumps(notes.to_attrs()))) == notes


@pytest.mark.parametrize(
    ("kind", "attrs"),
    [
        (TrialNotes, {"schedule": "cosine"}),
        (TrialNotes, {"seed": 1.5}),
        (TrialNotes, {"crashes": True}),
        (TrialNotes, {"outcome": ["complete"]}),
        (TrialNotes, {"log": 3}),
        (TrialLog, {"metrics": {"val_loss": "low"}}),
        (TrialLog, {"lr": ["<b>"]}),
        (TrialLog, {"test": [0.5]}),
        (Signature, {"host": "here"}),
        (StudyNotes, {"settings": {"metric": "val_loss"}}),
        (StudyNotes, {"settings": {"metric": 3, "maximize": False, "epochs": 5, "seed": 0, "space": {}}}),
        (StudyNotes, {"draws": 3}),
        (StudyNotes, {"contests": [{"after": 3, "looks": [[3]]}]}),
        (SessionNotes, {"sources": ["train.py"]}),
        (SessionNotes, {"started": "today"}),
        (SessionNotes, {"limit": ["gpus", 3]}),
        (SessionNotes, {"limit": ["trials"]}),
        (SessionNotes, 0),
        (SessionNotes, ""),
    ],
)
def test_a_note_of_another_type_is_refused(kind: type[Notes], attrs: Any) -> None:
    with pytest.raises(StudyError, match="which lrsearch does not write"):
        kind.read(attrs)


def _without(name: str, attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in attrs.items() if k != name}


def golden() -> Iterator[tuple[bool, dict[str, Any]]]:
    """Every user attribute of the first stored format, and whether it is a trial's."""
    for line in gzip.decompress(GOLDEN.read_bytes()).decode().splitlines():
        entry = json.loads(line)
        if attrs := entry.get("user_attr"):
            yield "trial_id" in entry, attrs


def test_the_first_format_holds_nothing_that_is_not_read() -> None:
    trials = studies = sessions = 0
    for of_trial, attrs in golden():
        if of_trial:
            noted: Notes = (notes := TrialNotes.read(attrs))
            signed, log = notes.owner, {k: v for k, v in notes.log.items() if v not in ({}, None)}
            if signed:  # "since" was the time of a clock that people set; nothing reads it any more
                assert Signature.read(signed).to_attrs() == {**_without("since", signed), "taken": 0.0}
            assert notes.shown.to_attrs() == log
            trials += 1
        elif stored := SessionNotes.stored(attrs):
            (session,) = stored
            read = SessionNotes.read(session)
            assert read.asked.keys() > {"command", "python", "platform", "versions", "sampler", "confirm"}
            assert read.limit == ("trials", 30)
            sessions += 1
            continue
        else:
            noted = StudyNotes.read(attrs)
            studies += 1
        assert noted.to_attrs().keys() == attrs.keys()
    assert trials > 50
    assert studies > 1
    assert sessions > 0


STRANGE: list[tuple[str, object]] = [("log", "<b>"), ("schedule", 3), ("owner", {"pid": "all"}), ("seed", [1])]


@pytest.mark.parametrize(("name", "value"), STRANGE)
def test_a_report_of_a_study_that_a_stranger_changed_says_so_in_a_line(
    tmp_path: Path, name: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = gzip.decompress(GOLDEN.read_bytes()).decode().splitlines()
    last = max(i for i, line in enumerate(lines) if "user_attr" in line and "trial_id" in line)
    changed = {**json.loads(lines[last]), "user_attr": {name: value}}
    shutil.copy(GOLDEN.with_name("best.json"), tmp_path)
    (tmp_path / "journal.log").write_text("\n".join([*lines[:last], json.dumps(changed), *lines[last + 1 :]]) + "\n")
    assert main(["report", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "which lrsearch does not write" in said
    assert "Traceback" not in said


def test_attributes_are_named_in_the_notes_alone() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "search").rglob("*.py")
        for line in path.read_text().splitlines()
        if path.parent.name != "notes"
        and any(call in line for call in ('user_attrs.get("', 'user_attr("', 'user_attrs["'))
    ]
    assert named == []
