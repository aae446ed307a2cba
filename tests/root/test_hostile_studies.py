"""Studies that a stranger wrote: they are read or refused in a line, and none of their text becomes code.

``LRSEARCH_FUZZ_STUDIES=100000`` sets the number of studies; failures are minimised.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strangers import MARK, lines, look_at_all, whole

import lrsearch
from lrsearch.errors import LrsearchError, StudyError
from lrsearch.run_folder import load
from lrsearch.search import SearchResult

CASES = int(os.environ.get("LRSEARCH_FUZZ_STUDIES", "100"))
EVIL = (
    '"""',
    "'''",
    "</script>",
    "<script>",
    "<img src=x onerror=alert(1)>",
    "<!--",
    "]]>",
    "&lt;",
    "javascript:alert(1)",
    "{{7*7}}",
    "{% raw %}",
    "${1}",
    "{0.__class__}",
    "%s",
    "\\",
    "\n",
    "\r",
    "\0",
    "\x0c",
    "\x1b[2J",
    "\x85",
    "\u2028",
    "\u2029",
    "\ud800",
    "#",
    "'",
    '"',
    "`",
    "|",
    "../",
    "\nimport os\n",
    "__import__('os').abort()",
)
text = st.one_of(
    st.lists(st.sampled_from(EVIL), min_size=1, max_size=5).map(lambda parts: MARK + "".join(parts) + MARK),
    st.sampled_from(["", " ", MARK * 2000, "exp", "family", "nan", "1e999"]),
    st.text(max_size=8),
)
number = st.one_of(
    st.sampled_from([0, -1, 1, 2**31, 2**63, 10**12, 10**400, 1e308, -1e308, 5e-324, 0.5]),
    st.floats(),
    st.integers(-3, 10**6),
)
leaf = st.one_of(text, number, st.none(), st.booleans())
value = st.one_of(
    leaf,
    st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=5
    ),
    st.integers(1, 900).map(lambda depth: json.loads("[" * depth + "]" * depth)),
    st.tuples(number, st.integers(0, 3000)).map(lambda pair: [pair[0]] * pair[1]),
)


class Logs(list[Any]):
    """The lines of a journal, and what was done to them, which is all that is shown of them."""

    def __init__(self, logs: list[Any], edits: list[Any]) -> None:
        super().__init__(logs)
        self.edits = edits

    def __repr__(self) -> str:
        return repr([f"{edit!r:.300}" for edit in self.edits])


@st.composite
def hostile(draw: st.DrawFn) -> Logs:
    """A journal in which words are renamed throughout, values and names replaced, and lines lost, doubled or moved."""
    base, edits = draw(st.sampled_from(["begun", "begun", "begun", "whole"])), list[Any]()
    logs: list[Any] = [json.loads(line) for line in lines(base)]
    for _ in range(draw(st.integers(0, 2))):
        old = draw(st.sampled_from(["golden", "val_loss", "train_loss", "cpu", "digits", "sgd", "constant", "single"]))
        new = draw(text)
        logs = renamed(logs, old, new)
        edits.append((old, new))
    for _ in range(draw(st.integers(0, 5))):
        edits.append(replace_one(draw, logs))
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(logs) - 1))
        logs.insert(draw(st.integers(0, len(logs))), logs[at] if draw(st.booleans()) else logs.pop(at))
    return Logs(logs, [base, *edits])


def renamed(node: Any, old: str, new: str) -> Any:
    if isinstance(node, dict):
        return {renamed(k, old, new): renamed(v, old, new) for k, v in node.items()}
    if isinstance(node, list):
        return [renamed(v, old, new) for v in node]
    return new if node == old else node


def replace_one(draw: st.DrawFn, logs: list[Any]) -> list[Any]:
    """Replace one value or one name, somewhere, or add one; returns where and by what."""
    at: Any = logs
    way: list[Any] = []
    while True:
        keys = [k for k in at if k not in ("op_code", "worker_id")] if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return way
        key = draw(st.sampled_from(keys))
        way.append(key)
        if isinstance(at[key], (dict, list)) and at[key] and (at is logs or draw(st.integers(0, 4))):
            at = at[key]
            continue
        match draw(st.integers(0, 5)):
            case 0 if isinstance(at, dict):
                way.append(new := draw(text))
                at[new] = at.pop(key)
            case 1 if isinstance(at, dict):
                at[draw(text)] = draw(value)
            case 2:
                at.pop(key)
            case _:
                at[key] = new = draw(value)
                way.append(new)
        return way


def test_what_a_stranger_may_not_write_is_known(tmp_path: Path) -> None:
    """The base of the others: the study as it is can be read by all of them."""
    for name in ("begun", "whole"):
        look_at_all([json.loads(line) for line in lines(name)])


@pytest.mark.parametrize("old", ["golden", "val_loss"])
def test_a_name_that_is_no_text_in_utf_8_breaks_no_reader(old: str) -> None:
    logs = [json.loads(line) for line in lines("begun")]
    look_at_all(renamed(logs, old, f"{MARK}\ud800"))


def test_a_finished_trial_without_a_value_is_refused(tmp_path: Path) -> None:
    logs = [json.loads(line) for line in lines("begun")]
    next(log for log in logs if log.get("values"))["values"] = []
    (tmp_path / "journal.log").write_text("".join(json.dumps(log) + "\n" for log in logs))
    with pytest.raises(StudyError, match="values that are no numbers"):
        load(tmp_path)


@pytest.mark.parametrize(
    "space", [{}, {"toml": "", "horizon": "long"}, {"toml": 3, "horizon": 5}, {"horizon": 5, "x": 1}]
)
def test_a_space_that_another_program_wrote_is_refused(space: dict[str, Any]) -> None:
    logs = whole()
    for log in logs:
        if "settings" in log.get("user_attr", ()):
            log["user_attr"]["settings"]["space"] = space
    look_at_all(logs)


def test_studies_without_a_direction_break_no_reader() -> None:
    logs = whole()
    for log in logs:
        if "directions" in log:
            log["directions"] = []
    look_at_all(logs)


@pytest.mark.parametrize("rate", [0, -1.0, 1e300])
def test_a_rate_outside_of_its_range_breaks_no_reader(rate: float) -> None:
    logs = [json.loads(line) for line in lines("begun")]
    rates = [log for log in logs if log.get("param_name") == "base_lr"]
    assert rates
    for log in rates:
        log["param_value_internal"] = rate
    look_at_all(logs)


@pytest.mark.parametrize("step", [5.0, 10**18, 1e300])
def test_a_report_of_an_epoch_that_is_none_breaks_no_reader(step: float) -> None:
    logs = [json.loads(line) for line in lines("begun")]
    next(log for log in logs if "intermediate_value" in log)["step"] = step
    look_at_all(logs)


def test_a_study_without_a_length_is_refused(tmp_path: Path) -> None:
    logs = whole()
    for log in logs:
        log.get("user_attr", {}).get("settings", {}).pop("epochs", None)
    with pytest.raises(StudyError, match="has trainings of None reports"):
        loaded(logs, tmp_path)


def test_a_trial_of_another_length_is_refused(tmp_path: Path) -> None:
    logs = whole()
    a_schedule(logs)["horizon"] += 1
    with pytest.raises(StudyError, match=r"has a schedule for \d+ epochs, the space for \d+"):
        loaded(logs, tmp_path)


def test_a_value_without_end_makes_no_line_without_end(tmp_path: Path) -> None:
    logs = whole()
    a_schedule(logs)["warmup"] = [2**63] * 3000
    with pytest.raises(LrsearchError, match="not a schedule: warmup must be at least 0") as raised:
        loaded(logs, tmp_path)
    assert len(str(raised.value)) < 1000


def a_schedule(logs: list[Any]) -> dict[str, Any]:
    """The schedule of the journal's first trial, as it stands there."""
    return next(log["user_attr"]["schedule"] for log in logs if "schedule" in log.get("user_attr", ()))


def loaded(logs: list[Any], folder: Path) -> SearchResult:
    """The study of a journal of these lines."""
    (folder / "journal.log").write_text("".join(json.dumps(log) + "\n" for log in logs))
    result: SearchResult = load(folder)
    return result


@pytest.mark.parametrize("name", ["values", "param_value_internal", "started", "seconds"])
@pytest.mark.parametrize("number", [1.7e308, -1.7e308, 10**400, 5e-324], ids=["large", "low", "integer", "small"])
def test_a_number_at_the_end_of_what_a_computer_knows_breaks_no_reader(name: str, number: float) -> None:
    logs = whole()
    put(logs, name, number)
    look_at_all(logs)


def put(at: Any, name: str, number: Any) -> None:
    """Write a number over all of that name, or something else."""
    for key in at if isinstance(at, dict) else range(len(at)):
        if key == name and at[key]:
            at[key] = [number] * len(at[key]) if isinstance(at[key], list) and number != [] else number
        elif isinstance(at[key], (dict, list)):
            put(at[key], name, number)


@pytest.mark.slow
@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=CASES <= 100,
    print_blob=True,
)
@given(hostile(), st.sets(st.integers(0, 7), min_size=1, max_size=3))
def test_a_strangers_study_is_read_or_refused_and_runs_nothing(logs: list[Any], readers: set[int]) -> None:
    look_at_all(logs, readers)


@pytest.mark.slow
def test_a_study_with_a_million_attributes_is_refused_at_once(tmp_path: Path) -> None:
    log = {"op_code": 2, "worker_id": "w", "study_id": 0}
    with open(tmp_path / "journal.log", "w", encoding="utf-8") as file:
        file.write("\n".join(lines("begun")) + "\n")
        file.writelines(json.dumps({**log, "user_attr": {f"{MARK}{i}": i}}) + "\n" for i in range(1_000_000))
    with pytest.raises(StudyError, match="more than 10,000 attributes"):
        lrsearch.load(tmp_path)
