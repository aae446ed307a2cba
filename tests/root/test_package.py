"""The package as others see it: its public names, its docs, its layout."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import runpy
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import lrsearch

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("options", "spaces", "objectives", "search", "reports")
FRONT = [
    "lrsearch.api",
    "lrsearch.cli",
    "lrsearch.cli_reading",
    "lrsearch.commands",
    "lrsearch.keywords",
    "lrsearch.parser",
    "lrsearch.errors",
    "lrsearch.lazy",
    "lrsearch.families",
    "lrsearch.run_folder",
    "lrsearch.planning",
    "lrsearch.chosen_objective",
    "lrsearch.command_jobs",
    "lrsearch.redaction",
]


def modules() -> list[str]:
    """Every module of the package, by walking its folders."""
    names = ["lrsearch", *FRONT]
    for folder in FOLDERS:
        package = importlib.import_module(f"lrsearch.{folder}")
        names += [package.__name__, *(m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))]
    return names


@pytest.mark.parametrize("name", modules())
def test_a_module_exports_what_it_says_and_its_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        assert getattr(module, public) is not None
    assert module.__doc__
    assert doctest.testmod(module).failed == 0


def test_no_files_import_each_other_in_a_circle_not_even_when_they_need_it() -> None:
    graph = grimp.build_graph("lrsearch", cache_dir=None)
    TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).prepare()
    assert len(graph.modules) > 200


def test_the_public_names_are_those_of_the_type_checker() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    (guard,) = (n for n in tree.body if isinstance(n, ast.If))
    typed = {alias.name for node in guard.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(lrsearch.__all__) == {name for names in lrsearch._HOME.values() for name in names}
    assert lrsearch.__version__
    assert set(lrsearch.__all__) <= set(dir(lrsearch))
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        lrsearch.serach  # noqa: B018


def test_importing_the_package_is_quick() -> None:
    code = "import sys, lrsearch; assert not {'numpy', 'torch', 'optuna'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = set(re.findall(r'^    "(lrsearch[\w.]*)",$', (ROOT / "pyproject.toml").read_text(), re.M))
    packages = {
        ".".join(["lrsearch", *p.parent.relative_to(ROOT).parts])
        for f in FOLDERS
        for p in (ROOT / f).rglob("__init__.py")
    }
    assert packages | {"lrsearch"} == listed - set(FRONT)


def test_the_command_line_reference_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))["reference"]()
    assert (ROOT / "docs" / "cli.md").read_text() == made, "run: uv run python docs/make_cli.py > docs/cli.md"


@pytest.mark.parametrize(
    "path", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_in_the_docs_lead_somewhere(path: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / path).read_text()):
        assert ((ROOT / path).parent / target).exists(), target


def test_the_walks_lead_to_what_is_there() -> None:
    """Each name of CONTRIBUTING.md that a file follows in brackets is defined in that file; each path exists."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    steps = re.findall(r"`([\w.]+)`\s+\(`(\w+/[\w/]+\.py)`\)", text)
    assert len(steps) >= 15
    for name, path in steps:
        for part in name.split("."):
            assert re.search(rf"^ *(def|class) {part}\b", (ROOT / path).read_text(), re.M), f"{name} in {path}"
    for path in re.findall(r"`(\w+/[\w/]+\.py)`", text):
        assert (ROOT / path).is_file(), path


def test_the_readmes_commands_are_understood() -> None:
    """Each lrsearch line of the README parses; the test suite runs the same commands elsewhere."""
    from lrsearch.parser import parse

    lines = re.findall(
        r"^    (?:pip install uv && )?(?:uv run )?lrsearch (.+)$", (ROOT / "README.md").read_text(), re.M
    )
    assert len(lines) >= 3
    for line in lines:
        assert parse(line.split()).command


def test_the_readmes_objective_is_the_contract(tmp_path: Path) -> None:
    """The example in the README, with its dots filled in, runs."""
    (code,) = re.findall(r"```python\n(def objective.+?)```", (ROOT / "README.md").read_text(), re.S)
    code = code.replace(
        "model, train, val = ...", "import torch; model = torch.nn.Linear(2, 1); train = [torch.ones(1, 2)] * 3"
    )
    code = code.replace("            ...\n", "            loss = model(batch).square().mean(); loss.backward()\n")
    code = code.replace("...", "loss.item()")
    path = tmp_path / "train.py"
    path.write_text("import torch\n" + code)
    from lrsearch.objectives import UserObjective
    from lrsearch.spaces import Schedule

    objective = UserObjective(f"{path}:objective")
    assert objective.optimizer == "adamw"
    measurements = list(objective.run(Schedule("cosine", 0.01, 2), epochs=2, seed=0, device="cpu"))
    assert set(measurements[0].metrics) == {"train_loss", "val_loss", "val_accuracy"}
