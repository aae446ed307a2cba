"""What each command may import: a person waits for all of it before anything happens."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from lrsearch.search import load_result, open_storage
from lrsearch.search.session.ending import note_at_end

HEAVY = {
    *(
        "torch",
        "torch._dynamo",
        "sympy",
        "torchvision",
        "optuna",
        "plotly",
        "sklearn",
        "pandas",
        "scipy",
        "scipy.stats",
    ),
    *("sqlalchemy", "optuna_dashboard", "joblib", "jinja2", "numpy", "rich", "optuna.importance"),
}
READING = {"optuna", "numpy"}
GOLDEN = Path(__file__).parents[1] / "golden"
CODE = """
import json, sys
from lrsearch.cli import main
try:
    code = main(json.loads(sys.argv[1]))
except SystemExit as end:
    code = end.code
print(json.dumps([code or 0, [name for name in json.loads(sys.argv[2]) if name in sys.modules]]), file=sys.stderr)
"""


def imported(*words: str) -> set[str]:
    """The heavy modules that a command imports."""
    command = [sys.executable, "-W", "ignore", "-c", CODE, json.dumps(words), json.dumps(sorted(HEAVY))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    code, modules = json.loads(done.stderr.strip().splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished run's folder, with what a search notes when it ends."""
    folder = tmp_path_factory.mktemp("runs") / "golden"
    folder.mkdir()
    (folder / "journal.log").write_bytes(gzip.decompress((GOLDEN / "journal.log.gz").read_bytes()))
    (folder / "best.json").write_bytes((GOLDEN / "best.json").read_bytes())
    storage = open_storage(str(folder / "journal.log"))
    result = note_at_end(optuna.load_study(study_name="golden", storage=storage), load_result(storage, "golden"))
    assert result.noted_response
    assert result.confirmation
    return str(folder)


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--help"], set()),
        (["run", "--help"], set()),
        (["tasks"], {"numpy"}),
        (["families"], {"numpy", "scipy", "rich"}),
        (["families", "--toml"], {"numpy"}),
        (["preview", "--family", "exp"], {"numpy", "rich"}),
        (["runs", "FOLDER"], {"optuna", "numpy", "rich"}),
        (["export", "RUN"], READING),
        (["report", "RUN", "--output", "REPORT"], {*READING, "plotly", "jinja2"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_no_more_than_it_needs(run: str, words: list[str], allowed: set[str]) -> None:
    places = {"RUN": run, "FOLDER": str(Path(run).parent), "REPORT": f"{run}/other.html"}
    assert imported(*(places.get(word, word) for word in words)) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("more", [("1",), ("40", "--confirm", "0", "--pruner", "none")])
def test_a_search_of_a_built_in_task_imports_nothing_heavy_that_it_can_do_without(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    without = (
        "torch._dynamo",
        "sympy",
        "sklearn",
        "pandas",
        "scipy.stats",
        "sqlalchemy",
        "torchvision",
        "optuna_dashboard",
    )
    modules = imported("run", "digits", "--epochs", "1", "--out", str(tmp_path), "--budget", *more)
    assert not modules & set(without)


def test_optunas_importances_are_whole_after_a_search_has_used_a_part_of_them() -> None:
    code = """
import sys, optuna
from lrsearch.search.results.importance import _evaluator_class
evaluator = _evaluator_class()
assert "sklearn" not in sys.modules
import optuna.importance
assert optuna.importance.FanovaImportanceEvaluator().__class__.__name__ == "FanovaImportanceEvaluator"
assert optuna.importance.PedAnovaImportanceEvaluator.__name__ == evaluator.__name__
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=600)
