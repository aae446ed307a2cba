"""Validation sets that are drawn anew for each fresh seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from bowl import Bowl
from torch import nn

from lrsearch.cli import main
from lrsearch.errors import InputError, StudyError
from lrsearch.objectives import TaskObjective, TensorTask, get_task
from lrsearch.objectives.recipe import Split, Splits, redrawn
from lrsearch.search import Plan, SearchResult, search
from lrsearch.spaces import Schedule, default_space

X = torch.arange(40.0).view(-1, 1)
CONSTANT = Schedule("constant", 0.01, 2)


def task(**more: Any) -> TensorTask:
    y = 2 * X + torch.randn(40, 1, generator=torch.Generator().manual_seed(0))
    return TensorTask(
        lambda: nn.Linear(1, 1),
        lambda model: torch.optim.SGD(model.parameters()),
        nn.functional.mse_loss,
        (X[:30] / 40, y[:30] / 40),
        (X[30:] / 40, y[30:] / 40),
        batch_size=10,
        epochs=2,
        **more,
    )


def last(objective: Any, seed: int, *, test: bool) -> float:
    *_, end = objective.run(CONSTANT, epochs=2, seed=seed, device="cpu", test=test)
    return float(end.metrics["val_loss"])


def test_samples_are_mixed_by_the_seed_and_none_is_lost() -> None:
    data = Splits(Split(X[:30], X[:30]), Split(X[30:35], X[30:35]), Split(X[35:], X[35:]))
    one, again, other = redrawn(data, 1), redrawn(data, 1), redrawn(data, 2)
    assert torch.equal(one.val.x, again.val.x)
    assert not torch.equal(one.val.x, other.val.x)
    assert torch.equal(one.train.x, one.train.y)
    assert sorted(torch.cat([one.train.x, one.val.x]).flatten().tolist()) == list(range(35))
    assert torch.equal(one.test.x, data.test.x)


def test_only_runs_that_judge_get_a_validation_set_of_their_own() -> None:
    plain, redrawing = task(), task().redrawing()
    assert last(redrawing, 3, test=False) == last(plain, 3, test=False)
    assert last(redrawing, 3, test=True) != last(plain, 3, test=True)
    assert not plain.redraws


@pytest.mark.parametrize("engine", ["single", "lanes", pytest.param("processes", marks=pytest.mark.slow)])
def test_the_search_shares_its_split_and_the_confirmation_draws_new_ones(
    make_plan: Callable[..., Plan], engine: str
) -> None:
    def run(name: str, *, resplit: bool) -> SearchResult:
        space = default_space("sgd", 2, ("constant", "linear"))
        more = {
            "study": name,
            "objective": task(),
            "space": space,
            "engine": engine,
            "jobs": 2 * (engine == "processes"),
        }
        return search(make_plan("20", confirm=3, sampler="random", resplit=resplit, **more))

    fixed, redrawn_ = run("fixed", resplit=False), run("redrawn", resplit=True)
    assert fixed.trials[0].value == pytest.approx(redrawn_.trials[0].value, rel=1e-5)
    seeds = {(t.confirms, t.seed): t.value for t in fixed.confirming}
    both = [(t.value, seeds[t.confirms, t.seed]) for t in redrawn_.confirming if (t.confirms, t.seed) in seeds]
    assert both
    assert all(abs(a - b) > 1e-3 * b for a, b in both if a is not None and b is not None)
    assert redrawn_.settings["resplit"] is True
    assert "resplit" not in fixed.settings


def test_where_it_does_not_apply_it_is_refused_in_a_line(
    make_plan: Callable[..., Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="--resplit is for built-in tasks and a TensorTask"):
        make_plan("3", objective=Bowl(), resplit=True)
    with pytest.raises(InputError, match="--resplit does not suit text: its samples overlap"):
        TaskObjective(get_task("text")).redrawing()
    assert main(["run", "text", "--resplit"]) == 2
    assert capsys.readouterr().err.startswith("lrsearch: error: --resplit does not suit text")


def test_a_study_keeps_to_how_its_winner_is_judged(make_plan: Callable[..., Plan]) -> None:
    space = default_space("sgd", 2)
    search(make_plan("3", objective=task(), space=space, engine="single", resplit=True))
    with pytest.raises(StudyError, match="resplit: True there, None now"):
        search(make_plan("4", objective=task(), space=space, engine="single"))
