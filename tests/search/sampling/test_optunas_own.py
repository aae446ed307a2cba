"""Optuna's own tests of a sampler, for Optuna's samplers as lrsearch makes them repeatable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase

from lrsearch.search.sampling.samplers import Repeatable

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["random", "tpe", "gp", "qmc"])
class TestRepeatable(BasicSamplerTestCase):
    @pytest.fixture
    def sampler(self, name: str) -> Callable[[], BaseSampler]:
        return lambda: Repeatable(name, 0)
