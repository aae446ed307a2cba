"""Threads where other programs take the processors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from bowl import Bowl, StopAfter

from lrsearch.objectives import TaskObjective, get_task
from lrsearch.search import Plan, search
from lrsearch.search.engines import free_processors
from lrsearch.search.engines.free_processors import Look, Others, Processors, free_for, look, others_between
from lrsearch.search.trial.settings import Terms
from lrsearch.spaces import default_space

CORES = 4


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """A machine of four processors; sets how many of them other programs keep free_processors."""
    before = torch.get_num_threads()
    monkeypatch.setattr("psutil.cpu_count", lambda: CORES)
    monkeypatch.setattr(free_processors, "cpu_count", lambda: CORES)
    torch.set_num_threads(CORES)
    yield lambda number: monkeypatch.setattr(free_processors.OTHERS, "now", lambda: number)
    torch.set_num_threads(before)


def test_threads_fit_what_others_leave_and_a_note_says_so_once(others: Callable[[float], None]) -> None:
    notes: list[str] = []
    processors = Processors(Bowl(), "cpu", notes.append)
    others(4.0)
    with processors.shared(tell=False):
        assert (torch.get_num_threads(), notes) == (1, [])
    others(0.2)
    with processors.shared():
        assert (torch.get_num_threads(), notes) == (CORES, [])
        others(2.5)
        processors.fit()
        assert torch.get_num_threads() == 1
        others(0.0)
        processors.fit()
        assert torch.get_num_threads() == CORES, "the processors are free again"
        others(4.0)
        processors.fit()
    assert torch.get_num_threads() == CORES
    with processors.shared(2):
        assert torch.get_num_threads() == 1
        others(1.0)
        processors.fit()
        assert torch.get_num_threads() == 2, "no more than were asked for"
    assert torch.get_num_threads() == CORES
    assert notes == [
        "Other programs use about 2.5 of the 4 processors: times are not typical, and PyTorch uses 1 of 4 threads."
    ]


def test_the_threads_that_a_users_code_sets_are_kept(others: Callable[[float], None]) -> None:
    others(0.0)
    processors = Processors(Bowl(), "cpu", lambda note: None)
    with processors.shared():
        torch.set_num_threads(2)
        processors.fit()
        assert torch.get_num_threads() == 2
        torch.set_num_threads(3)
    assert torch.get_num_threads() == 3


def test_on_a_gpu_there_is_but_the_note(others: Callable[[float], None]) -> None:
    notes: list[str] = []
    others(4.0)
    with Processors(Bowl(), "cuda", notes.append).shared():
        assert torch.get_num_threads() == CORES
    assert notes == ["Other programs use about 4.0 of the 4 processors: times are not typical."]


def test_each_epoch_looks_again_if_it_is_time_and_whoever_was_told_still_is(others: Callable[[float], None]) -> None:
    told: list[tuple[int, int, int]] = []
    terms = Terms(default_space(), "val_loss", False, 4, 0, "cpu", told=lambda *epoch: told.append(epoch))
    processors = Processors(Bowl(), "cpu", lambda note: None)
    others(0.0)
    with processors.shared():
        others(4.0)
        watched = processors.watched(terms).told
        assert watched
        watched(0, 1, 4)
        assert torch.get_num_threads() == CORES, "it has just looked"
        processors._next = 0.0
        watched(0, 2, 4)
        assert torch.get_num_threads() == 1
        quiet = processors.watched(replace(terms, told=None)).told
        assert quiet
        quiet(0, 3, 4)
    assert told == [(0, 1, 4), (0, 2, 4)]


def test_what_others_use_is_what_this_process_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda: CORES)
    before = Look(10.0, 100.0, 50.0)
    assert others_between(before, Look(20.0, 130.0, 60.0)) == 2.0
    assert others_between(before, Look(20.0, 110.0, 61.0)) == 0.0, "clocks have steps"
    assert others_between(before, Look(20.0, 190.0, 50.0)) == CORES
    monkeypatch.setattr(free_processors, "cpu_count", lambda: CORES)
    assert [free_for(n) for n in (0.0, 0.3, 0.4, 2.0, 4.0)] == [4, 4, 3, 2, 1]
    monkeypatch.setattr(free_processors, "cpu_count", lambda: 2)
    assert free_for(0.0) == 2, "a container may use no more"


def test_looks_are_real_and_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    first = look()
    sum(i * i for i in range(300_000))
    second = look()
    assert second.at > first.at
    assert second.own >= first.own > 0
    assert second.all >= first.all > first.own * 0.5
    looks = iter(
        [Look(0.0, 0.0, 0.0), Look(1.0, 1.0, 0.0), Look(1.05, 9.0, 0.0), Look(99.0, 10.0, 0.0), Look(99.1, 10.2, 0.0)]
    )
    monkeypatch.setattr(free_processors, "look", lambda: next(looks))
    monkeypatch.setattr("psutil.cpu_count", lambda: CORES)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    others = Others()
    assert others.now() == 1.0
    assert others.now() == 1.0, "too soon for clocks with steps"
    assert others.now() == pytest.approx(2.0), "of the last tenth of a second, not of the last minute"


def test_a_search_on_a_busy_machine_says_so_and_trains_in_one_thread(
    make_plan: Callable[..., Plan], others: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    objective = TaskObjective(get_task("digits"))
    run = objective.run

    def counted(*args: Any, **how: Any) -> Any:
        seen.append(torch.get_num_threads())
        return run(*args, **how)

    others(4.0)
    monkeypatch.setattr(objective, "run", counted)
    told = StopAfter(99)
    search(make_plan("2", objective=objective, space=default_space("sgd", 2), engine="single", jobs=0), told)
    assert set(seen) == {1}
    assert torch.get_num_threads() == CORES
    assert sum("Other programs use about 4.0 of the 4 processors" in note for note in told.notes) == 1
