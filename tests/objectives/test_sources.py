"""What code a job consists of: which files and functions count, and what changes a fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrsearch.objectives.sources import file_sources, function_sources

SCRIPT = "from parts import net\nimport torch\n\ndef objective(run):\n    from late import loss\n    yield 1.0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    for name, text in {
        "train.py": SCRIPT,
        "late.py": "loss = 1\n",
        "unused.py": "x = 1\n",
        "parts/__init__.py": "",
        "parts/net.py": "from .layers import width\nfrom . import more\n",
        "parts/layers.py": "width = 8\n",
        "parts/more.py": "import train\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def sources(folder: Path) -> dict[str, str]:
    return file_sources(f"{folder}/train.py:objective")


def test_a_scripts_sources_are_all_that_it_imports_from_beside_it(folder: Path) -> None:
    names = {"train.py", "late.py", "parts/__init__.py", "parts/net.py", "parts/layers.py", "parts/more.py"}
    assert set(sources(folder)) == names


def test_comments_docstrings_and_layout_change_no_fingerprint(folder: Path) -> None:
    before = sources(folder)
    text = SCRIPT.replace("yield 1.0", "'''What it is.'''\n    yield (\n        1.0  # the loss\n    )")
    (folder / "train.py").write_text(f"# A comment.\n{text}")
    assert sources(folder) == before


@pytest.mark.parametrize("name", ["train.py", "late.py", "parts/layers.py"])
def test_a_changed_value_changes_the_fingerprint_of_its_file_alone(folder: Path, name: str) -> None:
    before = sources(folder)
    path = folder / name
    path.write_text(path.read_text().replace("1", "2").replace("8", "9"))
    after = sources(folder)
    assert [n for n in after if after[n] != before[n]] == [name]


def test_a_file_that_is_no_python_has_a_fingerprint_too(folder: Path) -> None:
    before = sources(folder)
    (folder / "late.py").write_text("loss =\n")
    assert sources(folder)["late.py"] != before["late.py"]


def test_an_installed_modules_sources_are_its_own_packages() -> None:
    sources = file_sources("packaging.version:parse")
    assert "packaging/version.py" in sources
    assert {name.split("/")[0] for name in sources} == {"packaging"}
    assert file_sources("nowhere_at_all:parse") == {}


class Net:
    """Used by `uses_parts`."""

    width = 8


RATE = 0.1


def rate() -> float:
    return RATE


def uses_parts() -> tuple[float, Net]:
    return rate(), Net()


def test_a_functions_sources_are_what_it_uses_of_its_module() -> None:
    assert set(function_sources(uses_parts)) == {"uses_parts", "rate", "Net", "RATE"}
    assert function_sources(uses_parts)["rate"] == function_sources(rate)["rate"]


def test_what_was_not_written_in_python_has_no_sources() -> None:
    assert function_sources(len) == {}
