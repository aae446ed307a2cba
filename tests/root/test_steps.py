"""Trainings without epochs: a horizon in optimizer steps, one report every so many; a person reads of steps alone."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from step_job import RATES, losses, objective, pushes, train_step

from lrsearch.cli import main
from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Run, UserObjective
from lrsearch.reports.dashboard.texts import study_note, trial_csv, trial_svg
from lrsearch.reports.export import FORMATS, export
from lrsearch.reports.terminal.progress import LineProgress
from lrsearch.reports.terminal.summary import print_summary
from lrsearch.run_folder import load, write_outputs
from lrsearch.search import Budget, Plan, SearchResult, make_pruner, search, train_longer
from lrsearch.spaces import (
    Counting,
    Range,
    Schedule,
    default_space,
    schedule_from_line,
    space_from_dict,
    space_from_toml,
    space_to_dict,
    space_to_toml,
    steps_counting,
)

COUNTING = steps_counting(200, 20)
SPACE = default_space("sgd", 200, ("exp", "step", "cosine", "wsd"), counting=COUNTING)
FITTING = [
    Schedule("exp", 0.05, 200, {"gamma": 0.99}, warmup=20.0, unit="step"),
    Schedule("cosine", 0.1, 200, {"T_max": 150.0}, warmup=40.0, unit="step"),
    Schedule("wsd", 0.1, 200, {"cooldown": 60.0}, unit="step"),
    Schedule("step", 0.1, 200, {"step_size": 33.0, "gamma": 0.3}, unit="step"),
    Schedule("multistep", 0.1, 200, warmup=7.0, warmup_shape="cosine", unit="step"),
]


def plan(out: Path, budget: str = "12", job: Callable[[Run], Any] = objective, **changes: Any) -> Plan:
    given = {"study": "steps", "out": str(out), "device": "cpu", "jobs": 1, "confirm": 0, "spend_all": True, **changes}
    made = UserObjective(job, "sgd", COUNTING.reports(SPACE.horizon), counting=COUNTING)
    return Plan(made, SPACE, Budget.parse(budget), **given)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A confirmed search, followed to a longer training."""
    made = plan(tmp_path_factory.mktemp("runs"), "26", confirm=3)
    search(made)
    followed = train_longer(made, [400], 2, LineProgress(Console(file=io.StringIO())))
    write_outputs(followed)
    return followed


@pytest.mark.parametrize("schedule", FITTING, ids=lambda s: s.family)
@pytest.mark.parametrize("job", [objective, pushes])
def test_the_optimizer_really_has_the_rates_of_the_schedule_at_every_step(
    schedule: Schedule, job: Callable[[Run], Any]
) -> None:
    made = UserObjective(job, "sgd", 10, counting=COUNTING)
    seen = list(made.run(schedule, epochs=10, seed=0, device="cpu"))
    np.testing.assert_allclose(RATES, schedule.curve(), rtol=1e-12)
    assert [m.epoch for m in seen] == list(range(1, 11))
    np.testing.assert_allclose([m.lr for m in seen], schedule.curve()[19::20], rtol=1e-12)


def test_push_form_and_generator_give_the_same_trials(tmp_path: Path) -> None:
    results = [search(plan(tmp_path / job.__name__, "7", job=job)) for job in (objective, pushes)]
    first, second = ([(t.outcome, t.params, t.metrics) for t in result.trials] for result in results)
    assert first == second


def test_a_study_stores_steps_and_not_epochs(run: SearchResult) -> None:
    assert (run.settings["steps"], run.settings["every"], "epochs" in run.settings) == (200, 20, False)
    assert (run.horizon, run.epochs, run.counting) == (200, 10, Counting("step", 20))
    assert run.space == SPACE
    for trial in run.trials:
        assert trial.schedule is not None
        assert trial.schedule.unit == "step"
        assert trial.schedule.warmup == int(trial.schedule.warmup)
    assert load(run.folder or "").trials == run.trials


def test_optuna_sees_reports_at_their_steps(run: SearchResult) -> None:
    import optuna

    from lrsearch.search import open_storage

    study = optuna.load_study(study_name="steps", storage=open_storage(f"{run.folder}/journal.log"))
    assert list(study.trials[0].intermediate_values) == list(range(20, 201, 20))
    assert all(max(t.intermediate_values) <= 200 for t in study.trials if t.intermediate_values)


def visible(page: str) -> str:
    """What a person reads of a page, Plotly's labels included."""
    figures = "".join(re.findall(r"<script[^>]*application/json.*?</script>", page, flags=re.S))
    text = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.S)
    spoken = "".join(re.findall(r'(?:aria-label|title|alt)="([^"]*)"', text))
    return html.unescape(re.sub(r"<[^>]*>", "", text)) + spoken + figures


def test_nothing_that_a_person_reads_speaks_of_epochs(run: SearchResult) -> None:
    folder, console = Path(run.folder or ""), Console(record=True, width=120, file=io.StringIO())
    print_summary(run, console)
    texts = {
        "page": visible((folder / "report.html").read_text()),
        "terminal": console.export_text(),
        "best.py": (folder / "best.py").read_text(),
        "best.json": (folder / "best.json").read_text().replace('"steps_per_epoch": null', ""),
        "note": study_note(run),
        "files": trial_csv(run.best, COUNTING) + trial_svg(run.best, COUNTING),
        "reasons": " ".join(t.reason for t in run.trials),
        "space": space_to_toml(SPACE, offers=True),
    }
    mentions = {name: re.findall(r"[^\n]{0,40}epoch[^\n]{0,30}", text) for name, text in texts.items()}
    assert not {name: said for name, said in mentions.items() if said}
    assert "200 steps" in texts["page"]
    assert "--steps 800" in texts["terminal"]
    assert "400 steps" in texts["page"], "the longer training"


@pytest.mark.parametrize("schedule", FITTING, ids=lambda s: s.family)
def test_exported_code_counts_steps_and_gives_the_same_rates(run: SearchResult, schedule: Schedule) -> None:
    from dataclasses import replace

    record = replace(run.trials[0], schedule=schedule)
    scope: dict[str, Any] = {}
    code = export(record, run, "torch")
    exec(code, scope)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = scope["build_scheduler"](optimizer), []
    for _ in range(200):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, schedule.curve(), rtol=1e-12)
    assert "epoch" not in code
    longer = json.loads(export(record, run, "json", steps=1000))["schedule"]
    assert (longer["horizon"], longer["unit"]) == (1000, "step")
    for name in FORMATS:
        try:
            text = export(record, run, name)
        except InputError as error:
            text = str(error).replace("steps_per_epoch", "")
        assert "epoch" not in re.sub(r"steps_per_epoch|\w+_epochs|updates_per_epoch", "", text), name


def test_lengths_are_given_in_the_unit_of_the_search(run: SearchResult) -> None:
    with pytest.raises(InputError, match=r"counted steps.*--steps"):
        export(run.best, run, "torch", epochs=20)
    with pytest.raises(InputError, match="leave it out"):
        export(run.best, run, "torch", steps_per_epoch=20)


def test_a_space_file_has_its_lengths_in_steps() -> None:
    assert space_from_dict(space_to_dict(SPACE)) == SPACE
    space = space_from_toml('steps = 200\nwarmup = "10%"\n[cosine]\nT_max = {low = 100, high = 180}', SPACE)
    assert space.warmup is not None
    assert (space.warmup.low, space.counting) == (20.0, COUNTING)
    with pytest.raises(InputError, match=r"made for 20 epochs, and trials have 200 steps: pass --epochs 20"):
        space_from_toml("epochs = 20", SPACE)
    with pytest.raises(InputError, match=r"made for 200 steps, and trials have 20 epochs: pass --steps 200"):
        space_from_toml("steps = 200", default_space("sgd", 20))
    line = schedule_from_line("cosine:base_lr=0.1,warmup=20", 200, unit="step")
    assert line == Schedule("cosine", 0.1, 200, warmup=20.0, unit="step")


def test_the_default_ranges_mean_the_same_in_steps_and_in_epochs() -> None:
    few, many = default_space("sgd", 20), default_space("sgd", 20_000, counting=steps_counting(20_000, 1000))
    for name in ("cosine.T_max", "step.step_size", "exp.gamma"):
        a, b = few.range_of(name), many.range_of(name)
        assert isinstance(a, Range)
        assert isinstance(b, Range)
        if name == "exp.gamma":
            np.testing.assert_allclose(np.power((b.low, b.high), 1000), (a.low, a.high), rtol=1e-3)
        else:
            assert (b.low, b.high) == (1000 * a.low, 1000 * a.high)


@pytest.mark.parametrize("pruner", ["auto", "median", "halving", "hyperband"])
def test_every_pruner_takes_the_length_in_reports(pruner: str, tmp_path: Path) -> None:
    result = search(plan(tmp_path, "12", pruner=pruner, sampler="curve" if pruner == "auto" else "random"))
    assert sum(t.counted for t in result.trials) == 12
    assert all("step" in t.reason for t in result.trials if t.outcome == "pruned")
    make_pruner(pruner, SPACE)


def test_a_budget_in_steps_is_kept(tmp_path: Path) -> None:
    result = search(plan(tmp_path, "1010steps", pruner="none"))
    assert sum(t.epochs for t in result.trials) * 20 == 1000
    assert result.trials[-1].outcome in ("complete", "out of budget")


def too_early(run: Run) -> Iterator[float]:
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters())
    scheduler = run.scheduler(optimizer)
    for step in range(run.steps):
        train_step(model, optimizer)
        scheduler.step()
        if (step + 1) % 7 == 0:
            yield losses(model)["val_loss"]


def by_epochs(run: Run) -> Iterator[float]:
    yield from (0.1 for _ in range(run.epochs))


def miscounts(run: Run) -> None:
    optimizer = torch.optim.SGD(torch.nn.Linear(4, 1).parameters())
    run.scheduler(optimizer)
    run.report(1, val_loss=0.1)


def ends_early(run: Run) -> Iterator[float]:
    run.schedule  # noqa: B018
    yield 0.1


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (too_early, r"scheduler\.step\(\) 7 times in 20 steps, not 20.*report after every 20 of them"),
        (by_epochs, r"counts steps, and has no run\.epochs: train for run\.steps"),
        (miscounts, r"reported step 1 after 0 report\(s\), not 19 or 20: call run\.report\(step, .* every 20 steps"),
    ],
)
def test_wrong_use_is_answered_in_a_line_in_steps(job: Callable[[Run], Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        search(plan(tmp_path, "3", job=job))


def test_a_training_that_ends_early_is_told_in_steps(tmp_path: Path) -> None:
    result = search(plan(tmp_path, "2", job=ends_early))
    assert "ended after 20 of 200 steps: yield after every 20 steps" in result.trials[0].reason


def test_steps_must_be_whole_reports() -> None:
    assert steps_counting(2000, None) == Counting("step", 100)
    assert steps_counting(2048, None) == Counting("step", 128)
    for steps, every, message in (
        (2050, 100, r"multiple of every.*--steps 2000 or 2100"),
        (2003, None, r"say with --every how often 2003 steps are reported, or take --steps 2000"),
        (100, 200, r"from 1 to the 100 steps"),
        (0, None, "steps must be a whole number"),
    ):
        with pytest.raises(InputError, match=message):
            steps_counting(steps, every)


def test_a_schedule_in_steps_needs_no_number_of_steps_in_an_epoch() -> None:
    schedule = FITTING[0]
    assert Schedule.from_dict(schedule.to_dict()) == schedule
    assert schedule.describe() == "exp, base_lr 0.05, gamma 0.99, warmup 20, 200 steps"
    np.testing.assert_array_equal(schedule.curve(), schedule.curve(7))
    np.testing.assert_allclose(schedule.in_epochs_of(20).curve(20), schedule.curve(), rtol=1e-12)
    with pytest.raises(InputError, match="interval must be 'step'"):
        Schedule("exp", 0.1, 100, unit="step", interval="epoch")
    with pytest.raises(InputError, match="steps_per_epoch must be a finite number of at least 1, got None"):
        Schedule("exp", 0.1, 10).curve()


def test_steps_are_refused_where_epochs_are_counted() -> None:
    run = Run(Schedule("exp", 0.1, 10), 10, 0, "cpu")
    for name in ("steps", "every"):
        with pytest.raises(ObjectiveError, match=r"counts epochs.*--steps N --every M"):
            getattr(run, name)
    with pytest.raises(ObjectiveError, match="needs the number of optimizer steps in an epoch"):
        run.scheduler(torch.optim.SGD(torch.nn.Linear(1, 1).parameters()))


def test_the_command_line_takes_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job, out = f"{Path(__file__).parents[1] / 'step_job.py'}:objective", str(tmp_path)
    given = ["run", job, "--steps", "200", "--every", "20", "--budget", "8", "--out", out, "--jobs", "1"]
    assert main([*given, "--baseline", "cosine:base_lr=0.1,warmup=20"]) == 0
    said = capsys.readouterr().out
    assert "200 steps" in said
    assert "epoch" not in said
    assert main(["export", f"{out}/objective", "--steps", "900"]) == 0
    assert "range(900)" in capsys.readouterr().out
    assert main(["families", "--toml", "--steps", "200"]) == 0
    assert capsys.readouterr().out == space_to_toml(default_space("sgd", 200, counting=Counting("step")), offers=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--steps 200 --every 30", "multiple of every"),
        ("--every 30", "every needs steps"),
        ("--steps 200 --epochs 10", "not in both"),
        ("--steps 200 --budget 500ep", 'this search counts steps: give its budget as "50000steps"'),
        ("--epochs 10 --budget 500steps", 'this search counts epochs: give its budget as "500ep"'),
        ("--steps 200 --interval epoch", "leave --interval epoch out"),
        ("--steps 200 --baseline exp:base_lr=0.1,epochs=3", "counts steps, not epochs"),
    ],
)
def test_the_command_line_answers_wrong_use(
    options: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = f"{Path(__file__).parents[1] / 'step_job.py'}:objective"
    assert main(["run", job, "--out", str(tmp_path), *options.split()]) == 2
    assert message in capsys.readouterr().err
    assert main(["run", "digits", "--steps", "200"]) == 2
    assert "digits trains in epochs" in capsys.readouterr().err
