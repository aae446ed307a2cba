"""Whether the schedule matters beyond base_lr, told from a search's trials and the confirmation's runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from results import made_result

from lrsearch.search import Confirmation, SearchResult, TrialRecord
from lrsearch.search.notes.contest import Contest, Look
from lrsearch.search.results.latitude import SPREAD, Latitude, _differ, latitude, seed_noise
from lrsearch.spaces import Schedule

NOISE = 0.01
SEEDS = tuple(range(101, 110))
Loss = Callable[[Schedule], float]


def flat(schedule: Schedule) -> float:
    """Every schedule between 0.01 and 0.2 does, whatever its shape."""
    return 0.5 + (0.0 if 0.01 <= schedule.base_lr <= 0.2 else 20 * NOISE)


def decay_pays(schedule: Schedule) -> float:
    """The less is left of the rate in the end, the better: a constant rate is five noise units behind."""
    curve = schedule.curve(20)
    return flat(schedule) + 5 * NOISE * float(curve[-1] / curve.max())


def searched(loss: Loss, seed: int = 0, maximize: bool = False) -> SearchResult:
    """A search of 40 trials whose lowest one is judged against a constant rate on nine fresh seeds."""
    rng = np.random.default_rng(seed)
    sign = -1 if maximize else 1
    made = made_result(40, seed=seed, pruned=0.0, wall=math.inf, maximize=maximize)

    def value(trial: TrialRecord) -> float:
        assert trial.schedule is not None
        return sign * (loss(trial.schedule) + NOISE * rng.standard_normal())

    result = replace(made, trials=tuple(replace(t, value=value(t)) for t in made.trials))
    rival = replace(result.baselines[0], schedule=Schedule("constant", 0.05, 10))
    parties = (next(t for t in result.ranking if not t.baseline), rival)
    luck = dict(zip(SEEDS, 0.1 * rng.standard_normal(len(SEEDS)), strict=True))
    runs = [replace(t, number=0, seed=s, confirms=t.number, value=value(t) + luck[s]) for s in SEEDS for t in parties]
    contest = Contest(40, (parties[0].number,), (rival.number,), (), (), SEEDS, (Look(9, 0.0125),))
    return replace(result, confirmation=Confirmation(contest, tuple(runs), maximize))


def test_where_only_the_seeds_differ_the_range_of_base_lr_is_told() -> None:
    latitudes = [latitude(searched(flat, seed)) for seed in range(20)]
    told = [f for f in latitudes if f is not None]
    assert len(told) >= 12
    for f in told:
        assert 0.01 <= f.low < f.high <= 0.2
        assert f.spread <= SPREAD * f.noise
        assert len(f.trials) >= 8


def test_one_schedule_that_holds_its_rate_may_have_been_lucky() -> None:
    def ending(*shares: float) -> list[TrialRecord]:
        trials = made_result(40).ranking
        return [replace(t, lr=(1.0, share)) for t, share in zip(trials, shares, strict=False)]

    assert not _differ(ending(0.9, 0.0, 0.0, 0.1))
    assert not _differ(ending(0.9, 0.8, 0.1))
    assert _differ(ending(0.9, 0.8, 0.1, 0.0))


def test_where_decay_pays_nothing_of_the_kind_is_ever_said() -> None:
    assert [latitude(searched(decay_pays, seed)) for seed in range(50)] == [None] * 50


def test_a_larger_metric_that_is_better_gives_the_same_answer() -> None:
    pairs = [(latitude(searched(flat, s)), latitude(searched(flat, s, maximize=True))) for s in range(10)]
    assert sum(a is not None and b is not None for a, b in pairs) >= 6
    for a, b in pairs:
        if a and b:
            assert (a.low, a.high, a.trials) == (b.low, b.high, b.trials)


def test_the_noise_is_what_is_left_beside_schedules_and_seeds() -> None:
    noises = [seed_noise(only_confirmation(searched(flat, seed))) for seed in range(100)]
    assert np.sqrt(np.mean([f**2 for f in noises if f])) == pytest.approx(NOISE, rel=0.1)


def only_confirmation(result: SearchResult) -> Confirmation:
    assert result.confirmation is not None
    return result.confirmation


def told() -> tuple[SearchResult, Latitude]:
    """A search of which the schedule is known not to matter."""
    for seed in range(20):
        result = searched(flat, seed)
        if wide := latitude(result):
            return result, wide
    raise AssertionError("none of 20 searches")


def test_what_is_not_known_is_not_said() -> None:
    result, _ = told()
    confirmation = only_confirmation(result)
    assert latitude(replace(result, confirmation=None)) is None
    few = replace(confirmation, every=confirmation.every[:8])  # four seeds of two schedules: three degrees of freedom
    assert latitude(replace(result, confirmation=few)) is None
    broken = [replace(t, outcome="diverged", value=math.inf) if i == 1 else t for i, t in enumerate(confirmation.every)]
    assert latitude(replace(result, confirmation=replace(confirmation, every=tuple(broken)))) is None
    alike = tuple(replace(t, lr=(t.lr[0],) * len(t.lr)) for t in result.trials)
    assert latitude(replace(result, trials=alike)) is None


@pytest.mark.parametrize("outcome", ["diverged", "pruned", "failed"])
def test_the_range_ends_at_a_trial_that_did_not_do(outcome: str) -> None:
    result, wide = told()
    inside = sorted((result.trial(n) for n in wide.trials), key=lambda t: t.schedule.base_lr if t.schedule else 0)
    last = inside[-1] if inside[-1].number != result.best.number else inside[0]
    bad: Any = {"outcome": outcome, "metrics": {"val_loss": (9.0,) * last.epochs}}
    changed = tuple(replace(t, **bad) if t is last else t for t in result.trials)
    narrower = latitude(replace(result, trials=changed))
    assert narrower is None or last.number not in narrower.trials


def test_a_trial_pruned_when_it_was_no_worse_than_others_does_not_end_the_range() -> None:
    result, wide = told()
    one = next(n for n in wide.trials if n != result.best.number and not result.trial(n).baseline)
    early: Any = {"outcome": "pruned", "lr": result.trial(one).lr[:3], "metrics": {"val_loss": (2.0, 1.0, 0.1)}}
    changed = tuple(replace(t, **early) if t.number == one else t for t in result.trials)
    assert latitude(replace(result, trials=changed)) is not None
