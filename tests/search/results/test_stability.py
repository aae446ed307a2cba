"""Distance from the wall, and runs that spiked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrsearch.search.results.stability import margin, spikes
from lrsearch.spaces import Schedule


def exp(base_lr: float, warmup: float = 0.0) -> Schedule:
    return Schedule("exp", base_lr, 10, warmup=warmup)


def test_the_margin_is_the_factor_to_the_nearest_rate_that_broke() -> None:
    assert margin(exp(0.1), []) == math.inf
    assert margin(exp(0.1), [exp(0.5), exp(0.2), exp(0.9)]) == pytest.approx(2.0)
    assert margin(exp(0.1), [exp(0.12, warmup=3)]) == pytest.approx(1.2)


def test_a_lower_rate_that_broke_is_beyond_the_wall_unless_it_was_warmed_up_less() -> None:
    assert margin(exp(0.2), [exp(0.1)]) == 1.0
    assert margin(exp(0.2), [exp(0.1, warmup=2)]) == 1.0
    assert margin(exp(0.2, warmup=2), [exp(0.1)]) == 2.0


@pytest.mark.parametrize("maximize", [False, True])
def test_a_run_far_worse_than_the_others_spiked_and_one_far_better_did_not(maximize: bool) -> None:
    sign = -1.0 if maximize else 1.0
    calm = [sign * v for v in (1.0, 1.1, 0.9, 1.05, 0.95, 1.0)]
    rough = [sign * v for v in (1.0, 1.1, 9.0, -9.0, 0.95, 1.0)]
    assert spikes([calm, rough], maximize=maximize) == [[], [2]]
    assert spikes([calm, [*calm, sign * math.inf]], maximize=maximize) == [[], [6]]


def test_few_runs_and_equal_runs_have_no_spikes() -> None:
    assert spikes([[1.0, 1.1, 9.0]]) == [[]]
    assert spikes([[1.0] * 8 + [1.1]]) == [[]]
    assert spikes([]) == []


def test_normal_noise_is_seldom_called_a_spike() -> None:
    rng = np.random.default_rng(0)
    flagged = [spikes(rng.standard_normal((2, 9)).tolist()) != [[], []] for _ in range(1000)]
    assert np.mean(flagged) < 0.02
