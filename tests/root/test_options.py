"""An option is one field: what is made from it, and that nothing else is needed for a new one."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import lrsearch
from lrsearch.errors import InputError
from lrsearch.keywords import RunOptions
from lrsearch.options import Options, keywords, notes, option, options_of, takes
from lrsearch.parser import parse

ROOT = Path(__file__).resolve().parents[2]
FIELD = '    glow: int = option(3, "how much it glows", group=RUNS, rule=((lambda n: n < 9), "must be below 9"))\n'
SCRIPT = """
import lrsearch
from lrsearch.errors import InputError
from lrsearch.search import Plan

def objective(run):
    for epoch in range(run.epochs):
        yield {"val_loss": run.schedule.base_lr}

assert "glow" in lrsearch.run.__doc__ and "glow" in Plan.__dataclass_fields__
result = lrsearch.run(objective, budget=1, epochs=1, glow=5, confirm=0, optimizer="sgd", progress=False)
assert result.sessions[-1]["glow"] == 5, result.sessions
try:
    lrsearch.run(objective, glow=9)
except InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_new_option_is_one_field(tmp_path: Path) -> None:
    """In a copy of the package, a line makes an option of the command line, of Python, of the plan, of the session."""
    copy = tmp_path / "lrsearch"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "tests", "docs", "benchmarks", "build", "runs"))
    place = copy / "options" / "search.py"
    text = place.read_text()
    assert text.count("    seed: int =") == 1
    place.write_text(text.replace("    seed: int =", f"{FIELD}    seed: int ="))
    (tmp_path / "train.py").write_text(SCRIPT)

    def python(*words: str) -> str:
        command = [sys.executable, *words]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "--glow GLOW           how much it glows (default 3)" in python("-m", "lrsearch", "run", "--help")
    assert python("train.py") == "glow must be below 9, got 9.\n"


def test_every_option_of_a_search_is_documented_and_typed_in_python() -> None:
    parameters = inspect.signature(lrsearch.run).parameters
    assert next(iter(parameters)) == "objective"
    assert [p.kind for p in parameters.values()][1:] == [inspect.Parameter.KEYWORD_ONLY] * (len(parameters) - 1)
    assert {name: p.default for name, p in parameters.items()} == keywords(RunOptions, RunOptions())
    assert all(f"\n    {name}: " in str(lrsearch.run.__doc__) for name in parameters)


def test_a_wrong_keyword_is_told_as_of_any_function() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'budgt'"):
        lrsearch.run(budgt=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--jobs", "-1"], "jobs must be at least 1"),
        (["run", "--seed", "-1"], "seed must be from 0"),
        (["run", "--confirm", "2"], "confirm must be 0 or at least 3 seeds, got 2"),
        (["run", "--epochs", "0"], "epochs must be a whole number of at least 1, got 0"),
        (["run", "--sampler", "curv"], "Did you mean 'curve'"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_imported(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(words)


def test_what_a_command_line_leaves_out_is_the_default() -> None:
    asked = parse(["run"])
    assert isinstance(asked, RunOptions)
    plain = keywords(RunOptions, RunOptions()) | {"task_options": asked.task_options, "arguments": []}
    assert keywords(RunOptions, asked) == plain


def test_a_session_keeps_options_but_no_secrets(tmp_path: Path) -> None:
    asked = RunOptions(storage="mysql://me:secret@host/db", out=tmp_path, families=["exp"], epochs=3)
    kept = notes(asked)
    assert json.loads(json.dumps(kept)) == kept
    assert kept["out"] == str(tmp_path)
    assert kept["families"] == ["exp"]
    assert "storage" not in kept
    assert "secret" not in repr(asked)
    assert {field.name for field, said in options_of(RunOptions) if said.noted} == set(kept)


@dataclass(frozen=True)
class Greeting(Options):
    times: int = option(..., "how often")
    name: str = option("you", "who is greeted")


def test_an_option_without_a_default_must_be_given() -> None:
    @takes(Greeting)
    def greet(asked: Greeting) -> str:
        """Say hello.

        Returns:
            The words.
        """
        return f"{asked.times} x {asked.name}"

    assert greet(2, name="me") == "2 x me"
    assert greet.__doc__ == (
        "Say hello.\n\nArgs:\n    times: How often.\n    name: Who is greeted (default you).\n\n"
        "Returns:\n    The words."
    )
