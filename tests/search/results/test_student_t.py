"""The closed form of Student's t against SciPy."""

from __future__ import annotations

import math

import pytest
from scipy.special import stdtrit

from lrsearch.search.results.student_t import upper_quantile


@pytest.mark.parametrize("level", [0.4, 0.05, 0.0125, 6.25e-4, 1e-5])
@pytest.mark.parametrize("degrees", [*range(1, 31), 99, 100, 999])
def test_quantiles_are_those_of_scipy(degrees: int, level: float) -> None:
    assert upper_quantile(degrees, level) == pytest.approx(-stdtrit(degrees, level), rel=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 7])
def test_half_of_the_probability_is_above_zero_and_none_above_infinity(degrees: int) -> None:
    assert upper_quantile(degrees, 0.5) == pytest.approx(0, abs=1e-12)
    assert upper_quantile(degrees, 0.0) == math.inf
