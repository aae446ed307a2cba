"""A search that goes on in a wider space: the trials that a study has stay valid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lrsearch
from lrsearch.cli import main
from lrsearch.reports.export.wider_space import write_wider_space
from lrsearch.search import Plan, search
from lrsearch.spaces import Range, default_space

JOB = """
import math

def objective(run):
    for rate in run.schedule.curve(1):
        yield (math.log10(run.schedule.base_lr) - 0.5) ** 2
"""
WIDE = "base_lr = { low = 0.001, high = 10.0, log = true }"


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


def run(budget: int, *more: str) -> int:
    line = f"--budget {budget} --optimizer sgd --epochs 2 --engine single --confirm 0"
    return main(["run", "job.py:objective", *line.split(), *more])


def test_the_terminal_tells_of_the_edge_with_a_command_that_searches_on(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(16) == 0
    out = capsys.readouterr().out
    assert "lies at the upper end of its range (0.001 to 1)" in out
    assert "the same command with --space runs/objective/wider.toml and a larger --budget" in out
    before = lrsearch.load("runs/objective")
    assert run(40, "--space", "runs/objective/wider.toml") == 0
    assert "The search space is wider now: base_lr 0.001 to 4 (was 0.001 to 1)" in capsys.readouterr().err
    after = lrsearch.load("runs/objective")
    assert after.space.base_lr == Range(0.001, 4.0, log=True)
    assert [t.value for t in after.trials[:16]] == [t.value for t in before.trials]
    assert len(after.trials) == 40
    assert after.best.schedule.base_lr > 1.5
    assert after.best.value < before.best.value


def test_the_file_of_a_wider_space_stays_as_it_is_when_the_next_edge_is_found(job: Path) -> None:
    assert run(16) == 0
    first = Path("runs/objective/wider.toml").read_text()
    Path("runs/objective/wider.toml").write_text(WIDE)
    result = lrsearch.load("runs/objective")
    assert write_wider_space(result) == Path("runs/objective/wider-2.toml")
    assert write_wider_space(result) == Path("runs/objective/wider-2.toml")
    assert Path("runs/objective/wider-2.toml").read_text() == first
    assert Path("runs/objective/wider.toml").read_text() == WIDE


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("base_lr = { low = 0.01, high = 4, log = true }", "base_lr 0.01 to 4 is narrower than 0.001 to 1"),
        ("warmup = 0", "warmup 0 is narrower than 0 to 0.4 in steps of 0.04"),
        ('families = ["exp"]', "families exp differs from exp, step, cosine"),
        ('families = ["exp", "poly"]', "families exp, poly differs from exp, step, cosine"),
    ],
)
def test_another_space_is_refused_in_a_line_that_says_why(
    job: Path, space: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(4) == 0
    Path("s.toml").write_text(space)
    capsys.readouterr()
    for budget in (4, 8):
        assert run(budget, "--space", "s.toml") == 1
        assert f"the search space may become wider only: {says}" in capsys.readouterr().err
    assert len(lrsearch.load("runs/objective").trials) == 4


def test_a_wider_space_is_not_taken_where_nothing_would_be_searched_in_it(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("s.toml").write_text(WIDE)
    assert run(4, "--sampler", "gp") == 0
    assert run(4, "--space", "s.toml") == 2
    assert "the budget is spent: to search the wider space, give a larger --budget with it." in capsys.readouterr().err
    assert run(8, "--space", "s.toml", "--sampler", "gp") == 2
    assert "the sampler gp keeps to the ranges that a study began with" in capsys.readouterr().err
    assert lrsearch.load("runs/objective").space.base_lr.high == 1.0
    assert run(8, "--space", "s.toml", "--sampler", "tpe") == 0


@pytest.mark.parametrize("sampler", ["curve", "tpe", "random"])
def test_every_sampler_that_may_go_on_proposes_from_the_wider_range(
    make_plan: Callable[..., Plan], sampler: str
) -> None:
    narrow, wide = default_space("sgd", 5), default_space("sgd", 5)
    object.__setattr__(wide, "base_lr", Range(0.001, 100.0, log=True))
    search(make_plan("12", space=narrow, sampler=sampler))
    result = search(make_plan("26", space=wide, sampler=sampler))
    rates = [t.schedule.base_lr for t in result.trials if t.schedule]
    assert max(rates[:12]) <= 1.0 < max(rates[12:])


def test_workers_search_the_wider_space_and_a_widening_waits_for_them(
    make_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    from lrsearch.search import open_storage
    from lrsearch.search.storage.members import Members

    url = f"sqlite:///{tmp_path}/s.db"
    wide = default_space("sgd", 5)
    object.__setattr__(wide, "base_lr", Range(0.001, 100.0, log=True))
    search(make_plan("6", storage=url, sampler="random"))
    with Members(open_storage(url), "bowl"), pytest.raises(lrsearch.InputError, match="other processes search"):
        search(make_plan("12", storage=url, sampler="random", space=wide))
    search(make_plan("12", storage=url, sampler="random", space=wide))
    joined = search(make_plan("20", storage=url, sampler="random", space=lrsearch.load("bowl", storage=url).space))
    assert max(t.schedule.base_lr for t in joined.trials[12:] if t.schedule) > 1
