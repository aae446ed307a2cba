"""Shared pieces: a tiny objective with a known best answer, and runs made once."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests should not fight over a small machine's cores
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):  # or every process of every test compiles PyTorch's source again
    sys.dont_write_bytecode = False

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bowl import Bowl, Clock
from browsers import browser, show
from hypothesis import settings
from postgres import postgres_server, postgres_url
from xdist.scheduler import WorkStealingScheduling

from lrsearch.objectives import TaskObjective, get_task
from lrsearch.search import Budget, Plan, SearchResult, search
from lrsearch.spaces import default_space

__all__ = ["browser", "digits_run", "make_plan", "postgres_server", "postgres_url", "show"]

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # so in what a shell starts with &; tests' processes would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.fixture
def make_plan(tmp_path: Path) -> Callable[..., Plan]:
    """A plan on `Bowl` in a temporary folder, with anything changed."""

    def make(budget: str = "12", **changes: Any) -> Plan:
        objective = changes.pop("objective", Bowl())
        space = changes.pop("space", default_space("sgd", objective.epochs))
        given = {
            "study": "bowl",
            "out": str(tmp_path),
            "jobs": 1,
            "device": "cpu",
            "confirm": 0,
            "probe": "off",
            "spend_all": True,
            **changes,
        }
        return Plan(objective, space, Budget.parse(budget), **given)

    return make


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that a test's objective moves: a budget of time is spent without waiting, however busy the machine."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A real search of 14 trials on digits."""
    out = tmp_path_factory.mktemp("runs")
    plan = Plan(
        TaskObjective(get_task("digits")), default_space("sgd", 6), Budget.parse("14"), "digits", str(out), device="cpu"
    )
    return search(plan)


MEMORY, ENOUGH = "/dev/shm", 2**31  # many containers give it 64 MB, or forbid to run what lies there


def pytest_configure() -> None:
    """Temporary folders lie in memory where there is enough: a disk takes milliseconds for each fsync of a journal."""
    if os.path.isdir(MEMORY) and os.access(MEMORY, os.W_OK):
        there = os.statvfs(MEMORY)
        if there.f_bavail * there.f_frsize > ENOUGH and not there.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Slow tests wait for other processes much of their time: three of them keep two processors busy."""
    return (3 * (os.cpu_count() or 1) + 1) // 2 if config.option.markexpr == "slow" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A process that has no tests left takes some of another's: a few tests take as long as hundreds of others."""
    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a database server, a browser or a deep network are slow ones."""
    for item in items:
        needs = "postgres_url" in getattr(item, "fixturenames", ()) or item.get_closest_marker("browser")
        if needs or "resnet18" in item.name:
            item.add_marker("slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files of slow tests alone are not imported for the quick ones: some bring deep-learning frameworks along."""
    asked_for = any(collection_path.name in word for word in config.args)
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py" or asked_for:
        return None
    return True if _ALL_SLOW.search(collection_path.read_text()) else None


_ALL_SLOW = re.compile(r"^pytestmark = \[?\s*(?:\*NEEDS, )?pytest\.mark\.slow\b|^pytestmark = NEEDS$", re.MULTILINE)
