"""The probe: what it runs and concludes, once; what it costs; what becomes of the baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from bowl import Bowl, LongBowl, StopAfter

from lrsearch.objectives import Measurement
from lrsearch.search import Plan, SearchResult, Silent, TrialRecord, load_result, open_storage, search
from lrsearch.search.sampling.initial_design import scan
from lrsearch.search.sampling.scale import Scale, probe_rates, scale_of
from lrsearch.spaces import Range, Schedule, ScheduleSpace, default_space

MakePlan = Callable[..., Plan]


class Hears(Silent):
    """Keeps the notes and the runs."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.runs: list[TrialRecord] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        self.runs.append(record)


def probed(make_plan: MakePlan, budget: str = "14", **changes: Any) -> Plan:
    return make_plan(budget, **{"objective": LongBowl(), "probe": "auto", **changes})


def test_rates_are_in_the_middle_of_equal_parts_of_the_range() -> None:
    rates = probe_rates(default_space("sgd", 12))
    assert rates == pytest.approx(10 ** np.arange(-2.75, 0, 0.5), rel=1e-3)


@pytest.mark.parametrize(("epochs", "runs"), [(1, 0), (2, 0), (5, 0), (6, 4), (8, 6), (100, 6)])
def test_a_probe_costs_at_most_three_quarters_of_a_trial(epochs: int, runs: int) -> None:
    assert len(probe_rates(default_space("sgd", epochs))) == runs <= 0.75 * epochs


def test_a_fixed_rate_is_not_probed() -> None:
    assert probe_rates(ScheduleSpace(base_lr=Range(0.1, 0.1), horizon=20)) == []


def test_the_scale_is_a_little_below_the_minimum_of_the_parabola() -> None:
    rates = [0.001, 0.01, 0.1, 1.0]
    scale = scale_of(rates, [(math.log10(r) + 1.4) ** 2 for r in rates])
    assert scale is not None
    assert math.log10(scale.base_lr) == pytest.approx(-1.4 + math.log10(0.6), abs=0.01)


def test_divergence_counts_as_the_worst() -> None:
    scale = scale_of([0.001, 0.01, 0.1, 1.0], [3.0, 2.0, math.inf, math.inf])
    assert scale is not None
    assert 0.001 < scale.base_lr < 0.02


@pytest.mark.parametrize("values", [[math.inf] * 3, [1.0, math.inf, math.inf], [2.0, 2.0, 2.0]])
def test_runs_that_cannot_be_told_apart_tell_no_scale(values: list[float]) -> None:
    assert scale_of([0.001, 0.01, 0.1], values) is None


def test_the_probe_is_stored_beside_the_search(make_plan: MakePlan) -> None:
    told = Hears()
    result = search(probed(make_plan), told)
    assert result.probe is not None
    assert result.probe.scale is not None
    assert [r for r, _ in result.probe.points] == probe_rates(result.space)
    assert [r.epochs for r in result.probing] == [1] * 6
    assert result.probe.wall == pytest.approx(0.5623)
    assert abs(math.log10(result.probe.scale.base_lr) + 1) < 0.4
    assert all(r.probes for r in told.runs)
    assert len(told.runs) == 6
    assert any("expects the best base_lr near" in note for note in told.notes)
    assert not any(t.probes for t in result.trials)


def test_what_it_suggests_comes_first_and_the_baselines_later(make_plan: MakePlan) -> None:
    result = search(probed(make_plan, "16"))
    assert result.probe is not None
    assert result.probe.scale is not None
    firsts = [t.schedule for t in result.trials[:3]]
    assert [s.family for s in firsts if s] == ["cosine"] * 3
    center = result.probe.scale.base_lr
    assert [s.base_lr for s in firsts if s] == pytest.approx([center, center / 2, 2 * center], rel=1e-3)
    assert [t.baseline for t in result.trials[:8]] == [None] * 8
    assert [t.baseline for t in result.trials[8:11]] == ["constant", "linear to zero", "cosine to zero"]


def test_a_small_budget_still_trains_a_baseline(make_plan: MakePlan) -> None:
    result = search(probed(make_plan, "8"))
    assert [t.baseline for t in result.trials] == [None] * 6 + ["constant"]


@pytest.mark.parametrize(("budget", "trials", "epochs"), [("14", 13, None), ("168ep", None, 168)])
def test_it_counts_in_the_budget(make_plan: MakePlan, budget: str, trials: int | None, epochs: int | None) -> None:
    result = search(probed(make_plan, budget, pruner="none"))
    if trials is not None:
        assert sum(t.counted for t in result.trials) == trials
    if epochs is not None:
        assert sum(t.epochs for t in (*result.trials, *result.probing)) == epochs


@pytest.mark.parametrize(
    "changes",
    [{"probe": "off"}, {"budget": "5"}, {"sampler": "random"}, {"objective": Bowl()}],
    ids=["off", "few trials", "random", "short"],
)
def test_searches_that_have_no_use_for_it_begin_without(make_plan: MakePlan, changes: dict[str, Any]) -> None:
    budget = changes.pop("budget", "7")
    plan = probed(make_plan, budget, **changes)
    result = search(plan)
    assert result.probing == ()
    assert result.probe is not None
    assert result.probe.why
    begins_plainly = result.trials[0].baseline == "constant" or result.trials[0].schedule == scan(plan.space)[0]
    assert begins_plainly


def test_a_resumed_search_does_not_probe_again(make_plan: MakePlan) -> None:
    search(probed(make_plan, "8"))
    told = Hears()
    result = search(probed(make_plan, "12"), told)
    assert not told.runs
    assert len(result.probing) == 6
    assert len(result.trials) == 11


def test_a_study_begun_without_one_is_not_probed_later(make_plan: MakePlan) -> None:
    search(probed(make_plan, "4", probe="off"))
    assert search(probed(make_plan, "12")).probing == ()


class StopsInTheProbe(Hears):
    """Ctrl-C after the third run."""

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        super().run(record, done, of)
        if done == 3 and of == 6:
            raise KeyboardInterrupt


def test_an_interrupted_probe_goes_on_where_it_stopped(make_plan: MakePlan) -> None:
    whole = search(probed(make_plan, study="whole"))
    with pytest.raises(KeyboardInterrupt):
        search(probed(make_plan, study="cut"), StopsInTheProbe())
    told = Hears()
    resumed = search(probed(make_plan, study="cut"), told)
    assert len(told.runs) == 3
    assert resumed.probe is not None
    assert whole.probe is not None
    assert (resumed.probe.points, resumed.probe.scale) == (whole.probe.points, whole.probe.scale)
    assert _curves(resumed) == _curves(whole)


def test_equal_seeds_give_equal_searches_also_when_interrupted(make_plan: MakePlan) -> None:
    whole = search(probed(make_plan, study="whole"))
    with pytest.raises(KeyboardInterrupt):
        search(probed(make_plan, study="cut"), StopAfter(6))
    assert _curves(search(probed(make_plan, study="cut"))) == _curves(whole)


def _curves(result: SearchResult) -> list[tuple[Schedule | None, str | None]]:
    return [(t.schedule, t.baseline) for t in result.trials if t.counted]


def test_worker_processes_share_what_it_told(make_plan: MakePlan) -> None:
    result = search(probed(make_plan, jobs=2, engine="processes"))
    assert result.probe is not None
    assert result.probe.scale is not None
    assert len(result.trials) == 13
    near = [t for t in result.trials if not t.baseline and t.schedule]
    assert np.mean([abs(math.log10(t.schedule.base_lr) + 1) < 1.0 for t in near if t.schedule]) > 0.8


class HigherIsBetter(LongBowl):
    """The bowl upside down."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for m in super().run(schedule, **how):
            yield Measurement(m.epoch, {**m.metrics, "val_accuracy": -m.metrics["val_loss"]}, m.lr, m.seconds)


def test_larger_may_be_better(make_plan: MakePlan) -> None:
    result = search(probed(make_plan, objective=HigherIsBetter(), metric="val_accuracy", maximize=True))
    assert result.probe is not None
    assert result.probe.scale is not None
    assert abs(math.log10(result.probe.scale.base_lr) + 1) < 0.4


class Misleads(LongBowl):
    """After an epoch low rates look best, in the end base_lr 0.3 is."""

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        x = math.log10(schedule.base_lr)
        for epoch in range(1, epochs + 1):
            loss = 1.0 + (x + 2.5) ** 2 if epoch == 1 else (x + 0.5) ** 2 + 1 / epoch
            yield Measurement(epoch, {"train_loss": loss, "val_loss": loss}, schedule.base_lr, 0.001)


def test_trials_win_over_a_probe_that_misleads(make_plan: MakePlan) -> None:
    result = search(probed(make_plan, "24", objective=Misleads(), pruner="none"))
    assert result.probe is not None
    assert result.probe.scale is not None
    assert result.probe.scale.base_lr < 0.01
    assert result.best.schedule is not None
    assert result.best.schedule.base_lr > 0.1


def test_the_scale_counts_less_with_every_trial() -> None:
    scale = Scale(0.1)
    assert scale.log_density(np.array([0.1, 0.01]))[0] == 0
    assert scale.log_density(np.array([0.01]))[0] < -3


def test_it_is_read_back(make_plan: MakePlan) -> None:
    plan = probed(make_plan)
    result = search(plan)
    again = load_result(open_storage(plan.where), plan.study)
    assert again.probe == result.probe
