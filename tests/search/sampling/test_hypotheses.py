"""What other jobs ended at, as a prior: weighed by what a job shows, exact, and dropped where it misleads."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.pruners import NopPruner

from lrsearch import CurveSampler, Schedule
from lrsearch.search.sampling.curve_fit import fit_to, kernel_of, with_pending
from lrsearch.search.sampling.curve_model import LEARNT_POOL, CurveModel
from lrsearch.search.sampling.features import Array
from lrsearch.search.sampling.hypotheses import NOISE, OFFSET_SD, REST, SLOPE_SD, Mixture, Prior
from lrsearch.search.sampling.initial_design import next_design, scan
from lrsearch.search.sampling.observations import Curve, Seen
from lrsearch.search.sampling.recorded_jobs import FILE, Surface, recorded_jobs
from lrsearch.spaces import Range, default_space

EPOCHS, LUCK = 8, 0.2
SPACE = default_space("sgd", EPOCHS)
MIDDLE = math.log(SPACE.base_lr.low * SPACE.base_lr.high) / 2
MODEL = CurveModel(SPACE, others=recorded_jobs)


def surface(name: str) -> Surface:
    return next(s for s in recorded_jobs().surfaces if s.name == name)


def job(name: str, decades: float) -> Callable[[Schedule], list[float]]:
    """A job whose losses are those of a recorded one whose rates are that much lower."""

    def losses(schedule: Schedule) -> list[float]:
        curve = Curve(schedule, {}, MODEL.features)
        logs = MODEL.features.logs(curve.after(range(1, EPOCHS + 1)))
        return [float(v) for v in surface(name).at(logs, MIDDLE - decades * math.log(10))]

    return losses


def seen(schedules: list[Schedule], losses: Callable[[Schedule], list[float]]) -> list[Seen]:
    """Trials with these schedules and losses, and with the luck of training."""
    epochs, rng = (2, 4, 6, 8), np.random.default_rng(0)
    return [
        Seen(
            Curve(s, SPACE.params(s), MODEL.features),
            epochs,
            tuple(losses(s)[e - 1] + LUCK * float(rng.standard_normal()) for e in epochs),
            True,
        )
        for s in schedules
    ]


def mixture(finished: list[Seen], running: list[Seen] | None = None, without: tuple[str, ...] = ()) -> Mixture:
    fit = fit_to(finished, kernel_of(finished))
    prior = Prior(recorded_jobs(without), MODEL.features, MIDDLE, MODEL.pool_features[:LEARNT_POOL])
    return Mixture(prior, fit, with_pending(fit, running or []), finished, running or [])


def random_schedules(count: int, seed: int = 0) -> list[Schedule]:
    return SPACE.sample(np.random.default_rng(seed), count)


def test_a_surface_depends_on_rates_relative_to_the_middle_of_the_range_alone() -> None:
    logs = MODEL.features.logs(MODEL.pool_features[:20])
    tenfold = logs + np.array([math.log(10)] * (logs.shape[1] - 1) + [0.0])
    one = surface("teacher")
    assert one.at(tenfold, MIDDLE + math.log(10)) == pytest.approx(one.at(logs, MIDDLE))


@pytest.mark.parametrize("horizon", [EPOCHS, 100, 5000])
def test_features_are_unscaled_to_logarithms_of_rates_whatever_the_horizon(horizon: int) -> None:
    features = CurveModel(default_space("sgd", horizon)).features
    logs = features.logs(features.whole([Schedule("constant", 0.02, horizon)]))[0]
    assert logs == pytest.approx([*[math.log(0.02)] * 10, 0.0])
    half = features.after(Schedule("constant", 0.02, horizon), horizon // 2)
    assert features.logs(half[None])[0] == pytest.approx([*[math.log(0.02)] * 8, math.log(0.01), math.log(0.02), -1.0])


def test_jobs_on_the_same_data_can_be_left_out() -> None:
    names = {s.name for s in recorded_jobs().surfaces}
    assert len(names) == 11
    assert {s.name for s in recorded_jobs(("teacher", "text-mlp")).surfaces} == names - {"teacher", "text-mlp"}


def test_a_job_like_a_recorded_one_is_known_after_a_scan() -> None:
    """The curve that is tried third is one of the ten best of a hundred, on the mean of twelve jobs."""
    others = random_schedules(100, seed=1)
    x = MODEL.features.whole(others)
    better = []
    for name in ("digits-adamw", "text-mlp", "teacher", "fashion-cnn"):
        for shift in (-0.5, 0.0, 0.5):
            losses = job(name, shift)
            after = mixture(seen(list(scan(SPACE)[:2]), losses))
            ends = np.array([losses(s)[-1] for s in others])
            better.append((ends < ends[after.gains(x).argmax()]).sum())
            assert after.none < 0.5
    assert np.mean(better) < 10


def test_trials_chosen_at_once_hold_a_good_one_whatever_recorded_job_it_is() -> None:
    """Of eight, against eight that cover the space: their best, in ranks among all of them and a hundred others."""
    others = random_schedules(100, seed=1)
    study = optuna.create_study(sampler=CurveSampler(SPACE), pruner=NopPruner())
    chosen = [SPACE.suggest(study.ask()) for _ in range(8)]
    covering: list[Schedule] = []
    for _ in range(8):
        place = next_design(MODEL.pool_features, list(MODEL.features.whole(covering)) if covering else [], alone=False)
        covering.append(SPACE.schedule(MODEL.pool[place]))
    assert len(set(chosen)) == 8
    ranks: list[tuple[int, int]] = []
    for name in ("digits-adamw", "text-mlp", "teacher", "fashion-cnn"):
        for shift in (-0.5, 0.0, 0.5):
            losses = job(name, shift)
            ends = np.array([losses(s)[-1] for s in others])
            ours, theirs = (int((ends < min(losses(s)[-1] for s in some)).sum()) for some in (chosen, covering))
            ranks.append((ours, theirs))
    means = np.mean(ranks, 0)
    assert means[0] < 10
    assert means[0] < 0.6 * means[1]


def test_many_trials_chosen_at_once_are_all_different() -> None:
    study = optuna.create_study(sampler=CurveSampler(SPACE), pruner=NopPruner())
    assert len({SPACE.suggest(study.ask()) for _ in range(100)}) == 100


def test_a_job_that_looks_like_none_is_noticed() -> None:
    """High rates at the end are best, low ones are worst: no recorded job is like that."""
    finished = seen(random_schedules(5), lambda s: list(-np.log(s.curve(10)[9::10])))
    assert mixture(finished).none > 0.9


def test_a_hypothesis_predicts_as_its_gaussian_process_does() -> None:
    """With the covariance of a + b f + g written out."""
    losses = job("teacher", 0.25)
    finished = seen(random_schedules(4), losses)
    after = mixture(finished)
    x, z = np.concatenate([t.x for t in finished]), np.concatenate([t.values for t in finished])
    fit = fit_to(finished, kernel_of(finished))
    hypotheses = recorded_jobs().hypotheses
    candidates = MODEL.features.whole(random_schedules(7, seed=2))
    means, sds = after._predict(candidates)
    for place in (0, len(means) - 1):
        one, shift = hypotheses[after._which[place]]

        def f(at: Array, one: Surface = one, shift: float = shift) -> Array:
            return one.at(MODEL.features.logs(at), MIDDLE - shift * math.log(10))

        def cov(a: Array, b: Array, f: Callable[[Array], Array] = f) -> Array:
            unit = fit.posterior.kernel.covariance(a, b) / fit.posterior.kernel.amplitude
            whole: Array = REST * unit + OFFSET_SD**2 + SLOPE_SD**2 * np.outer(f(a), f(b))
            return whole

        inverse = np.linalg.inv(cov(x, x) + NOISE * np.eye(len(x)))
        across = cov(candidates, x)
        mean = f(candidates) + across @ inverse @ (fit.warp(z) - f(x))
        variance = np.diag(cov(candidates, candidates) - across @ inverse @ across.T)
        assert means[place] == pytest.approx(mean, abs=1e-8)
        assert sds[place] == pytest.approx(np.sqrt(variance), abs=1e-6)


def test_a_running_trial_makes_its_neighbourhood_promise_less() -> None:
    losses = job("teacher", 0.0)
    finished = seen(random_schedules(5), losses)
    candidates = random_schedules(50, seed=3)
    x = MODEL.features.whole(candidates)
    before = mixture(finished).gains(x)
    favourite = candidates[int(before.argmax())]
    running = Seen(Curve(favourite, SPACE.params(favourite), MODEL.features), (), (), False)
    after = mixture(finished, [running]).gains(x)
    assert after[before.argmax()] < before.max()
    assert after.argmax() != before.argmax()


def test_a_space_with_further_numbers_is_searched_with_it() -> None:
    space = replace(SPACE, beside={"weight_decay": Range(1e-5, 1e-2, log=True)})
    study = optuna.create_study(sampler=CurveSampler(space), pruner=NopPruner())
    for _ in range(5):
        trial = study.ask()
        schedule = space.suggest(trial)
        study.tell(trial, math.log10(schedule.base_lr / 0.1) ** 2)
    assert study.best_value < 0.3


@pytest.mark.slow
def test_the_file_is_what_the_tables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    benchmarks = Path(__file__).parents[3] / "benchmarks"
    monkeypatch.syspath_prepend(str(benchmarks))
    surface_of = runpy.run_path(str(benchmarks / "learn_prior.py"))["surface"]
    with np.load(FILE) as file:
        place = list(file["names"]).index("teacher")
        for key, made in surface_of("teacher").items():
            assert file[key][place] == pytest.approx(made, abs=5e-3)
