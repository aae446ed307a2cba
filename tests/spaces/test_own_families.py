"""Families of the user's own: checked when they are loaded, stored with points, taken along to other processes."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from schedules import make_record, optimizer, run_code

from lrsearch.errors import InputError
from lrsearch.families import choose_families
from lrsearch.reports.export import export
from lrsearch.spaces import (
    FAMILIES,
    Range,
    Schedule,
    ScheduleSpace,
    default_space,
    space_from_dict,
    space_from_toml,
    space_to_dict,
)
from lrsearch.spaces.families import BUILT_IN, PLATEAU

FILE = Path(__file__).parents[1] / "families_of_a_user.py"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No family of a test is known to the next one."""
    yield
    forget()


def forget() -> None:
    for name in set(FAMILIES) - BUILT_IN:
        del FAMILIES[name]


def load(*names: str) -> None:
    choose_families([f"{FILE}:{name}" for name in names])


def test_a_function_of_numbers_and_one_of_arrays_give_what_they_say() -> None:
    load("two_slopes", "smooth")
    x = np.arange(40) / 40
    slopes = Schedule("two_slopes", 0.2, 5, {"knee": 0.5, "height": 0.4}, warmup=1).curve(10)[10:]
    np.testing.assert_allclose(slopes, 0.2 * np.where(x < 0.5, 1 - 1.2 * x, 0.8 * (1 - x)))
    smooth = Schedule("smooth", 0.2, 4, {"rounding": "cosine", "share": 0.25}).curve(10)
    left = (1 + np.cos(np.pi * x)) / 2
    np.testing.assert_allclose(smooth, 0.2 * (0.25 * left + 0.75 * left**2))


def test_it_is_searched_like_any_other() -> None:
    load("two_slopes", "smooth")
    space = default_space("sgd", 10, ("cosine", "two_slopes", "smooth"))
    assert space.range_of("two_slopes.knee") == Range(0.2, 0.8)
    schedules = space.sample(np.random.default_rng(0), 100)
    assert {s.family for s in schedules} == {"cosine", "two_slopes", "smooth"}
    assert all(space.contains(s) for s in schedules)
    assert space_from_dict(space_to_dict(space)) == space


def test_a_users_toml_names_the_file_and_what_is_stored_does_not(tmp_path: Path) -> None:
    text = f'families = ["cosine", "{FILE}:two_slopes"]\n[two_slopes]\nknee = {{ low = 0.3, high = 0.5 }}'
    space = space_from_toml(text, default_space(horizon=10), choose_families)
    assert space.families == ("cosine", "two_slopes")
    assert space.range_of("two_slopes.knee") == Range(0.3, 0.5)
    assert str(FILE) not in space_to_dict(space)["toml"]


def test_what_was_stored_is_read_without_the_file() -> None:
    load("two_slopes", "smooth")
    space = default_space("sgd", 10, ("two_slopes", "smooth"))
    stored = json.dumps([space_to_dict(space), *(s.to_dict() for s in space.sample(np.random.default_rng(0), 20))])
    before = [Schedule.from_dict(d).curve(30) for d in json.loads(stored)[1:]]
    forget()
    space_again, *schedules = json.loads(stored)
    loaded = [Schedule.from_dict(d) for d in schedules]
    assert all(s.points for s in loaded)
    assert [s.to_dict() for s in loaded] == schedules
    assert space_from_dict(space_again).names("two_slopes") == space.names("two_slopes")
    with pytest.raises(InputError, match=r"'two_slopes' is your own: load it with --families FILE\.py:two_slopes"):
        space_from_dict(space_again).check_loaded()
    for schedule, curve in zip(loaded, before, strict=True):
        np.testing.assert_allclose(schedule.curve(30), curve, atol=0.01 * schedule.base_lr)
        assert schedule.stretched(20).rescaled(0.1).curve(15)[-1] < 0.02
    with pytest.raises(InputError, match=r"is your own: load it with --families FILE\.py:smooth"):
        Schedule("smooth", 0.1, 10)


def test_points_count_where_the_file_draws_something_else_by_now(tmp_path: Path) -> None:
    code = "import lrsearch\n@lrsearch.family(p=lrsearch.Range(1, 3))\ndef bend(x, p): return 1 - x**p\n"

    def again(name: str, text: str) -> Schedule:
        (tmp_path / name).write_text(text)
        choose_families([f"{tmp_path / name}:bend"])
        return Schedule.from_dict(stored) if stored else Schedule("bend", 0.1, 10, {"p": 2.0})

    stored: dict[str, Any] = {}
    stored = again("first.py", code).to_dict()
    assert again("same.py", code).points == ()
    for changed in (
        code.replace("1 - x**p", "(1 - x)**p"),
        code.replace("p=", "q=").replace("x**p", "x**q").replace(", p)", ", q)"),
    ):
        loaded = again(f"changed_{len(changed)}.py", changed)
        assert loaded.points
        assert loaded.curve(10)[50] == pytest.approx(0.1 * 0.75, rel=1e-3)


def test_schedules_and_spaces_take_their_families_along_to_other_processes(tmp_path: Path) -> None:
    load("two_slopes", "SAWTOOTH")
    space = ScheduleSpace(("two_slopes", "sawtooth", "cosine"), 10)
    schedules = space.sample(np.random.default_rng(0), 10)
    (tmp_path / "pickled").write_bytes(pickle.dumps([space, *schedules]))
    code = (
        "import pickle, sys, json; space, *loaded = pickle.loads(open(sys.argv[1], 'rb').read());"
        "print(json.dumps([[s.curve(7).tolist() for s in loaded], space.families]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "pickled")], capture_output=True, text=True)
    curves, families = json.loads(done.stdout or done.stderr)
    assert tuple(families) == space.families
    assert curves == [s.curve(7).tolist() for s in schedules]


def test_exported_code_holds_the_function_or_without_the_file_its_points() -> None:
    load("smooth")
    schedule = Schedule("smooth", 0.3, 5, {"rounding": "cosine", "share": 0.25}, warmup=1)
    text = export(make_record(schedule), None, "torch")
    assert "def smooth(x, rounding, share):" in text
    assert "POWER = 2" in text
    assert "import math\n\nimport numpy as np\nfrom torch" in text
    for name in ("timm", "transformers"):
        with pytest.raises(
            InputError, match=rf"{name} has no smooth decay\. Formats that can: torch, lightning, json, yaml"
        ):
            export(make_record(schedule), None, name)
    stored, curve = schedule.to_dict(), schedule.curve(7)
    forget()
    without = export(make_record(Schedule.from_dict(stored)), None, "torch")
    assert "def smooth" not in without
    for code, atol in ((text, 1e-12), (without, 1e-4)):
        opt = optimizer()
        scheduler = run_code(code)["build_scheduler"](opt, 7)
        for expected in curve:
            assert opt.param_groups[0]["lr"] == pytest.approx(expected, abs=atol)
            opt.step()
            scheduler.step()


HEAD = "import math\nimport numpy as np\nimport lrsearch\nfrom lrsearch import Choice, Range\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("f = 3", r"no schedule family: put @lrsearch\.family"),
        ("def f(x): return 1 - x", r"no schedule family: put @lrsearch\.family"),
        ("@lrsearch.family(a=Range(0, 1))\ndef f(x, b): return 1 - x", r"takes \(x, b\), but its ranges need \(x, a\)"),
        ("@lrsearch.family(a=3)\ndef f(x, a): return 1 - x", "a must be a Range or a Choice, got 3"),
        ("@lrsearch.family()\ndef cosine(x): return 1 - x\nf = cosine", "there is a family 'cosine' already"),
        ("@lrsearch.family()\ndef f(x): return 2 - x", r"f must stay between 0 and 1, .* got 2 at x=0"),
        ("@lrsearch.family()\ndef f(x): return (1 - x) / 2", "f must be 1 at x=0, .* got 0.5 at x=0: divide by that"),
        ("@lrsearch.family()\ndef f(x): return 1 - 2 * x", "got -0.02 at x=0.51"),
        ("@lrsearch.family(a=Range(0, 1))\ndef f(x, a): return 1 - a * x * math.inf", "between 0 and 1, .* got nan"),
        ("@lrsearch.family()\ndef f(x): return math.log(1 - x) + 1", "f fails at x=1: "),
        ("@lrsearch.family()\ndef f(x): return [1, 2]", "It must return a number"),
        ("@lrsearch.family(k=Choice(('a', 'b')))\ndef f(x, k): return 1 if k == 'a' else 0.9", "got 0.9 at x=0, k=b"),
        ("def half(x): return x / 2\n@lrsearch.family()\ndef f(x): return 1 - half(x)", "uses 'half', which exported"),
        ("f = lrsearch.family()(lambda x: 1 - x)", "a function with a name"),
        ("f = lrsearch.family()", "no schedule family"),
        (
            "@lrsearch.family(k=Choice(('a\\nb', 'c')))\ndef f(x, k): return 1 - x",
            "a choice consists of letters, digits",
        ),
    ],
)
def test_a_family_that_is_none_is_refused_when_it_is_loaded(code: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + code + "\n")
    with pytest.raises(InputError, match=says):
        choose_families([f"{file}:f"])
    assert set(FAMILIES) == BUILT_IN - {PLATEAU.name}


@pytest.mark.parametrize(
    "change",
    [
        {"family": '"""\nimport os'},
        {"params": {"a b": 1}},
        {"params": {"a": "\u2028x"}},
        {"params": {"a": [1]}},
        {"params": None},
        {"points": [1, "x"]},
        {"points": 3},
        {"points": [1, float("nan")]},
        {"points": [1, -0.5]},
        {"points": [1]},
    ],
)
def test_a_damaged_schedule_of_a_family_that_is_not_loaded_is_refused(change: dict[str, Any]) -> None:
    data = {"family": "mine", "base_lr": 0.1, "horizon": 10, "params": {"a": 1.0}, "points": [1, 0.5, 0]}
    assert Schedule.from_dict(data).curve(2)[10] == pytest.approx(0.05)
    with pytest.raises(InputError):
        Schedule.from_dict({**data, **change})


def test_families_are_chosen_by_name_by_set_or_all_and_none_twice() -> None:
    assert choose_families(["llm"]) == tuple(n for n in FAMILIES if n in ("cosine", "inverse_sqrt", "linear", "wsd"))
    assert set(choose_families(["vision"])) == {"step", "cosine", "multistep", "onecycle"}
    assert choose_families(["all"]) == tuple(FAMILIES)
    assert choose_families(["rex", "llm", "cosine"])[0] == "rex"
    assert len(set(choose_families(["llm", "vision", "cosine"]))) == len(choose_families(["llm", "vision", "cosine"]))
    with pytest.raises(InputError, match=r"unknown family 'visoin'\. Did you mean 'vision'\?"):
        choose_families(["visoin"])
    with pytest.raises(InputError, match=r"write my\.py:NAME"):
        choose_families(["my.py"])
    with pytest.raises(InputError, match="distinct"):
        default_space(families=choose_families(["exp", "exp"]))
