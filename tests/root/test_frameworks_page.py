"""The changed lines that docs/frameworks.md shows are those of the examples, and there are three at most."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "frameworks.md").read_text()
SHOWN = re.findall(r"<!-- (examples/\w+\.py) -->\n```diff\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_of_all_frameworks_are_shown() -> None:
    assert [name for name, _ in SHOWN] == [f"examples/train_{x}.py" for x in ("script", "lightning", "transformers")]


@pytest.mark.parametrize(("name", "diff"), SHOWN)
def test_what_a_diff_leads_to_is_the_example(name: str, diff: str) -> None:
    lines = diff.splitlines()
    assert 1 <= sum(line.startswith("+") for line in lines) <= 3
    code = (TOP / name).read_text().splitlines()
    at = -1
    for line in lines:
        if line.startswith("-"):
            assert line[1:] not in code
        elif line != "...":
            assert line[1:] in code[at + 1 :], line
            at = code.index(line[1:], at + 1)


def test_the_configurations_name_the_function() -> None:
    configs = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    targets = [next(iter(config.values())) for config in configs]
    assert [t.get("_target_") or t.get("_component_") for t in targets] == ["lrsearch.scheduler"] * 2
