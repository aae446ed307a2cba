"""Other numbers searched beside the schedule: suggested, learnt from, shown, exported, confirmed and carried along."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import lrsearch
from lrsearch import run as run_search
from lrsearch.chosen_objective import objective_again
from lrsearch.cli import main
from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Run, TaskOptions, UserObjective
from lrsearch.reports.dashboard.texts import study_note
from lrsearch.reports.export import export
from lrsearch.reports.terminal.summary import print_summary
from lrsearch.run_folder import load, write_outputs
from lrsearch.search import Budget, Plan, SearchResult, search, train_longer
from lrsearch.search.progress import Silent
from lrsearch.spaces import (
    Choice,
    Range,
    Schedule,
    ScheduleSpace,
    default_space,
    params_from,
    space_from_dict,
    space_from_toml,
    space_to_dict,
)

TOML = """
families = ["exp", "cosine"]
[params]
weight_decay = { low = 1e-6, high = 1e-1, log = true, default = 1e-3 }
batch_size = { choices = [32, 64, 128], default = 64 }
layers = { low = 1, high = 4, step = 1 }
norm = { choices = ["batch", "layer"] }
"""
SPACE = space_from_toml(TOML, default_space("sgd", 8))
BEST = {"weight_decay": 1e-5, "batch_size": 128}


def loss_of(base_lr: float, weight_decay: float, batch_size: float) -> float:
    """Lowest at base_lr 0.1 and at `BEST`."""
    away = (np.log10(base_lr / 0.1), np.log10(weight_decay / BEST["weight_decay"]) / 2, np.log2(batch_size / 128))
    return 0.2 + float(np.square(away).sum())


def job(run: Run) -> Iterator[dict[str, float]]:
    decay, size = run.params["weight_decay"], run.params["batch_size"]
    assert isinstance(size, int)
    assert isinstance(run.params["layers"], int)
    assert run.params["norm"] in ("batch", "layer")
    assert run.params.get("dropout", 0.5) == 0.5
    end = loss_of(run.schedule.base_lr, float(decay), size)
    for epoch in range(run.epochs):
        yield {"train_loss": end, "val_loss": end + 0.01 * run.seed + 1 / (epoch + 1)}


def plan(out: Path, budget: str, space: ScheduleSpace = SPACE, **changes: Any) -> Plan:
    given = {"study": "beside", "out": str(out), "device": "cpu", "jobs": 1, "confirm": 0, "spend_all": True, **changes}
    return Plan(UserObjective(job, "sgd", 8), space, Budget.parse(budget), **given)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A confirmed search, followed to a longer training."""
    made = plan(tmp_path_factory.mktemp("runs"), "50", confirm=3)
    search(made)
    followed = train_longer(made, [16], 2, Silent())
    write_outputs(followed)
    return followed


def test_values_are_suggested_to_optuna_and_given_to_the_job(result: SearchResult) -> None:
    names = {"params.weight_decay", "params.batch_size", "params.layers", "params.norm"}
    for trial in result.trials:
        assert trial.schedule is not None
        assert names <= trial.params.keys()
        beside = trial.schedule.beside
        assert beside["weight_decay"] == pytest.approx(trial.params["params.weight_decay"], rel=1e-3)
        assert str(beside["batch_size"]) == trial.params["params.batch_size"]
        if trial.outcome == "complete":
            assert trial.value is not None
            expected = loss_of(trial.schedule.base_lr, float(beside["weight_decay"]), float(beside["batch_size"]))
            assert trial.value == pytest.approx(expected + 1 / 8)


def test_baselines_have_the_defaults(result: SearchResult) -> None:
    usual = {"weight_decay": 1e-3, "batch_size": 64, "layers": 3, "norm": "batch"}
    assert SPACE.usual == usual
    assert {json.dumps(t.schedule.beside) for t in result.baselines if t.schedule} == {json.dumps(usual)}


@pytest.mark.slow
def test_the_surrogate_finds_what_random_search_does_not(tmp_path: Path) -> None:
    """Medians of the best values over three seeds, 24 trials each."""

    def best(sampler: str) -> float:
        results = (search(plan(tmp_path / f"{sampler}{s}", "24", sampler=sampler, seed=s)) for s in range(3))
        return float(np.median([min(t.value or 9.0 for t in r.ranking) - 0.01 * i for i, r in enumerate(results)]))

    assert best("curve") < best("random")


def test_the_report_and_every_export_name_the_values(result: SearchResult) -> None:
    folder, console = Path(result.folder or ""), Console(record=True, width=140, file=io.StringIO())
    print_summary(result, console)
    page = re.sub(r"<[^>]*>", "", (folder / "report.html").read_text())
    for text in (page, console.export_text(), study_note(result), (folder / "best.py").read_text()):
        assert "weight" in text
        assert "batch" in text
    assert "params.weight_decay" in page, "the figure of the parameter"
    winner = result.ranking[0]
    assert winner.schedule is not None
    scope: dict[str, Any] = {}
    exec(export(winner, result, "torch"), scope)
    assert scope["PARAMS"] == winner.schedule.beside
    assert json.loads(export(winner, result, "json"))["schedule"]["beside"] == winner.schedule.beside
    assert load(str(folder / "best.json")).schedule == result.best.schedule


def test_confirmation_and_longer_trainings_carry_the_values(result: SearchResult) -> None:
    for runs in (result.confirming, result.transfer):
        assert runs
        for trial in runs:
            assert trial.schedule is not None
            assert trial.confirms is not None
            searched = result.trial(trial.confirms).schedule
            assert searched is not None
            assert trial.schedule.beside == searched.beside


def test_a_space_with_params_is_read_back(tmp_path: Path) -> None:
    assert space_from_dict(space_to_dict(SPACE)) == SPACE
    again = search(plan(tmp_path, "5"))
    assert again.space == SPACE
    assert len(search(plan(tmp_path, "7")).trials) == 7
    schedule = SPACE.sample(np.random.default_rng(0), 1)[0]
    assert SPACE.contains(schedule)
    assert Schedule.from_dict(schedule.to_dict()) == schedule


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("weight_decay = 0.1", r"params\.weight_decay is \{ low, high \} or \{ choices"),
        ("x = { low = 0, high = 1, default = 2 }", r"default of params\.x must be among"),
        ("x = { low = 1, high = 0 }", r"params\.x: a range needs low <= high"),
        ("x = { choices = [1, 1] }", "distinct names"),
        ('x = { choices = ["1"] }', "takes numbers and words"),
        ('"a b" = { low = 0, high = 1 }', "a name as in Python"),
        ("x = { choices = [1], low = 0 }", "choices = "),
    ],
)
def test_a_wrong_table_is_answered_in_a_line(table: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        space_from_toml(f"[params]\n{table}", default_space("sgd", 8))


def test_what_takes_no_params_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "space.toml").write_text("[params]\nweight_decay = { low = 0, high = 1 }")
    assert main(["run", "digits", "--space", str(tmp_path / "space.toml"), "--out", str(tmp_path)]) == 2
    assert "digits takes no [params]: they are for your own job" in capsys.readouterr().err


def never_reads(run: Run) -> Iterator[float]:
    yield from (run.schedule.base_lr for _ in range(run.epochs))


def reads_what_is_not_searched(run: Run) -> Iterator[float]:
    yield from (float(run.params["dropout"]) for _ in range(run.epochs))


def test_a_job_that_does_not_train_with_a_value_is_told_so(tmp_path: Path) -> None:
    space = ScheduleSpace(horizon=4, beside={"weight_decay": Range(1e-6, 0.1, log=True), "norm": Choice(("a", "b"))})
    options: dict[str, Any] = {"space": space, "budget": 2, "out": tmp_path, "confirm": 0, "device": "cpu"}
    with pytest.raises(ObjectiveError, match=r"never took run\.params\['weight_decay'\], which is searched"):
        run_search(never_reads, **options)
    with pytest.raises(InputError, match=r"run\.params has no 'dropout': search it, .* run\.params\.get\('dropout'"):
        run_search(reads_what_is_not_searched, **options)


def takes_it_anywhere(run: Run) -> Iterator[float]:
    yield from (run.schedule.base_lr + lrsearch.param("weight_decay") for _ in range(run.epochs))


def test_ranges_are_given_from_python(tmp_path: Path) -> None:
    options: dict[str, Any] = {"budget": 7, "out": tmp_path, "confirm": 0, "device": "cpu", "epochs": 3}
    table = {"weight_decay": {"low": 1e-6, "high": 0.1, "log": True, "default": 0.01}}
    by_table = run_search(takes_it_anywhere, params=table, **options)
    assert by_table.space.usual == {"weight_decay": 0.01}
    assert len({t.schedule.beside["weight_decay"] for t in by_table.trials if t.schedule}) > 1
    space = ScheduleSpace(horizon=3, beside={"weight_decay": Range(0, 1)})
    with pytest.raises(InputError, match="the space has \\[params\\] of its own, as weight_decay"):
        run_search(takes_it_anywhere, space=space, params=table, **options)


def test_lists_and_ranges_are_ranges_too() -> None:
    beside, usual = params_from({"size": [32, 64], "decay": Range(0, 1), "norm": Choice(("a", "b"))})
    assert beside == {"size": Choice(("32", "64")), "decay": Range(0, 1), "norm": Choice(("a", "b"))}
    assert usual == {"size": 32, "decay": 0.5, "norm": "a"}


SCRIPT = """
import json, math, os, sys
import lrsearch
base_lr = json.load(open(os.environ["LRSEARCH_TRIAL"] + "/schedule.json"))["base_lr"]
decay, size = float(sys.argv[1]), lrsearch.param("batch_size", 16)
lrsearch.seed()
for epoch in range(3):
    loss = (math.log10(base_lr) + 1) ** 2 + (math.log10(decay) + 5) ** 2 / 4 + (math.log2(size) - 7) ** 2
    REPORT
"""
REPORT, PRINT = "lrsearch.report(val_loss=loss)", "print('val_loss', loss)"
FLAGS = ("{weight_decay}", "{base_lr}", "{family}", "{warmup}", "{params}")


def searched(tmp_path: Path, words: tuple[str, ...], script: str = SCRIPT, **options: Any) -> SearchResult:
    (tmp_path / "train.py").write_text(script.replace("REPORT", PRINT if "metric_regex" in options else REPORT))
    given: dict[str, Any] = {"budget": 6, "out": tmp_path, "confirm": 0, "epochs": 3, "optimizer": "sgd", **options}
    params = {"weight_decay": Range(1e-6, 0.1, log=True), "batch_size": [32, 64, 128]}
    return run_search(arguments=[sys.executable, str(tmp_path / "train.py"), *words], params=params, **given)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"metric_regex": r"val_loss (\S+)"}])
def test_a_command_gets_the_values_by_fields_and_by_its_script(tmp_path: Path, how: dict[str, str]) -> None:
    result = searched(tmp_path, FLAGS, **how)
    assert [t.outcome for t in result.trials if t.outcome not in ("complete", "pruned")] == []
    for trial in result.trials:
        assert trial.schedule
        beside, rate = trial.schedule.beside, np.log10(trial.schedule.base_lr)
        decay, size = np.log10(float(beside["weight_decay"])), np.log2(float(beside["batch_size"]))
        assert trial.metrics["val_loss"][-1] == pytest.approx((rate + 1) ** 2 + (decay + 5) ** 2 / 4 + (size - 7) ** 2)
    page = (tmp_path / "train" / "report.html").read_text()
    assert "params.weight_decay" in page
    assert json.loads((tmp_path / "train" / "best.json").read_text())["schedule"]["beside"].keys() == {
        "weight_decay",
        "batch_size",
    }


def test_a_command_that_leaves_a_value_out_is_told_so(tmp_path: Path) -> None:
    script = SCRIPT.replace('lrsearch.param("batch_size", 16)', "64")
    said = r"train never took batch_size, which is searched: add it to the command, as --batch_size \{batch_size\}, or"
    with pytest.raises(ObjectiveError, match=said):
        searched(tmp_path, FLAGS, script)
    with pytest.raises(InputError, match=r"unknown field \{weight_decy\}.*Did you mean \{weight_decay\}"):
        searched(tmp_path, ("{weight_decy}",))


@pytest.mark.slow
def test_a_command_whose_optimizer_is_found_out_has_the_usual_values_meanwhile(tmp_path: Path) -> None:
    script = """
import sys, torch, lrsearch
optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], weight_decay=float(sys.argv[1]))
scheduler = lrsearch.scheduler(optimizer, 2)
size = lrsearch.param("batch_size", 16)
lrsearch.seed()
for epoch in range(3):
    for _ in range(2): optimizer.step(), scheduler.step()
    REPORT
""".replace("REPORT", "lrsearch.report(val_loss=size + optimizer.param_groups[0]['weight_decay'])")
    result = searched(tmp_path, ("{weight_decay}",), script, optimizer=None, budget=2)
    assert result.settings["optimizer"] == "adamw"
    assert len(result.trials) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "said"), [("head", ""), ("haed", "multiplier for the param group 'head'")])
def test_a_command_follows_multipliers_of_param_groups(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "train.py").write_text(
        f"""
import torch, lrsearch
body, head = ({{"params": [torch.nn.Parameter(torch.ones(1))], "name": n}} for n in ("body", {name!r}))
optimizer = torch.optim.SGD([body, head], lr=0.1)
scheduler = lrsearch.scheduler(optimizer, 2)
lrsearch.seed()
for epoch in range(3):
    for _ in range(2):
        low, high = (group["lr"] for group in optimizer.param_groups)
        optimizer.step(), scheduler.step()
    lrsearch.report(val_loss=high / low)
"""
    )
    (tmp_path / "space.toml").write_text("[groups.head]\nmultiplier = { low = 0.1, high = 10, log = true }")
    given: dict[str, Any] = {"budget": 2, "out": tmp_path, "confirm": 0, "epochs": 3, "space": tmp_path / "space.toml"}
    command = [sys.executable, str(tmp_path / "train.py")]
    if said:
        with pytest.raises(InputError, match=said):
            run_search(arguments=command, **given)
        return
    for trial in run_search(arguments=command, **given).trials:
        assert trial.schedule
        assert trial.metrics["val_loss"][-1] == pytest.approx(trial.schedule.multipliers["head"])


def test_a_command_is_given_again_from_python_for_a_search_that_has_begun(tmp_path: Path) -> None:
    result = searched(tmp_path, FLAGS, budget=2)
    words = [sys.executable, str(tmp_path / "train.py"), *FLAGS]
    again = objective_again(result, lrsearch.Command(words, "sgd", 3), (), "cpu", TaskOptions())
    assert result.best.schedule
    measured = list(again.run(result.best.schedule, epochs=3, seed=0, device="cpu"))
    assert measured[-1].metrics["val_loss"] == result.best.value
