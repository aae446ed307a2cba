"""What a trial shows may be long: a database that holds 64 KiB of a text stores it in parts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bowl import Bowl, StopAfter
from mariadb import mariadb_url

from lrsearch.errors import StudyError
from lrsearch.objectives import Measurement
from lrsearch.search import Plan, search
from lrsearch.search.notes.trial import LONGEST_TEXT, TrialLog, TrialNotes
from lrsearch.spaces import Schedule, default_space

__all__ = ["mariadb_url"]

MakePlan = Callable[..., Plan]
EPOCHS = 100


class Talkative(Bowl):
    """Forty-one metrics beside the loss."""

    epochs = EPOCHS

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for m in super().run(schedule, **how):
            more = {f'layer "{i}"': math.sin(m.epoch * i + schedule.base_lr) for i in range(41)}
            yield Measurement(m.epoch, {**m.metrics, **more}, m.lr, m.seconds)


def test_a_long_log_is_stored_in_parts_that_give_it_back() -> None:
    log = TrialLog(lr=(0.1,) * 5000, metrics={'a "b"\\': tuple(i / 7 for i in range(5000))}, seconds=(0.5,) * 5000)
    attrs = TrialNotes(outcome="complete", log=log.to_attrs()).to_attrs()
    assert list(attrs)[-1] == "log" or "log:0" in list(attrs)[: list(attrs).index("log")], "the parts come first"
    assert all(len(json.dumps(value)) < 2**16 for value in attrs.values())
    assert TrialNotes.read(attrs).shown == log
    assert TrialNotes.read(attrs).epochs == 5000
    assert all(TrialNotes.of_one_run(name) for name in attrs)
    assert not TrialNotes.of_one_run("log:x")
    del attrs["log:1"]
    with pytest.raises(StudyError, match="log is not whole"):
        TrialNotes.read(attrs)


def test_a_short_log_is_stored_as_ever() -> None:
    log = TrialLog(lr=(0.1,) * 3, metrics={"val_loss": (1.0, None, 2.0)})
    assert TrialNotes(log=log.to_attrs()).to_attrs() == {"log": log.to_attrs()}


def talkative(make_plan: MakePlan, **changes: Any) -> Plan:
    return make_plan("5", objective=Talkative(), space=default_space("sgd", EPOCHS), sampler="random", **changes)


def test_a_long_log_is_read_back_from_a_journal_and_not_repeated_with_an_interrupted_trial(make_plan: MakePlan) -> None:
    plan = talkative(make_plan, pruner="none")
    with pytest.raises(KeyboardInterrupt):
        search(plan, StopAfter(2))
    result = search(plan)
    assert all(t.epochs == EPOCHS and len(t.metrics) == 43 for t in result.trials)
    assert len(json.dumps(result.trials[0].metrics)) > 2 * LONGEST_TEXT


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # PyMySQL leaves sockets to the collector
def test_a_search_with_many_metrics_runs_on_mariadb(make_plan: MakePlan, mariadb_url: str) -> None:
    plan = talkative(make_plan, storage=mariadb_url, confirm=0)
    result = search(plan)
    assert sum(t.counted for t in result.trials) == 5
    assert "failed" not in result.counts()
    assert all(len(t.metrics) == 43 for t in result.ranking)
