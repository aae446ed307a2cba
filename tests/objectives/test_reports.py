"""The push form: a job that owns its loop and reports gives the trials that a generator gives, and ends when told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from bowl import StopAfter
from rates import assert_follows, recorded_rates

from lrsearch.errors import InputError, ObjectiveError, StudyError
from lrsearch.objectives import Measurement, Run, UserObjective, train
from lrsearch.search import Plan, search
from lrsearch.spaces import Schedule

MakePlan = Callable[..., Plan]


def in_main() -> float:
    """1 in the main thread, where signals and CUDA want a training to be."""
    return float(threading.current_thread() is threading.main_thread())


def fit(run: Run, after_epoch: Callable[[int, float], bool]) -> None:
    """A training that asks after every epoch whether to go on."""
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    scheduler = run.scheduler(optimizer, 5)
    for epoch in range(run.epochs):
        for _ in range(5):
            loss = (model(torch.randn(8, 4)) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        if not after_epoch(epoch, loss.item()):
            return


def pushes(run: Run) -> None:
    fit(run, lambda epoch, loss: run.report(epoch, val_loss=loss, main=in_main()))


def counts_from_one_and_never_ends(run: Run) -> None:
    def after(epoch: int, loss: float) -> bool:
        with suppress(Exception):  # as people write around what logs
            run.report(epoch + 1, val_loss=loss, main=in_main())
        return True

    fit(run, after)
    run.report(run.epochs + 1, val_loss=0.0)


def yields(run: Run) -> Iterator[dict[str, float]]:
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    scheduler = run.scheduler(optimizer, 5)
    for _ in range(run.epochs):
        for _ in range(5):
            loss = (model(torch.randn(8, 4)) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        yield {"val_loss": loss.item(), "main": in_main()}


def trials(plan: Plan) -> list[Any]:
    return [(t.outcome, t.params, t.value, t.metrics, t.lr, t.optimizer) for t in search(plan).trials]


@pytest.mark.parametrize("push", [pushes, counts_from_one_and_never_ends])
def test_both_forms_give_the_same_trials(make_plan: MakePlan, push: Any) -> None:
    both = [
        trials(make_plan("12", objective=UserObjective(job, epochs=6), study=name, sampler="random", pruner="median"))
        for name, job in (("pull", yields), ("push", push))
    ]
    assert both[0] == both[1]
    assert {"complete", "pruned"} <= {outcome for outcome, *_ in both[0]}
    assert all(set(metrics["main"]) == {1.0} for _, _, _, metrics, *_ in both[0])


def test_a_job_is_ended_at_its_next_report_once_it_was_told_not_to_go_on() -> None:
    seen: list[Measurement] = []

    def twice(measurement: Measurement) -> bool:
        seen.append(measurement)
        return len(seen) < 2

    objective = UserObjective(counts_from_one_and_never_ends, "sgd", epochs=9)
    train(objective, Schedule("exp", 0.1, 9), twice, epochs=9, seed=0, device="cpu")
    assert [m.epoch for m in seen] == [1, 2]


def test_the_iterator_of_a_job_that_owns_its_loop_gives_what_it_reported() -> None:
    runs = [
        UserObjective(job, "sgd").run(Schedule("exp", 0.1, 3), epochs=3, seed=0, device="cpu")
        for job in (pushes, yields)
    ]
    pushed, pulled = ([(m.epoch, m.metrics, m.lr) for m in run] for run in runs)
    assert pushed == pulled


def reports(*calls: tuple[Any, dict[str, Any]]) -> Callable[[Run], None]:
    def job(run: Run) -> None:
        assert run.schedule
        for epoch, metrics in calls:
            try:
                run.report(epoch, **metrics)
            except Exception:
                continue

    return job


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (reports((0, {"val_loss": "low"})), "'low' as val_loss, which is not a number"),
        (reports((0, {})), r"gave no metric: call run\.report\(epoch, val_loss=\.\.\.\)"),
        (reports((3, {"val_loss": 1.0})), r"reported epoch 3 after 0 report\(s\), not 0 or 1"),
        (reports((0, {"val_loss": 1.0}), (2, {"val_loss": 1.0})), r"reported epoch 2 after 1 report\(s\), not 1: call"),
        (lambda run: run.report(0, val_loss=1.0), "never used its schedule"),
        (lambda run: (x for x in "ab"), "returned a generator: write yield in the function itself"),
    ],
)
def test_what_is_reported_is_checked_and_no_except_hides_it(job: Any, says: str) -> None:
    with pytest.raises(ObjectiveError, match=says):
        list(UserObjective(job, "sgd").run(Schedule("exp", 0.1, 3), epochs=3, seed=0, device="cpu"))


def test_a_job_that_never_reports_leaves_no_study(make_plan: MakePlan) -> None:
    with pytest.raises(InputError, match=r"told of no epoch: yield, or call run\.report, after every epoch"):
        search(make_plan("3", objective=UserObjective(reports(), "sgd")))


def test_a_job_that_stops_early_by_itself_is_told_to_leave_it_to_the_search(make_plan: MakePlan) -> None:
    job = reports((0, {"val_loss": 1.0}), (1, {"val_loss": 1.0}))
    with pytest.raises(StudyError, match=r"ended after 2 of 5 epochs: .* leave early stopping to the search"):
        search(make_plan("9", objective=UserObjective(job, "sgd", epochs=5)))


def fails_afterwards(run: Run) -> None:
    pushes(run)
    raise OSError(f"no space for the weights of base_lr {run.schedule.base_lr}")


def raises_to_stop(run: Run) -> None:
    def after(epoch: int, loss: float) -> bool:
        if run.report(epoch, val_loss=loss) or epoch == run.epochs - 1:
            return True
        raise RuntimeError("as told")

    fit(run, after)


def test_an_error_after_the_last_report_is_told_once_and_its_trials_count(make_plan: MakePlan) -> None:
    progress = StopAfter(999)
    job = UserObjective(fails_afterwards, "sgd", epochs=2)
    result = search(make_plan("3", objective=job), progress)
    assert [t.outcome for t in result.trials] == ["complete"] * 3
    told = [note for note in progress.notes if "after its last report" in note]
    assert len(told) == 1
    assert "OSError: no space for the weights" in told[0]
    assert "(test_reports.py, line " in told[0]


def test_a_job_that_raises_to_end_where_it_is_told_to_is_no_fault(make_plan: MakePlan) -> None:
    progress = StopAfter(999)
    job = UserObjective(raises_to_stop, "sgd", epochs=6)
    result = search(make_plan("12", objective=job, sampler="random", pruner="median"), progress)
    assert {t.outcome for t in result.trials} == {"complete", "pruned"}
    assert not [note for note in progress.notes if "after its last report" in note]


def reports_in_a_thread(run: Run) -> None:
    thread = threading.Thread(target=counts_from_one_and_never_ends, args=(run,))
    thread.start()
    thread.join()


def test_a_loop_in_another_thread_ends_without_a_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)  # pytest's own takes even SystemExit
    job = UserObjective(reports_in_a_thread, epochs=3)
    assert job.optimizer == "sgd"
    measured = list(job.run(Schedule("exp", 0.1, 3), epochs=3, seed=0, device="cpu"))
    assert [m.epoch for m in measured] == [1, 2, 3]
    assert "Traceback" not in capfd.readouterr().err


def test_an_error_in_a_later_epoch_names_the_users_file_and_line(make_plan: MakePlan, tmp_path: Path) -> None:
    path = tmp_path / "breaks.py"
    path.write_text(
        "import torch\ndef objective(run):\n    yield run.schedule.base_lr\n"
        "    torch.zeros(2) @ torch.zeros(3)\n    yield 1\n"
    )
    with pytest.raises(StudyError, match=r"RuntimeError: .*\(breaks\.py, line 4\)"):
        search(make_plan("9", objective=UserObjective(f"{path}:objective", "sgd", epochs=5)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the libraries' own
@pytest.mark.parametrize(
    ("library", "package", "steps"),
    [("lightning", "lightning.pytorch", 19), ("transformers", "accelerate", 19), ("timm", "timm", 12)],
)
def test_the_examples_in_other_libraries_train_every_epoch_at_the_schedules_rates(
    library: str, package: str, steps: int
) -> None:
    pytest.importorskip(library)
    pytest.importorskip(package)
    example = Path(__file__).parents[2] / "examples" / f"train_{library}.py"
    schedule = Schedule("cosine", 1e-2, 3, warmup=1)
    objective = UserObjective(f"{example}:objective")
    assert objective.optimizer == "adamw"
    with recorded_rates() as rates:
        measured = list(objective.run(schedule, epochs=3, seed=0, device="cpu"))
    assert_follows(rates, schedule, steps)
    assert len(measured) == 3
    assert measured[0].metrics["val_loss"] > measured[2].metrics["val_loss"]
