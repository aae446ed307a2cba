"""The search: budgets that hold, repeatability, resuming, divergence, failures, workers."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from bowl import Bowl, Clock, Noting, Slow, StopAfter
from results import made_result

from lrsearch.errors import InputError, StudyError
from lrsearch.objectives import Measurement, Run, TaskObjective, UserObjective, get_task
from lrsearch.search import PRUNERS, SAMPLERS, Budget, Plan, SearchResult, load_result, open_storage, search
from lrsearch.search.notes.ending import Shares
from lrsearch.search.results.importance import NOTED_FROM, importance
from lrsearch.search.results.response import response
from lrsearch.spaces import Schedule, ScheduleSpace, default_space
from lrsearch.spaces.values import TrialLike

MakePlan = Callable[..., Plan]


def facts(result: SearchResult) -> list[Any]:
    return [(t.params, t.value, t.outcome, t.metrics) for t in result.trials if t.outcome != "interrupted"]


def reload(plan: Plan) -> SearchResult:
    return load_result(open_storage(plan.where), plan.study, str(plan.folder))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_budget_of_trials_is_exact(make_plan: MakePlan, jobs: int) -> None:
    result = search(make_plan("11", jobs=jobs))
    assert len(result.trials) == 11
    assert all(t.counted for t in result.trials)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_budget_of_epochs_is_exact(make_plan: MakePlan, jobs: int) -> None:
    result = search(make_plan("43ep", jobs=jobs, pruner="none", sampler="random"))
    assert sum(t.epochs for t in result.trials) == 43
    assert result.counts()["out of budget"] >= 1
    pruned = search(make_plan("43ep", study="pruned", jobs=jobs))
    assert sum(t.epochs for t in pruned.trials) == 43


def test_a_budget_of_time_ends_within_an_epoch(make_plan: MakePlan, clock: Clock) -> None:
    begun = time.monotonic()
    result = search(make_plan("2s", objective=Slow(clock.sleep)))
    assert 1.9 < time.monotonic() - begun < 2.0 + 0.1 + 0.9
    assert result.trials[-1].outcome in ("out of budget", "complete", "pruned")


def test_so_does_each_of_two_worker_processes(make_plan: MakePlan, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    noted.mkdir()
    plan = make_plan("2s", jobs=2, objective=Noting(noted))
    search(replace(plan, study="warm", budget=Budget.parse("4")))  # start the worker processes
    begun = time.monotonic()
    search(plan, None, begun)
    late = [sum(float(ended) >= begun + 2 for ended in file.read_text().split()) for file in noted.iterdir()]
    assert max(late) <= 1
    assert sum(late) <= 2
    assert time.monotonic() >= begun + 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_seed_gives_one_search(make_plan: MakePlan, sampler: str) -> None:
    first, second = (search(make_plan("14", study=name, sampler=sampler)) for name in ("a", "b"))
    assert facts(first) == facts(second)
    other = search(make_plan("14", study="c", sampler=sampler, seed=1))
    assert facts(first)[5:] != facts(other)[5:]


@pytest.mark.parametrize("pruner", PRUNERS)
def test_every_pruner_keeps_the_best(make_plan: MakePlan, pruner: str) -> None:
    result = search(make_plan("30", pruner=pruner))
    assert result.best.schedule is not None
    assert 0.03 < result.best.schedule.base_lr < 0.3
    assert ("pruned" in result.counts()) == (pruner != "none")
    for trial in result.trials:
        if trial.outcome == "pruned":
            assert trial.epochs < 5
            assert trial.reason == f"pruned after epoch {trial.epochs}"


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_the_sampler_finds_a_known_optimum_and_learns_the_wall(make_plan: MakePlan, sampler: str) -> None:
    """base_lr 0.1 is best, above 0.5 every trial diverges: 13 % of the log range."""
    result = search(make_plan("45", sampler=sampler, pruner="none"))
    late = [t for t in result.trials[25:] if t.schedule]
    assert result.best.value == pytest.approx(0.2, abs=0.02)
    assert sum(t.outcome == "diverged" for t in late) <= 2


def test_a_search_begins_with_a_scan_of_the_rate_and_trains_its_baselines_later(make_plan: MakePlan) -> None:
    result = search(make_plan("12"))
    first, second, third = [t.schedule for t in result.trials[:3] if t.schedule]
    assert (first.family, second.family) == ("cosine", "cosine")
    assert (first.base_lr, second.base_lr) == (0.04467, 0.2512)
    assert third.base_lr not in (first.base_lr, second.base_lr)
    assert [t.baseline for t in result.trials[:8]] == [None] * 8
    assert [t.baseline for t in result.trials[8:11]] == ["constant", "linear to zero", "cosine to zero"]


def test_your_own_baseline_comes_first(make_plan: MakePlan) -> None:
    result = search(make_plan("12", baseline=Schedule("cosine", 0.02, 5)))
    assert [t.baseline for t in result.trials[:8]] == ["your own"] + [None] * 7
    assert [t.schedule.base_lr for t in result.trials[1:3] if t.schedule] == [0.04467, 0.2512]


@pytest.mark.parametrize("budget", ["5", "25ep"])
def test_a_small_search_begins_with_the_scan_and_ends_with_one_baseline(make_plan: MakePlan, budget: str) -> None:
    result = search(make_plan(budget, pruner="none"))
    assert [t.schedule.base_lr for t in result.trials[:2] if t.schedule] == [0.04467, 0.2512]
    assert [t.baseline for t in result.trials] == [None] * 4 + ["constant"]


def test_a_small_search_with_your_own_baseline_trains_that_first_and_a_plain_one_last(make_plan: MakePlan) -> None:
    result = search(make_plan("5", baseline=Schedule("cosine", 0.02, 5)))
    assert [t.baseline for t in result.trials] == ["your own", None, None, None, "constant"]


def test_a_small_search_that_goes_on_trains_the_other_baselines(make_plan: MakePlan) -> None:
    search(make_plan("5"))
    result = search(make_plan("14"))
    assert [t.baseline for t in result.trials[:8]] == [None] * 4 + ["constant"] + [None] * 3
    assert [t.baseline for t in result.trials[8:10]] == ["linear to zero", "cosine to zero"]


def test_a_search_with_a_budget_of_time_begins_with_the_scan(make_plan: MakePlan, clock: Clock) -> None:
    """How many trials an hour holds is not known at first: that is no reason to begin blindly."""
    result = search(make_plan("6s", objective=Slow(clock.sleep)))
    assert [t.schedule.base_lr for t in result.trials[:2] if t.schedule] == [0.04467, 0.2512]
    assert result.baselines[0].number > 2
    assert result.baselines[0].baseline == "constant"


def test_the_baselines_come_first_for_another_sampler(make_plan: MakePlan) -> None:
    result = search(make_plan("14", sampler="random"))
    assert [t.baseline for t in result.trials[:4]] == ["constant", "linear to zero", "cosine to zero", None]
    assert [t.schedule.family for t in result.baselines if t.schedule] == ["constant", "linear", "cosine"]


def test_resuming_gives_what_an_uninterrupted_search_gives(make_plan: MakePlan) -> None:
    whole = search(make_plan("25", study="whole"))
    plan = make_plan("25", study="parts")
    for stop_after in (2, 9):
        with pytest.raises(KeyboardInterrupt):
            search(plan, StopAfter(stop_after))
    assert len(reload(plan).trials) == 11
    assert facts(search(plan)) == facts(whole)
    assert len(search(plan).trials) == 25, "a spent budget runs nothing more"
    assert len(search(replace(plan, budget=replace(plan.budget, amount=27))).trials) == 27


class StopsOnce(Bowl):
    """Is interrupted in the middle of its fifth trial, as by Ctrl-C."""

    def __init__(self) -> None:
        self.trials = 0

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        self.trials += 1
        for measurement in super().run(schedule, **how):
            yield measurement
            if self.trials == 5 and measurement.epoch == 2:
                raise KeyboardInterrupt


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "qmc"])
def test_a_trial_cut_off_by_ctrl_c_is_run_again(make_plan: MakePlan, sampler: str) -> None:
    whole = search(make_plan("12", study="whole", sampler=sampler))
    plan = make_plan("12", objective=StopsOnce(), sampler=sampler)
    with pytest.raises(KeyboardInterrupt):
        search(plan)
    cut = reload(plan).trials[-1]
    assert (cut.outcome, cut.epochs, cut.reason) == ("interrupted", 2, "stopped by the user")
    result = search(plan)
    assert result.counts().get("interrupted") == 1
    assert facts(result) == facts(whole)


def test_a_trial_left_running_by_a_dead_process_is_run_again(make_plan: MakePlan) -> None:
    plan = make_plan("6")
    search(plan)
    study = optuna.load_study(study_name="bowl", storage=open_storage(plan.where))
    dead = study.ask()
    dead.set_user_attr("schedule", plan.space.suggest(dead).to_dict())
    progress = StopAfter(99)
    result = search(replace(plan, budget=replace(plan.budget, amount=8)), progress)
    assert progress.notes[0] == "1 trial(s) were cut off when the last session ended; they run again."
    assert result.trials[6].outcome == "interrupted"
    assert result.trials[7].params == dead.params
    assert sum(t.counted for t in result.trials) == 8


def test_other_settings_under_one_name_are_refused(make_plan: MakePlan) -> None:
    search(make_plan("3"))
    with pytest.raises(StudyError, match=r"other settings \(epochs: 5 there, 7 now.*--study"):
        search(make_plan("5", space=default_space("sgd", 7)))
    with pytest.raises(StudyError, match="seed: 0 there, 1 now"):
        search(make_plan("5", seed=1))
    assert len(search(make_plan("5", sampler="random")).trials) == 5


def test_a_study_of_a_task_that_has_changed_since_is_not_continued(make_plan: MakePlan) -> None:
    task = get_task("digits")
    before, now = (
        make_plan("1", objective=TaskObjective(replace(task, revision=r)), space=default_space("sgd", 1))
        for r in (1, 2)
    )
    search(before)
    with pytest.raises(StudyError, match="task_revision: None there, 2 now"):
        search(now)


def test_a_run_that_is_under_way_is_left_alone(make_plan: MakePlan) -> None:
    from filelock import FileLock

    plan = make_plan("3")
    plan.folder.mkdir(parents=True)
    with FileLock(plan.folder / ".lock"), pytest.raises(StudyError, match="another lrsearch is running"):
        search(plan)


def test_ctrl_c_during_a_proposal_leaves_nothing_running(make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search(make_plan("9", study="whole"))
    suggest, calls = ScheduleSpace.suggest, itertools.count(1)

    def stopped(space: ScheduleSpace, trial: TrialLike) -> Schedule:
        if next(calls) == 4:
            trial.suggest_categorical("family", list(space.families))
            raise KeyboardInterrupt
        return suggest(space, trial)

    monkeypatch.setattr(ScheduleSpace, "suggest", stopped)
    with pytest.raises(KeyboardInterrupt):
        search(make_plan("9"))
    result = search(make_plan("9"))
    assert result.counts().get("interrupted") == 1
    assert "running" not in result.counts()
    assert [t.schedule for t in result.trials if t.counted] == [t.schedule for t in whole.trials]


class Broken(Bowl):
    """Fails for small rates."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for measurement in super().run(schedule, **how):
            if schedule.base_lr < 0.01 and measurement.epoch == 3:
                raise RuntimeError("out of luck")
            yield measurement


def test_a_failing_trial_is_one_failed_trial(make_plan: MakePlan) -> None:
    result = search(make_plan("20", objective=Broken(), pruner="none", sampler="random"))
    failed = [t for t in result.trials if t.outcome == "failed"]
    assert failed
    assert {(t.reason.partition(" (test_search.py, line ")[0], t.epochs, t.value) for t in failed} == {
        ("RuntimeError: out of luck", 2, None)
    }
    assert len(result.trials) == 20


class AlwaysBroken(Broken):
    """Fails after the first epoch, whatever the rate."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        yield next(super().run(schedule, **how))
        raise RuntimeError("a typo")


def test_equal_failures_in_a_row_stop_the_search(make_plan: MakePlan) -> None:
    plan = make_plan("20", objective=AlwaysBroken())
    with pytest.raises(StudyError, match=r"3 trials in a row failed the same way.*a typo"):
        search(plan)
    assert len(reload(plan).trials) == 3


class Exploding(Bowl):
    """Finite, but far above its start."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for m in super().run(schedule, **how):
            factor = 1e4 if schedule.base_lr > 0.05 and m.epoch > 1 else 1
            yield replace(m, metrics={"val_loss": m.metrics["train_loss"] * factor})


def test_nan_and_explosion_both_count_as_diverged(make_plan: MakePlan) -> None:
    result = search(make_plan("25", pruner="none", sampler="random"))
    diverged = [t for t in result.trials if t.outcome == "diverged"]
    assert diverged
    assert {t.epochs for t in diverged} == {1}
    assert all(t.value == math.inf and t.reason == "val_loss was nan after epoch 1" for t in diverged)
    assert all(t.schedule.base_lr > 0.5 for t in diverged if t.schedule)
    exploded = search(make_plan("25", study="x", objective=Exploding(), sampler="random"))
    assert any("from 10 at the start" in t.reason for t in exploded.trials if t.outcome == "diverged")


def test_a_broken_objective_leaves_no_study_behind(make_plan: MakePlan) -> None:
    def no_metric(run: Run) -> Iterator[dict[str, float]]:
        yield {"accuracy": run.schedule.base_lr}

    plan = make_plan("3", objective=UserObjective(no_metric, "sgd"))
    with pytest.raises(InputError, match="yields no metric 'val_loss', only accuracy: choose one with --metric"):
        search(plan)
    assert not plan.folder.exists()


def test_an_objective_that_ends_early_has_failed(make_plan: MakePlan) -> None:
    def short(run: Run) -> Iterator[float]:
        yield from (run.schedule.base_lr, 1.0)

    with pytest.raises(StudyError, match="ended after 2 of 5 epochs"):
        search(make_plan("9", objective=UserObjective(short, "sgd", epochs=5)))


def test_the_first_epoch_of_the_check_is_not_trained_twice(make_plan: MakePlan) -> None:
    starts = []

    def counted(run: Run) -> Iterator[float]:
        starts.append(run.schedule.family)
        yield from (1.0 / (epoch + 1) for epoch in range(run.epochs))

    search(make_plan("4", objective=UserObjective(counted, "sgd", epochs=5)))
    assert len(starts) == 4


def test_maximizing_an_accuracy(make_plan: MakePlan) -> None:
    class Accuracy(Bowl):
        def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
            for m in super().run(schedule, **how):
                yield replace(m, metrics={"accuracy": 1 - m.metrics["train_loss"] / 10})

    result = search(make_plan("30", objective=Accuracy(), metric="accuracy", maximize=True))
    values = [t.value for t in result.ranking]
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    assert result.best.value == max(v for v in values if v is not None)


def test_a_real_search_beats_its_baselines(digits_run: SearchResult) -> None:
    assert digits_run.best.baseline is None
    for trial in digits_run.trials:
        assert trial.schedule is not None
        assert trial.steps_per_epoch == 16
        assert len(trial.lr) == trial.epochs == len(trial.metrics["train_loss"])


def test_other_storages_work_and_unreachable_ones_are_explained(make_plan: MakePlan, tmp_path: Any) -> None:
    result = search(make_plan("4", storage=f"sqlite:///{tmp_path}/study.db"))
    assert len(result.trials) == 4
    with pytest.raises(StudyError) as error:
        search(make_plan("4", storage="mysql://me:secret@localhost:1/none"))
    assert "cannot be opened" in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(("change", "says"), [({"sampler": "tpee"}, "'tpe'"), ({"pruner": "medium"}, "'median'")])
def test_unknown_names_come_with_the_closest(make_plan: MakePlan, change: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=f"Did you mean {says}"):
        search(make_plan("3", **change))


def test_an_unwritable_folder_is_explained(make_plan: MakePlan, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        search(make_plan("3", out=str(tmp_path / "file")))


def test_negative_jobs_are_refused(make_plan: MakePlan) -> None:
    with pytest.raises(InputError, match="jobs must be at least 1"):
        search(make_plan("3", jobs=-1))


def test_the_trials_are_real_optuna_trials(make_plan: MakePlan) -> None:
    plan = make_plan("20")
    result = search(plan)
    study = optuna.load_study(study_name="bowl", storage=open_storage(plan.where))
    assert study.best_trial.number == result.best.number
    assert study.metric_names == ["val_loss"]
    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    finite = [t for t in complete if math.isfinite(t.values[0])]
    assert all(len(t.intermediate_values) == 5 for t in finite)


def test_a_search_notes_which_parameters_mattered_and_how_much_base_lr_does_and_reading_takes_the_notes(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("40", sampler="random", pruner="none", confirm=0)
    result = search(plan)
    assert len(result.ranking) >= NOTED_FROM
    computed = importance(replace(result, noted_shares=None))
    assert computed
    assert reload(plan).noted_shares == Shares(len(result.ranking), computed)
    monkeypatch.setitem(sys.modules, "optuna.importance", None)  # importing it would raise
    assert importance(reload(plan)) == computed
    schedule = result.best.schedule
    assert schedule is not None
    expected = response(replace(result, noted_response=None), schedule)
    assert expected
    monkeypatch.setitem(sys.modules, "lrsearch.search.sampling.gaussian_process", None)
    assert response(reload(plan), schedule) == expected


@pytest.mark.parametrize(
    "noted",
    [None, 3, [], {}, {"complete": 2, "shares": {}}, {"complete": -1, "shares": {"base_lr": 1.0}}, {"shares": 1}],
)
def test_a_note_that_does_not_fit_is_left_aside(noted: object) -> None:
    result = made_result(40)
    assert importance(replace(result, noted_shares=Shares.kept(noted))) == importance(result)


@pytest.mark.parametrize("share", [{"<b>": 0.5}, {"base_lr": 7.0}, {"base_lr": "<b>"}])
def test_shares_that_a_stranger_noted_are_left_aside(share: dict[str, object]) -> None:
    result = made_result(40)
    noted = {"complete": len(result.ranking), "shares": share}
    assert importance(replace(result, noted_shares=Shares.kept(noted))) == importance(result)
