"""The search in the space of curves: surrogate, sampler and pruner, also in plain Optuna scripts."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Literal

import numpy as np
import optuna
import pytest
from optuna.pruners import NopPruner
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.gaussian_process.kernels import Kernel as SklearnKernel

from lrsearch import CurvePruner, CurveSampler, Schedule
from lrsearch.search.sampling.curve_fit import MAX_ROWS
from lrsearch.search.sampling.curve_model import CurveModel
from lrsearch.search.sampling.features import Features, warping
from lrsearch.search.sampling.gaussian_process import Kernel, Posterior, fit_kernel, log_improvement, misfit
from lrsearch.search.sampling.initial_design import scan
from lrsearch.search.sampling.observations import observations
from lrsearch.spaces import Counting, Range, ScheduleSpace, default_space

EPOCHS = 8
SPACE = default_space("sgd", EPOCHS)


def losses(schedule: Schedule) -> list[float]:
    """After each epoch: far from the best integral is bad, and so is a rate that is high right now."""
    rates = schedule.curve(10)
    off = (np.log10(rates.mean()) + 1.5) ** 2
    now = rates[9::10] / 0.3
    return [float(off + x + 1 / (e + 1)) for e, x in enumerate(now)]


def optimize(
    study: optuna.Study, trials: int, loss: Callable[[Schedule], list[float]] = losses, first: int = 1
) -> None:
    def objective(trial: optuna.Trial) -> float:
        values = loss(SPACE.suggest(trial))
        for epoch, value in enumerate(values, start=first):
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return values[-1]

    study.optimize(objective, n_trials=trials)


def schedules(study: optuna.Study) -> list[Schedule]:
    return [SPACE.schedule(t.params) for t in study.trials]


class TestInAnyStudy(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: CurveSampler(default_space())


def test_it_finds_a_known_optimum_far_sooner_than_random() -> None:
    def best(sampler: BaseSampler) -> float:
        study = optuna.create_study(sampler=sampler, pruner=NopPruner())
        optimize(study, 15)
        return study.best_value

    ours = [best(CurveSampler(SPACE, seed)) for seed in range(3)]
    theirs = [best(optuna.samplers.RandomSampler(seed)) for seed in range(3)]
    floor = 1 / EPOCHS
    assert max(ours) - floor < min(theirs) - floor
    assert max(ours) < floor + 0.05


@pytest.mark.slow
def test_a_diverged_trial_marks_the_wall() -> None:
    def walled(schedule: Schedule) -> list[float]:
        values = losses(schedule)
        return [*values[:-1], math.inf if schedule.base_lr > 0.1 else values[-1]]

    late = 0
    for seed in range(5):
        study = optuna.create_study(sampler=CurveSampler(SPACE, seed), pruner=NopPruner())
        optimize(study, 25, walled)
        beyond = [s.base_lr > 0.1 for s in schedules(study)]
        assert any(beyond)
        late += sum(beyond[12:])
    assert late <= 5 * 3
    assert math.isfinite(study.best_value)


def test_equal_seeds_give_equal_studies_and_a_resumed_one_goes_on_as_if_never_stopped() -> None:
    def run(seed: int, *parts: int) -> list[Schedule]:
        storage = optuna.storages.InMemoryStorage()
        for part in parts:
            model = CurveModel(SPACE, seed)
            study = optuna.create_study(
                study_name="s",
                storage=storage,
                load_if_exists=True,
                sampler=CurveSampler(model, seed),
                pruner=CurvePruner(model),
            )
            optimize(study, part)
        return schedules(study)

    assert run(0, 14) == run(0, 9, 5) != run(1, 14)


@pytest.mark.parametrize(
    "space", [SPACE, default_space("sgd", 1234), default_space("sgd", 45, counting=Counting("step", 5))]
)
def test_the_scan_lies_in_the_space_whatever_grid_warm_ups_have(space: ScheduleSpace) -> None:
    assert all(space.contains(schedule) for schedule in scan(space))


SCANNED = (0.04467, 0.2512, 0.01122, 0.002818)


@pytest.mark.parametrize(("best", "scanned"), [(0.9, 2), (0.026, 3), (0.001, 4)])
@pytest.mark.parametrize("learns", [True, False])
def test_it_begins_with_a_scan_of_base_lr_that_goes_down_while_the_lower_rate_is_no_worse(
    best: float, scanned: int, learns: bool
) -> None:
    study = optuna.create_study(
        sampler=CurveSampler(SPACE if learns else CurveModel(SPACE), seed=0), pruner=NopPruner()
    )
    optimize(study, 5, lambda schedule: [math.log10(schedule.base_lr / best) ** 2] * EPOCHS)
    rates = [trial.params["base_lr"] for trial in study.trials]
    assert rates[:scanned] == list(SCANNED[:scanned])
    assert not set(SCANNED) & set(rates[scanned:])
    assert study.trials[0].params["family"] == "cosine"


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(("early", "stopped"), [(2.1, True), (1.9, False)])
def test_a_lower_rate_of_the_scan_is_stopped_at_once_where_it_is_behind_both_above_it(
    direction: Literal["minimize", "maximize"], early: float, stopped: bool
) -> None:
    begins = {SCANNED[0]: [1.0] * EPOCHS, SCANNED[1]: [2.0] * EPOCHS, SCANNED[2]: [early] * EPOCHS}
    sign = 1 if direction == "minimize" else -1
    sampler = CurveSampler(SPACE, seed=0)
    study = optuna.create_study(sampler=sampler, pruner=CurvePruner(sampler.model), direction=direction)
    optimize(study, 3, lambda schedule: [sign * value for value in begins[schedule.base_lr]])
    assert (len(study.trials[2].intermediate_values) == 1) == stopped


def test_a_lower_rate_is_not_stopped_where_one_above_it_has_diverged() -> None:
    begins = {SCANNED[0]: [1.0] * EPOCHS, SCANNED[1]: [math.inf] * EPOCHS, SCANNED[2]: [3.0] * EPOCHS}
    sampler = CurveSampler(SPACE, seed=0)
    study = optuna.create_study(sampler=sampler, pruner=CurvePruner(sampler.model))
    optimize(study, 3, lambda schedule: begins[schedule.base_lr])
    assert not sampler.model.lags(study, study.trials[2], 1)


def test_what_lags_in_a_study_does_not_lag_in_the_next_one_of_the_same_model() -> None:
    sampler = CurveSampler(SPACE, seed=0)
    begins = {SCANNED[0]: [1.0] * EPOCHS, SCANNED[1]: [2.0] * EPOCHS, SCANNED[2]: [3.0] * EPOCHS}
    first, second = (optuna.create_study(sampler=sampler, pruner=NopPruner()) for _ in range(2))
    optimize(first, 3, lambda schedule: begins[schedule.base_lr])
    assert sampler.model.lags(first, first.trials[2], 1)
    second.sampler = optuna.samplers.RandomSampler(seed=0)
    optimize(second, 3, lambda schedule: [9.0] * EPOCHS)
    second.add_trials(first.trials[:2])
    assert not sampler.model.lags(second, second.trials[2], 1)


def test_a_fixed_base_lr_has_no_lower_rate() -> None:
    sampler = CurveSampler(ScheduleSpace(("cosine",), EPOCHS, Range(0.1, 0.1)))
    study = optuna.create_study(sampler=sampler, pruner=CurvePruner(sampler.model))
    for _ in range(4):
        trial = study.ask()
        sampler.model.space.suggest(trial)
        trial.report(1.0, 1)
        assert not trial.should_prune()
        study.tell(trial, 1.0)


def test_a_failed_start_is_not_tried_again() -> None:
    study = optuna.create_study(sampler=CurveSampler(SPACE, seed=0))
    first = study.ask()
    SPACE.suggest(first)
    study.tell(first, state=TrialState.FAIL)
    assert SPACE.suggest(study.ask()).base_lr == 0.2512


def test_a_space_without_the_usual_schedule_begins_with_its_nearest_ones() -> None:
    space = ScheduleSpace(("step",), EPOCHS, SPACE.base_lr)
    study = optuna.create_study(sampler=CurveSampler(space, seed=0))
    proposals = []
    for _ in range(2):
        trial = study.ask()
        proposals.append(space.suggest(trial))
        study.tell(trial, 1.0)
    assert {s.family for s in proposals} == {"step"}
    assert proposals[0].curve(10).mean() < proposals[1].curve(10).mean()


def test_trials_under_way_are_not_proposed_again() -> None:
    study = optuna.create_study(sampler=CurveSampler(SPACE), pruner=NopPruner())
    optimize(study, 6)
    asked = [SPACE.suggest(study.ask()) for _ in range(6)]
    features = Features(SPACE.sample(np.random.default_rng(0), 200)).whole(asked)
    apart = np.linalg.norm(features[:, None] - features, axis=-1) + 9 * np.eye(6)
    assert apart.min() > 0.05


def test_trials_chosen_at_once_cover_the_space_and_the_next_ones_learn_from_them() -> None:
    for seed in range(3):
        study = optuna.create_study(sampler=CurveSampler(SPACE, seed), pruner=NopPruner())
        for most in (0.06, 0.005):  # far-apart ones ended 0.04 to 0.25 above the floor, and the second eight up to 0.02
            trials = [study.ask() for _ in range(8)]
            for trial, schedule in [(t, SPACE.suggest(t)) for t in trials]:
                study.tell(trial, losses(schedule)[-1])
            assert study.best_value < 1 / EPOCHS + most


@pytest.mark.parametrize("first", [0, 1])
def test_epochs_may_be_counted_from_zero_or_one_and_metrics_may_be_maximized(first: int) -> None:
    def run(direction: Literal["minimize", "maximize"], sign: float) -> list[Schedule]:
        model = CurveModel(SPACE)
        study = optuna.create_study(sampler=CurveSampler(model), pruner=CurvePruner(model), direction=direction)
        optimize(study, 10, lambda s: [sign * v for v in losses(s)], first)
        return schedules(study)

    down = run("minimize", 1.0)
    assert down == run("maximize", -1.0)
    if first == 0:
        study = optuna.create_study(sampler=CurveSampler(model := CurveModel(SPACE)), pruner=CurvePruner(model))
        optimize(study, 10)
        assert down == schedules(study)


def judged(schedule: Schedule, epochs: int) -> bool:
    """Whether the pruner stops `schedule` after some epochs of a study that has seen 16 random ones."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0), pruner=NopPruner())
    optimize(study, 16)
    study.enqueue_trial(SPACE.params(schedule))
    trial = study.ask()
    proposal = SPACE.suggest(trial)
    for epoch, value in enumerate(losses(proposal)[:epochs], start=1):
        trial.report(value, epoch)
    return CurvePruner(SPACE).prune(study, study.trials[-1])


def test_a_rate_that_is_still_high_is_not_held_against_a_trial() -> None:
    falling = Schedule("step", 0.06, EPOCHS, {"step_size": 4.0, "gamma": 0.1}, warmup=0.0)
    hopeless = Schedule("exp", 0.001, EPOCHS, {"gamma": 0.95}, warmup=0.0)
    assert losses(falling)[3] > losses(falling)[-1] + 0.2
    assert not judged(falling, 4)
    assert judged(hopeless, 4)
    assert not judged(hopeless, 1)  # before any trial is judged


def test_pruning_saves_epochs_and_keeps_the_best() -> None:
    studies = {}
    for name in ("with", "without"):
        model = CurveModel(SPACE)
        pruner = CurvePruner(model) if name == "with" else NopPruner()
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1), pruner=pruner)
        optimize(study, 40)
        studies[name] = study
    epochs = {name: sum(len(t.intermediate_values) for t in study.trials) for name, study in studies.items()}
    assert epochs["with"] < 0.7 * epochs["without"]
    assert studies["with"].best_value == studies["without"].best_value


def test_a_baseline_of_another_family_teaches_too() -> None:
    study = optuna.create_study(sampler=CurveSampler(model := CurveModel(SPACE)))
    linear = Schedule("linear", 0.03, EPOCHS)
    for _ in range(3):
        study.enqueue_trial({"base_lr": 0.03}, user_attrs={"schedule": linear.to_dict()})
        trial = study.ask()
        trial.report(1.0, 1)
        study.tell(trial, 0.5)
    finished, _ = model._look(study)
    assert [t.curve.schedule for t in finished] == [linear] * 3
    assert finished[0].epochs == (EPOCHS,) or finished[0].epochs[-1] == EPOCHS
    assert SPACE.suggest(study.ask()).family in SPACE.families


def test_other_parameters_of_the_objective_are_drawn_at_random() -> None:
    study = optuna.create_study(sampler=CurveSampler(SPACE), pruner=NopPruner())
    study.optimize(lambda t: losses(SPACE.suggest(t))[-1] + t.suggest_float("decay", 0, 1), n_trials=6)
    assert len({t.params["decay"] for t in study.trials}) == 6


def test_one_model_serves_one_study_after_another() -> None:
    sampler = CurveSampler(SPACE)
    first, second = (optuna.create_study(sampler=sampler) for _ in range(2))
    optimize(first, 6)
    optimize(second, 6)
    assert schedules(first) == schedules(second)


def test_failed_trials_say_nothing() -> None:
    study = optuna.create_study(sampler=CurveSampler(model := CurveModel(SPACE)))
    optimize(study, 3)
    study.tell(study.ask(), state=TrialState.FAIL)
    assert len(model._look(study)[0]) == 3


def scikit_learns(kernel: Kernel) -> SklearnKernel:
    """The same kernel made of scikit-learn's."""
    matern = Matern(kernel.lengths, (1e-2, 1e3), nu=2.5)
    return ConstantKernel(kernel.amplitude, (1e-3, 1e3)) * matern + WhiteKernel(kernel.noise, (1e-6, 1.0))


class TestSurrogate:
    def test_a_beginning_is_described_as_a_whole_curve_of_that_length(self) -> None:
        features = Features(SPACE.sample(np.random.default_rng(0), 50))
        long = Schedule("exp", 0.1, EPOCHS, {"gamma": 0.5})
        short = features.after(long, EPOCHS // 2)
        (whole,) = features.whole([long])
        np.testing.assert_allclose(features.after(long, EPOCHS), whole)
        assert short[-1] == -1  # half as long, as a logarithm of base 2
        rates = long.curve(10)[: EPOCHS * 5]
        alike = Features._of(features, rates[None], 10)[0]
        np.testing.assert_allclose(short, alike)

    def test_a_long_horizon_takes_little_memory(self) -> None:
        space = default_space("sgd", 20_000)
        schedules = space.sample(np.random.default_rng(0), 500)
        tracemalloc.start()
        features = Features(schedules)
        for epochs in (1, 7, 8, 250, 19_999):
            assert np.isfinite(features.after(schedules[0], epochs)).all()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100e6, "all curves at once, at ten points an epoch, would take 800 MB"

    @pytest.mark.parametrize("epochs", [300, 3000])
    def test_a_long_curve_is_described_alike_with_fewer_points(
        self, epochs: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        schedules = default_space("sgd", epochs).sample(np.random.default_rng(0), 200)
        few = Features(schedules)
        np.testing.assert_array_equal(few.reference, few.whole(schedules))
        monkeypatch.setattr("lrsearch.search.sampling.features.MOST_POINTS", 10 * epochs)
        all_points = Features(schedules)
        np.testing.assert_allclose(few.whole(schedules), all_points.whole(schedules), atol=0.05)
        half = [(f.after(s, epochs // 2)) for s in schedules[:20] for f in (few, all_points)]
        np.testing.assert_allclose(half[::2], half[1::2], atol=0.05)

    def test_observations_in_two_parts_are_the_same_as_at_once_and_as_scikit_learns(self) -> None:
        rng = np.random.default_rng(0)
        x, z = rng.normal(size=(20, 3)), rng.normal(size=20)
        kernel, query = fit_kernel(x, z), rng.normal(size=(5, 3))
        at_once = Posterior.observe(kernel, x, z).predict(query)
        in_parts = Posterior.observe(kernel, x[:12], z[:12]).given(x[12:], z[12:]).predict(query)
        process = GaussianProcessRegressor(scikit_learns(kernel), optimizer=None).fit(x, z)
        mean, sd = process.predict(query, return_std=True)
        np.testing.assert_allclose(in_parts, at_once, rtol=1e-8)
        np.testing.assert_allclose(at_once[0], mean, rtol=1e-6)
        np.testing.assert_allclose(np.sqrt(at_once[1] ** 2 + kernel.noise), sd, rtol=1e-4)

    @pytest.mark.parametrize("noise", [1e-6, 0.01, 1.0])
    def test_the_misfit_and_its_gradient_are_scikit_learns(self, noise: float) -> None:
        rng = np.random.default_rng(1)
        x, z = rng.normal(size=(30, 4)), rng.normal(size=30)
        kernel = Kernel(0.7, np.array([0.5, 1.0, 2.0, 9.0]), noise)
        process = GaussianProcessRegressor(scikit_learns(kernel), optimizer=None).fit(x, z)
        density, gradient = process.log_marginal_likelihood(scikit_learns(kernel).theta, eval_gradient=True)
        ours = misfit(kernel, x, z)
        assert ours[0] == pytest.approx(-density, rel=1e-9)
        np.testing.assert_allclose(ours[1], -gradient, rtol=1e-6, atol=1e-8)

    def test_the_kernel_that_suits_best_is_where_scikit_learns_misfit_is_least(self) -> None:
        rng = np.random.default_rng(2)
        x = rng.normal(size=(40, 3))
        z = np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=40)
        kernel = fit_kernel(x, z)
        assert kernel.lengths[0] < kernel.lengths[1:].min()  # the other features say nothing
        assert kernel.noise < 0.1

    def test_improvement_is_the_expected_one_and_stays_finite_in_the_tail(self) -> None:
        draws = np.random.default_rng(0).normal(0.5, 2.0, 400_000)
        expected = np.log(np.maximum(-1.0 - draws, 0).mean())
        assert log_improvement(np.array(0.5), np.array(2.0), -1.0) == pytest.approx(expected, abs=0.02)
        z = np.array([7.999, 8.001, 40.0])
        tail = log_improvement(z, np.ones(3), 0.0)
        assert np.isfinite(tail).all()
        assert np.diff(tail)[0] == pytest.approx(-0.0163, abs=0.005)  # the two formulas meet

    def test_values_are_warped_in_order_and_the_worst_are_all_alike(self) -> None:
        values = np.array([0.1, 0.2, 0.3, 0.5, 40.0, math.inf])
        warped = warping(values)(values)
        assert (np.diff(warped) >= 0).all()
        assert warped[-1] == warped[-2]
        assert np.isfinite(warped).all()

    def test_the_observations_do_not_grow_without_bound(self) -> None:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0), pruner=NopPruner())
        optimize(study, 150)
        x, y = observations(CurveModel(SPACE)._look(study)[0], MAX_ROWS)
        assert x.shape == (MAX_ROWS, 11)
        assert y.min() == study.best_value


@pytest.mark.parametrize("finished", [0, 6])
def test_processes_that_ask_at_the_same_moment_get_different_schedules(finished: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0), pruner=NopPruner())
    if finished:
        optimize(study, finished)
    numbers = [study.ask().number for _ in range(3)]
    model = CurveModel(SPACE)
    proposals = {str(model.propose(study, n, np.random.default_rng(0))) for n in numbers}
    assert len(proposals) == 3


def test_a_space_of_one_family_and_fixed_ranges_is_searched_too() -> None:
    from lrsearch import Range

    space = ScheduleSpace(families=("cosine",), horizon=4, base_lr=Range(0.1, 0.1), interval="epoch")
    study = optuna.create_study(sampler=CurveSampler(space), pruner=CurvePruner(space))
    study.optimize(lambda t: float(space.suggest(t).curve(3)[-1]), n_trials=8)
    assert len(study.trials) == 8
