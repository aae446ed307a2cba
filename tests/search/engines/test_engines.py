"""Engines: lanes give the trials that running alone gives, keep the budget, and fall back with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bowl import Bowl, StopAfter
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler
from torch import Tensor, nn

from lrsearch.errors import InputError, StudyError
from lrsearch.objectives import TaskObjective, TensorObjective, TensorTask, get_task
from lrsearch.objectives.lanes import Lanes, lane_speeds, part_of
from lrsearch.search import Plan, load_result, open_storage, search
from lrsearch.search.budget.kinds import Epochs
from lrsearch.search.budget.ledger import Ledger
from lrsearch.search.budget.shared import Quota
from lrsearch.search.engines.choice import choose_engine, widths_for, worth
from lrsearch.search.engines.engine import Engine
from lrsearch.search.engines.lanes import run_lanes
from lrsearch.search.storage.studies import open_study
from lrsearch.search.trial.settings import Terms
from lrsearch.spaces import default_space

MakePlan = Callable[..., Plan]
EPOCHS = 4


@pytest.fixture
def digits(make_plan: MakePlan) -> MakePlan:
    """A plan on digits, in lanes unless said otherwise."""

    def make(budget: str = "13", **changes: Any) -> Plan:
        given = {"objective": TaskObjective(get_task("digits")), "space": default_space("sgd", EPOCHS)}
        return make_plan(budget, **{**given, "engine": "lanes", "jobs": 0, "sampler": "random", **changes})

    return make


def test_lanes_give_the_trials_that_running_alone_gives(digits: MakePlan) -> None:
    alone, lanes = (search(digits(study=e, engine=e, pruner="none")) for e in ("single", "lanes"))
    assert lanes.sessions[0]["engine"] == "lanes"
    by_number = {t.number: t for t in lanes.trials}
    for trial in alone.trials:
        other = by_number[trial.number]
        assert other.schedule == trial.schedule
        assert other.outcome == trial.outcome
        for name, values in trial.metrics.items():
            assert other.metrics[name] == pytest.approx(values, rel=0.02, abs=0.003, nan_ok=True)
    assert lanes.best.number == alone.best.number


def test_lanes_are_repeatable(digits: MakePlan) -> None:
    first, second = (search(digits(study=name, sampler="tpe")) for name in ("a", "b"))
    assert [(t.params, t.outcome) for t in first.trials] == [(t.params, t.outcome) for t in second.trials]
    assert [t.value for t in first.trials] == [t.value for t in second.trials]


@pytest.mark.slow
def test_lanes_keep_every_kind_of_budget(digits: MakePlan) -> None:
    assert len(search(digits("13", study="trials")).trials) == 13
    assert sum(t.epochs for t in search(digits("39ep", study="epochs")).trials) == 39
    begun = time.time()
    result = search(digits("3s", study="time", pruner="none", space=default_space("sgd", 1000)))  # no trial can end
    assert 3 <= time.time() - begun < 60  # nothing else would end it
    assert result.counts()["out of budget"] >= 1


def test_lanes_give_back_what_they_reserved_although_others_leave_less(digits: MakePlan, tmp_path: Path) -> None:
    plan = digits("100ep", storage=f"sqlite:///{tmp_path}/db")
    study = open_study(open_storage(plan.where), plan.study, plan.settings(), RandomSampler(), NopPruner())
    quota = Quota(Epochs(EPOCHS), EPOCHS + 3, "me")  # what others have left by now: two trials, the second one short
    terms = Terms(plan.space, "val_loss", False, EPOCHS, 0, "cpu", quota=quota)
    ledger = Ledger(plan.budget, EPOCHS, 0.0, time.time())
    reserved = iter([ledger.reserve(), ledger.reserve()])
    assert isinstance(plan.objective, TensorObjective)
    lanes = run_lanes(study, plan.objective, terms, Engine("lanes", 2, ""), lambda: next(reserved, None))
    for allowance, record in lanes:
        ledger.commit(allowance, record.epochs, counted=record.counted)
    assert ledger.spent == EPOCHS + 3
    assert ledger.available == plan.budget.amount - ledger.spent


def test_a_lane_that_comes_free_takes_the_next_trial(digits: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    run_epoch = Lanes.run_epoch

    def counted(lanes: Lanes) -> Any:
        widths.append(len(lanes))
        return run_epoch(lanes)

    monkeypatch.setattr(Lanes, "run_epoch", counted)
    monkeypatch.setattr("lrsearch.search.session.runner.choose_engine", lambda *a, **k: Engine("lanes", 8, "a test"))
    result = search(digits("40", pruner="halving"))
    assert "pruned" in result.counts()
    while_trials_last = widths[: len(widths) - EPOCHS]
    assert set(while_trials_last) == {8}, "every lane is busy until the last trials"


def test_interrupted_lanes_are_queued_again(digits: MakePlan) -> None:
    plan = digits("13")
    with pytest.raises(KeyboardInterrupt):
        search(plan, StopAfter(4))
    cut = load_result(open_storage(plan.where), plan.study)
    assert "running" not in cut.counts()
    waiting = [t.params for t in cut.trials if t.outcome == "interrupted"]
    assert waiting
    result = search(plan)
    assert sum(t.counted for t in result.trials) == 13
    assert all(params in [t.params for t in result.trials if t.counted] for params in waiting)


def tensor_task(model: Callable[[], nn.Module]) -> TensorTask:
    x = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    y = x.sum(1, keepdim=True)
    return TensorTask(
        model,
        lambda m: torch.optim.SGD(m.parameters(), momentum=0.9),
        nn.functional.mse_loss,
        train=(x[:64], y[:64]),
        val=(x[64:], y[64:]),
        batch_size=16,
    )


def test_a_tensor_task_of_ones_own_trains_in_lanes(digits: MakePlan) -> None:
    result = search(digits(objective=tensor_task(lambda: nn.Linear(4, 1))))
    assert result.sessions[0]["engine"] == "lanes"
    assert result.best.value is not None
    assert result.best.value < 1


class Branching(nn.Linear):
    """What vmap cannot express: a choice that depends on the data."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if y.sum() > 0 else 2 * y


def test_what_lanes_cannot_express_falls_back_with_a_reason(digits: MakePlan) -> None:
    result = search(digits("4", objective=tensor_task(lambda: Branching(4, 1)), engine="auto"))
    assert "too few trials" in result.sessions[0]["why"]
    result = search(digits("8", study="more", objective=tensor_task(lambda: Branching(4, 1))))
    assert result.sessions[0]["engine"] == "single"
    assert "lanes are not possible" in result.sessions[0]["why"]
    assert len(result.trials) == 8


def test_a_failure_in_lanes_loses_nothing(digits: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = digits("13")

    def fail(lanes: Lanes) -> None:
        raise RuntimeError("a cable came loose")

    with monkeypatch.context() as patched:
        patched.setattr(Lanes, "run_epoch", fail)
        patched.setattr("lrsearch.search.session.runner.choose_engine", lambda *a, **k: Engine("lanes", 4, "a test"))
        with pytest.raises(StudyError, match=r"a cable came loose.*--engine single"):
            search(plan)
    assert sum(t.counted for t in search(plan).trials) == 13


def terms(device: str = "cpu") -> Terms:
    return Terms(default_space(), "val_loss", False, EPOCHS, 0, device)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"engine": "lane", "jobs": 0}, "Did you mean 'lanes'"),
        ({"engine": "lanes", "jobs": 2}, "needs --engine processes"),
        ({"engine": "single", "jobs": 2}, "needs --engine processes"),
        ({"engine": "lanes", "jobs": 0}, "lanes need a job of tensors"),
    ],
)
def test_wishes_that_contradict_are_refused(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        choose_engine(Bowl(), terms(), trials=40, **wish)


def test_explicit_wishes_are_followed() -> None:
    engines = [choose_engine(Bowl(), terms(), engine="auto", jobs=jobs, trials=40) for jobs in (3, 1, 0)]
    assert [(e.name, e.width) for e in engines] == [("processes", 3), ("single", 1), ("single", 1)]


class OnlyHere(Bowl):
    """Lies in a module that worker processes cannot import."""


@pytest.mark.slow
def test_an_objective_that_workers_cannot_import_is_named_and_no_trial_fails(make_plan: MakePlan) -> None:
    plan = make_plan("4", objective=OnlyHere(), engine="processes", jobs=2, confirm=0)
    with pytest.raises(InputError, match=r"cannot load the objective \(ModuleNotFoundError: .*--engine single"):
        search(plan)
    assert not any(t.counted for t in load_result(open_storage(plan.where), plan.study).trials)


def test_lanes_leave_the_sampler_some_rounds() -> None:
    assert [widths_for(n) for n in (1, 5, 6, 12, 60)] == [[], [], [2], [2, 4], [5, 10, 20]]
    assert [widths_for(n)[-1] for n in (40, 100, 192, 200, 1e9)] == [14, 34, 64, 50, 64]
    gains = {5: 1.5, 10: 2.0, 20: 2.3}
    assert max(gains, key=lambda n: worth(gains[n], n, 60)) == 10
    assert max(gains, key=lambda n: worth(gains[n], n, 1000)) == 20


def test_the_seconds_of_lanes_add_up_to_the_wall_time_and_the_choice_knows() -> None:
    objective = TaskObjective(get_task("digits"))
    data, recipe = objective.data("cpu"), objective.recipe()
    lanes = Lanes(recipe, data, "cpu", 4)
    for trial, schedule in enumerate(default_space("sgd", EPOCHS).sample(np.random.default_rng(0), 4)):
        lanes.put(trial, schedule, seed=0, epochs=2)
    lanes.run_epoch()
    begun = time.perf_counter()
    seconds = sum(m.seconds for m in lanes.run_epoch().values())
    assert 0.3 * (time.perf_counter() - begun) < seconds <= time.perf_counter() - begun
    speeds = lane_speeds(recipe, part_of(recipe, data, "cpu"), "cpu", [4])
    assert speeds[4].epochs < 4 * speeds[1].epochs, "four lanes are at most four times as fast, and here far less"


def test_lanes_replay_their_step_where_that_pays_and_the_session_says_why(
    digits: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    real = Lanes.__init__

    def made(self: Lanes, *args: Any, graph: bool = False) -> None:
        asked.append(graph)
        real(self, *args, graph=graph)

    monkeypatch.setattr(Lanes, "__init__", made)
    monkeypatch.setattr("lrsearch.objectives.lanes.choose_graph", lambda *a: (True, "a graph is fast"))
    result = search(digits("6"))
    assert asked[-1]
    assert result.sessions[0]["why"] == "as asked for; a graph is fast"


def test_nothing_is_said_to_be_measured_where_nothing_is(digits: MakePlan) -> None:
    progress = StopAfter(99)
    search(digits("1", engine="auto", jobs=0), progress)
    notes = [n for n in progress.notes if not n.startswith("Other programs use")]  # this machine may be busy
    assert notes == ["Training one trial at a time (too few trials to train several at once)."]
