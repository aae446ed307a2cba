"""Optuna's own tests of a sampler, for Optuna's samplers as lrsearch makes them repeatable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase

from lrsearch.search.sampling.samplers import Repeatable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),  # filters are shared by threads
]


@pytest.mark.parametrize("name", ["random", "tpe", "gp", "qmc"])
class TestRepeatable(BasicSamplerTestCase):
    @pytest.fixture
    def sampler(self, name: str) -> Callable[[], BaseSampler]:
        return lambda: Repeatable(name, 0)


class TestSequence(RelativeSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: Repeatable("qmc", 0)
