"""Param groups with a multiplier of their own: every rate that optimizers had, in a search and from every export."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from schedules import SCHEDULES, STEPS, make_record, run_code, schedule_id

from lrsearch import run as run_search
from lrsearch.cli import main
from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Run, TrainedOptimizer
from lrsearch.reports.export import export, read_best
from lrsearch.reports.facts.numbers import rate
from lrsearch.run_folder import load
from lrsearch.search import SearchResult
from lrsearch.spaces import (
    Range,
    Schedule,
    ScheduleSpace,
    default_space,
    space_from_dict,
    space_from_toml,
    space_to_dict,
    space_to_toml,
)

HEAD = "groups.head.multiplier"
TOML = """
families = ["exp", "cosine"]
[groups.head]
multiplier = { low = 0.1, high = 10, log = true, default = 2 }
"""
SPACE = space_from_toml(TOML, default_space("sgd", 3))
SOME = [replace(s, beside={HEAD: 3.1}) for s in SCHEDULES if s.horizon == 5]
SHARES = (0.1, 3.1, 1.0)
"""Of the groups of `optimizer`, with the multiplier 3.1."""


def optimizer(name: str = "head", **head: Any) -> torch.optim.SGD:
    """A body with a tenth of the others' rate, and a head with a name, whose own ratio is of no account."""
    body, top, rest = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))
    groups = [{"params": [body], "lr": 1e-4}, {"params": [top], "name": name, "lr": 0.5, **head}, {"params": [rest]}]
    return torch.optim.SGD(groups, lr=1e-3)


def stepped(schedule: Schedule, made: Sequence[torch.optim.Optimizer], schedulers: Sequence[Any]) -> np.ndarray:
    """Every group's rate at every optimizer step, shape (steps, groups)."""
    rates = []
    for done in range(1, len(schedule.curve(STEPS)) + 1):
        rates.append([float(group["lr"]) for one in made for group in one.param_groups])
        for one in made:
            one.step()
        if schedule.interval == "step" or done % STEPS == 0:
            for scheduler in schedulers:
                scheduler.step()
    return np.array(rates)


def assert_shares(rates: np.ndarray, schedule: Schedule, *shares: float) -> None:
    """Each group's rate is its share of the schedule's, to 1e-12; 0 and what recursions leave of it are equal."""
    expected = np.outer(schedule.curve(STEPS), shares)
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-12 * schedule.base_lr)


@pytest.mark.parametrize("schedule", SOME, ids=schedule_id)
def test_every_rate_is_the_groups_share_of_the_curve(schedule: Schedule, tmp_path: Path) -> None:
    made = optimizer()
    rates = stepped(schedule, [made], [schedule.scheduler(made, STEPS)])
    assert_shares(rates, schedule, *SHARES)
    record = make_record(schedule, optimizer=TrainedOptimizer.of(optimizer()))
    made = optimizer()
    names = run_code(export(record, None, "torch"))
    assert names["MULTIPLIERS"] == {"head": 3.1}
    assert "PARAMS" not in names
    assert_shares(stepped(schedule, [made], [names["build_scheduler"](made, STEPS)]), schedule, *SHARES)
    (tmp_path / "best.json").write_text(export(record, None, "json"))
    again = read_best(tmp_path / "best.json").schedule
    assert again == schedule
    assert again.multipliers == {"head": 3.1}
    with pytest.raises(ValueError, match=r"no param group with the name of \{'head'\}"):
        names["build_scheduler"](optimizer("neck"), STEPS)


def test_a_schedule_made_anew_for_an_optimizer_gives_it_the_same_rates() -> None:
    schedule, made = SOME[0], optimizer()
    for _ in range(2):
        schedule.scheduler(made, STEPS)
        assert [group["lr"] for group in made.param_groups] == pytest.approx([0.03, 0.93, 0.3], rel=1e-12)


def test_several_optimizers_share_a_base_lr_that_the_named_group_has_no_part_in() -> None:
    schedule = Schedule("cosine", 0.3, 5, {"eta_min": 0.03}, warmup=1, beside={HEAD: 0.5})
    others = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=2e-3)
    made = [others, optimizer()]
    rates = stepped(schedule, made, [schedule.scheduler(made, STEPS)])
    assert_shares(rates, schedule, 1.0, 0.05, 0.5, 0.5)
    made = [torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=2e-3), optimizer()]
    code = export(make_record(schedule, optimizer=TrainedOptimizer.of(*made)), None, "torch")
    assert_shares(
        stepped(schedule, made, run_code(code)["build_scheduler"](made, STEPS)), schedule, 1.0, 0.05, 0.5, 0.5
    )


def test_timm_gives_the_share_and_transformers_says_who_does() -> None:
    pytest.importorskip("timm")
    schedule, made = Schedule("cosine", 0.3, 5, beside={HEAD: 3.1}), optimizer()
    record = make_record(schedule, optimizer=TrainedOptimizer.of(optimizer()))
    scheduler = run_code(export(record, None, "timm"))["build_scheduler"](made, STEPS)
    rates = []
    for done in range(1, 5 * STEPS + 1):
        rates.append([float(group["lr"]) for group in made.param_groups])
        made.step()
        scheduler.step_update(num_updates=done)
    assert_shares(np.array(rates), schedule, *SHARES)
    with pytest.raises(InputError, match=r"groups had different ones\. Formats that can: torch"):
        export(record, None, "transformers")


def test_a_plateau_lowers_every_group_from_its_share_on() -> None:
    schedule = Schedule("plateau", 0.2, 5, {"factor": 0.5, "patience": 0}, beside={HEAD: 10.0})
    names = run_code(export(make_record(schedule, optimizer=TrainedOptimizer.of(optimizer())), None, "torch"))
    made = optimizer()
    scheduler = names["build_scheduler"](made)
    for value in (0.5, 0.6):
        scheduler.step(value)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.01, 1.0, 0.1])


RATES: list[list[float]] = []
"""What the groups of a trial stepped with, filled by `job`."""


def job(run: Run) -> Iterator[dict[str, float]]:
    """Lowest where the head has five times the body's rate."""
    RATES.clear()
    made = optimizer()
    scheduler = run.scheduler(made, steps_per_epoch=STEPS)
    top = made.param_groups[1]["lr"] / made.param_groups[2]["lr"]
    for epoch in range(run.epochs):
        for _ in range(STEPS):
            RATES.append([float(group["lr"]) for group in made.param_groups])
            made.step()
            scheduler.step()
        yield {"val_loss": 1 + np.log(top / 5) ** 2 + 1 / (epoch + 1)}
    share = run._schedule.multipliers["head"]
    assert_shares(np.array(RATES), run._schedule, 0.1, share, 1.0)
    assert not run.params


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A search over the multiplier; every trial compares the rates that it had."""
    return run_search(
        job, space=SPACE, epochs=3, budget=20, confirm=0, out=tmp_path_factory.mktemp("runs"), device="cpu", jobs=1
    )


def test_the_search_learns_the_multiplier_and_stores_it(result: SearchResult) -> None:
    assert {t.outcome for t in result.trials} <= {"complete", "pruned"}
    winner = result.ranking[0].schedule
    assert winner is not None
    assert 3 < winner.multipliers["head"] < 8
    assert all(HEAD in t.params for t in result.trials)
    assert {t.schedule.multipliers["head"] for t in result.baselines if t.schedule} == {2.0}
    assert result.space == SPACE


def test_the_report_draws_the_groups_rate_and_names_the_multiplier(result: SearchResult) -> None:
    folder = Path(result.folder or "")
    page = (folder / "report.html").read_text()
    assert "lr of head" in page
    assert "param group head" in page
    winner = result.ranking[0].schedule
    assert winner is not None
    assert f"{rate(winner.multipliers['head'])} times that for head" in page
    assert "of base_lr, the rate of the param group head" in re.sub(r"<[^>]*>", "", page)
    assert load(str(folder / "best.json")).schedule == result.best.schedule
    code = (folder / "best.py").read_text()
    assert "MULTIPLIERS = {'head': " in code
    assert "torch.optim.SGD(groups, lr=0.001)  # the groups of the search, with their names" in code


def test_a_space_with_groups_is_read_back() -> None:
    assert space_from_dict(space_to_dict(SPACE)) == SPACE
    assert SPACE.usual == {HEAD: 2.0}
    fixed = space_from_toml("[groups.head]\nmultiplier = 10", default_space("sgd", 3))
    assert space_from_dict(space_to_dict(fixed)) == fixed
    assert fixed.usual == {HEAD: 10.0}
    assert {s.multipliers["head"] for s in fixed.sample(np.random.default_rng(0), 3)} == {10.0}
    offered = re.sub(
        r"^# (?=\[|weight|batch|mult)", "", space_to_toml(default_space("sgd", 3), offers=True), flags=re.M
    )
    read = space_from_toml(offered, default_space("sgd", 3))
    assert read.beside.keys() == {"weight_decay", "batch_size", HEAD}
    assert read.usual[HEAD] == 1.0
    assert space_from_dict(space_to_dict(read)) == read


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[groups]\nhead = 3", r"\[groups\.head\] has a multiplier of base_lr, and nothing else"),
        ("[groups.head]\ncooldown = 3", r"\[groups\.head\] has a multiplier of base_lr, and nothing else"),
        ('[groups."a head"]\nmultiplier = 3', "letters, digits, _ and - alone, got 'a head'"),
        ("[groups.head]\nmultiplier = 0", r"groups\.head\.multiplier must be a number from 1e-06 to 1e\+06, got 0"),
        ('[groups.head]\nmultiplier = ["a"]', r"groups\.head\.multiplier must be a number"),
        ("[groups.head]\nmultiplier = { low = 1 }", r"groups\.head\.multiplier needs low and high"),
        ("[groups.head]\nmultiplier = { low = 1, high = 2, default = 3 }", "must be among what is searched, got 3"),
    ],
)
def test_a_wrong_table_is_answered_in_a_line(table: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        space_from_toml(table, default_space("sgd", 8))


@pytest.mark.parametrize("value", ["3", True, None, -1.0, float("nan"), 1e9])
def test_a_multiplier_in_a_file_that_is_none_is_refused(value: Any) -> None:
    data = {**SOME[0].to_dict(), "beside": {HEAD: value}}
    with pytest.raises(InputError, match=r"groups\.head\.multiplier must be a number from"):
        Schedule.from_dict(data)


def nameless(run: Run) -> Iterator[float]:
    made = optimizer("neck")
    scheduler = run.scheduler(made, steps_per_epoch=1)
    for _ in range(run.epochs):
        made.step()
        scheduler.step()
        yield 1.0


def by_itself(run: Run) -> Iterator[float]:
    yield from run.schedule.curve(1)


def test_a_job_that_passes_over_the_multiplier_is_told_so(tmp_path: Path) -> None:
    space = ScheduleSpace(horizon=3, beside={HEAD: Range(0.1, 10, log=True)})
    options: dict[str, Any] = {"space": space, "budget": 2, "out": tmp_path, "confirm": 0, "device": "cpu"}
    with pytest.raises(ObjectiveError, match=r"group 'head', and the groups with a name are neck: give it one, as"):
        run_search(nameless, **options)
    with pytest.raises(
        ObjectiveError, match=r"sets its rates itself, and would pass over the multipliers of \[groups\]"
    ):
        run_search(by_itself, **options)


def test_schedulers_of_several_optimizers_need_the_name_once(tmp_path: Path) -> None:
    def two(run: Run) -> Iterator[float]:
        made = [optimizer("neck"), optimizer()]
        schedulers = [run.scheduler(one, steps_per_epoch=STEPS) for one in made]
        rates = []
        for _ in range(run.epochs):
            for _ in range(STEPS):
                rates.append([float(group["lr"]) for one in made for group in one.param_groups])
                for one, scheduler in zip(made, schedulers, strict=True):
                    one.step()
                    scheduler.step()
            yield 1.0
        assert_shares(np.array(rates), run._schedule, 2e-4, 1.0, 2e-3, 0.1, run._schedule.multipliers["head"], 1.0)

    result = run_search(two, space=SPACE, epochs=3, budget=2, confirm=0, out=tmp_path, device="cpu", jobs=1)
    assert {t.outcome for t in result.trials} == {"complete"}


def test_a_built_in_task_has_no_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "space.toml").write_text(TOML)
    options = ["--epochs", "3", "--space", str(tmp_path / "space.toml"), "--out", str(tmp_path)]
    assert main(["run", "digits", *options]) == 2
    assert "digits takes no [groups]: they are for your own job, which calls run.scheduler" in capsys.readouterr().err
