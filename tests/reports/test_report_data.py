"""What the report's tables say: comparisons, warnings, curves, points, rows."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from results import contested, lr_trial, made_result, made_trial, only, resumed

from lrsearch.reports.facts import answer as answers
from lrsearch.reports.facts import curves as series
from lrsearch.reports.facts import edges, rows, spending, tables
from lrsearch.reports.facts.early_epochs import early_orders
from lrsearch.reports.figures.base_lr import wall
from lrsearch.reports.figures.parameters import parameters
from lrsearch.reports.figures.points import scale, select
from lrsearch.reports.figures.progress import progress
from lrsearch.reports.figures.stops import stops
from lrsearch.reports.figures.timeline import timeline
from lrsearch.search import TrialRecord
from lrsearch.search.results.importance import MIN_TRIALS, importance
from lrsearch.spaces import FAMILIES, Range, Schedule, ScheduleSpace, default_space

# The tables.


def test_the_winner_is_compared_with_every_baseline_in_difference_and_percent() -> None:
    base = [lr_trial(0, 0.5, value=0.4, baseline="constant"), lr_trial(1, 0.5, value=0.3, baseline="linear")]
    shown = tables.comparisons(only(*base, lr_trial(2, 0.1, value=0.2)))
    assert [(c.name, c.better) for c in shown] == [("constant", True), ("linear", True)]
    assert shown[0].difference == pytest.approx(-0.2)
    assert shown[0].percent == pytest.approx(-50)


def test_larger_is_better_when_the_metric_is_maximized() -> None:
    result = made_result(20, metric="val_accuracy", maximize=True)
    assert all(c.better == (c.difference > 0) for c in tables.comparisons(result) if c.difference)
    assert "higher than the best baseline" in answers.answer(result).verdict
    steps = [s.best for s in progress(result) if s.best is not None]
    assert steps == sorted(steps)


def test_a_baseline_that_did_not_finish_is_shown_with_its_outcome() -> None:
    result = only(lr_trial(0, 0.9, outcome="diverged", baseline="constant"), *(lr_trial(i, 0.1) for i in range(1, 7)))
    assert tables.comparisons(result)[0][2:6] == ("diverged", None, None, None)
    assert "no baseline finished" in answers.answer(result).verdict


def test_a_baseline_that_was_queued_again_counts_once() -> None:
    first = lr_trial(0, 0.1, outcome="interrupted", baseline="constant")
    again = lr_trial(2, 0.1, value=0.5, baseline="constant")
    shown = tables.comparisons(only(first, lr_trial(1, 0.1, value=0.2), again))
    assert [(c.name, c.trial) for c in shown] == [("constant", 2)]


def test_a_winning_baseline_is_said_to_be_one() -> None:
    searched = [lr_trial(i, 0.2, value=0.2) for i in range(1, 7)]
    result = only(lr_trial(0, 0.1, value=0.1, baseline="constant"), *searched)
    assert "No searched schedule has beaten this baseline (constant)" in answers.answer(result).verdict


@pytest.mark.parametrize(("value", "side"), [(0.00101, "lower"), (0.99, "upper"), (0.1, None)])
def test_a_best_value_at_an_end_of_its_range_is_warned_about(value: float, side: str | None) -> None:
    result = only(lr_trial(0, value, params={"base_lr": value}))
    assert [e.side for e in edges.edges(result)] == ([side] if side else [])


def test_natural_ends_are_not_warned_about() -> None:
    space = ScheduleSpace(families=("cosine",), ranges={"cosine.eta_min": Range(0.0, 1.0)})
    params = {"family": "cosine", "base_lr": 0.1, "warmup": 0.0, "cosine.T_max": 10.0, "cosine.eta_min": 0.0}
    trial = made_trial(0, Schedule("cosine", 0.1, 10), params=params)
    assert edges.edges(made_result(1, space=space, trials=(trial,))) == ()


def test_positions_follow_the_scale_of_the_range() -> None:
    assert edges.position(Range(0.01, 1.0, log=True), 0.1) == pytest.approx(0.5)
    assert edges.position(Range(0.0, 4.0), 1.0) == pytest.approx(0.25)


def test_families_are_ranked_by_their_best_trial() -> None:
    shown = tables.families(made_result(40))
    assert {r.family for r in shown} >= {"exp", "step", "cosine"}
    assert shown[0].behind == 0
    assert [r.best for r in shown if r.best] == sorted(r.best for r in shown if r.best)
    assert sum(r.trials for r in shown) == 40


def test_the_budget_is_accounted_for_to_the_last_epoch() -> None:
    result = made_result(50)
    shown = spending.outcomes(result)
    assert sum(r.epochs for r in shown) == sum(t.epochs for t in result.trials)
    assert sum(r.share for r in shown) == pytest.approx(1)
    assert {r.outcome: r.trials for r in shown} == result.counts()


def test_equal_reasons_are_counted_together() -> None:
    failed = [lr_trial(i, 0.1, outcome="failed", reason="ValueError: no") for i in range(3)]
    assert spending.reasons(only(*failed)) == (spending.Reason("failed", "ValueError: no", (0, 1, 2)),)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (None, "–"), (math.nan, "–"), (-math.inf, "−∞"), (1e-7, "1e-7"), (12345.0, "1.234e+4")],
)
def test_numbers_for_people(value: float | None, text: str) -> None:
    assert tables.num(value) == text


def test_close_calls_count_trials_within_a_percent() -> None:
    trials = [lr_trial(i, 0.1, value=v) for i, v in enumerate((1.0, 1.005, 1.02))]
    assert tables.close_calls(only(*trials)) == 1
    assert "1 other trial comes within 1\u00a0%" in answers.answer(only(*trials)).certainty


# The curves.


def test_an_lr_line_keeps_both_sides_of_every_drop() -> None:
    schedule = Schedule("step", 0.1, 10, {"step_size": 3, "gamma": 0.1})
    line = series.lr_line(schedule, 1000, points=50)
    assert len(line.x) < 70
    at = [y for x, y in zip(line.x, line.y, strict=True) if x == 3.0]
    assert at == [pytest.approx(0.1), pytest.approx(0.01)]
    assert line.x[-1] == 10.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_thinned_line_follows_the_whole_curve(family: str) -> None:
    schedule = Schedule(family, 0.1, 10, warmup=0 if FAMILIES[family].rises else 1)
    line = series.lr_line(schedule, 100)
    curve = schedule.curve(100)
    x = np.arange(len(curve)) / 100
    drawn = np.interp(x, line.x, line.y)
    assert np.mean(np.abs(drawn - curve)) < 5e-4
    assert all(a <= b for a, b in itertools.pairwise(line.x))


@pytest.mark.parametrize(
    ("schedule", "kinds"),
    [
        (Schedule("exp", 0.1, 10, warmup=2), ["warm-up", "decay"]),
        (Schedule("constant", 0.1, 10), ["hold"]),
        (Schedule("step", 0.1, 10, warmup=1), ["warm-up", "steps"]),
        (Schedule("cosine", 0.1, 10, {"T_max": 6}), ["decay", "rise"]),
        (Schedule("wsd", 0.1, 10, {"cooldown": 3, "shape": "linear"}, warmup=1), ["warm-up", "hold", "decay"]),
        (Schedule("exp", 0.1, 10, interval="epoch"), ["decay"]),
        (Schedule("exp", 0.1, 1), ["decay"]),
    ],
)
def test_phases(schedule: Schedule, kinds: list[str]) -> None:
    shown = series.phases(schedule, 20)
    assert [p.kind for p in shown] == kinds
    assert shown[0].start == 0
    assert shown[-1].end == schedule.horizon
    assert all(a.end == b.start for a, b in itertools.pairwise(shown))


def test_drops_of_a_step_schedule_stand_where_the_rate_changes() -> None:
    assert series.drops(Schedule("step", 0.1, 10, {"step_size": 3, "gamma": 0.1}, warmup=1), 20) == (4.0, 7.0)
    assert series.drops(Schedule("cosine", 0.1, 10), 20) == ()


def test_the_recommended_trial_stands_first_and_every_trial_once() -> None:
    shown = series.curves(made_result(30))
    assert [c.role for c in shown].count("recommended") == 1
    assert shown[0].role == "recommended"
    assert len({c.number for c in shown}) == len(shown)
    assert {line.name for line in shown[0].losses} == {"train_loss", "val_loss"}
    assert all([line.name for line in c.losses] == ["val_loss"] for c in shown[1:])
    assert shown[0].losses[0].x[0] == 1.0


def test_a_ranking_metric_that_is_no_loss_gets_its_own_curve() -> None:
    shown = series.curves(made_result(20, metric="val_accuracy", maximize=True))
    assert shown[0].score is not None
    assert shown[0].score.name == "val_accuracy"


def test_ranked_curves_hold_every_complete_trial_in_order() -> None:
    result = made_result(100)
    shown = series.ranked(result, 7)
    assert [n for g in shown for n in g.trials] == [t.number for t in result.ranking]
    assert [g.rank for g in shown] == list(range(7))
    assert all(g.best <= g.worst for g in shown)


# The points.


def test_every_trial_is_a_step_of_the_progress_and_the_epochs_add_up() -> None:
    result = made_result(40)
    shown = progress(result)
    assert shown[-1].epochs == sum(t.epochs for t in result.trials)
    assert shown[-1].best == result.best.value
    bests = [s.best for s in shown if s.best is not None]
    assert bests == sorted(bests, reverse=True)


def test_the_wall_separates_diverged_trials() -> None:
    shown = wall(made_result(200, wall=0.3))
    assert shown is not None
    assert shown.base_lr == pytest.approx(0.3, rel=0.1)
    assert shown.diverged_above == shown.above
    assert shown.diverged_below == 0
    assert wall(made_result(30, wall=9.0)) is None
    assert wall(made_result(30, wall=0.0)) is None


def test_parameters_are_those_that_vary_and_the_best_familys_come_first() -> None:
    result = made_result(60)
    shown = parameters(result)
    assert [p.name for p in shown][:2] == ["base_lr", "warmup"]
    assert shown[2].name.startswith(result.best.schedule.family if result.best.schedule else "")
    fixed = default_space("sgd", 10)
    fixed = replace(fixed, ranges={**fixed.ranges, "step.gamma": Range(0.1, 0.1)})
    assert "step.gamma" not in [p.name for p in parameters(made_result(60, space=fixed))]


def test_two_gpus_are_two_lanes() -> None:
    made = made_result(20)
    trials = [replace(t, device=f"cuda:{t.number % 2}", worker=t.number % 2) for t in made.trials]
    shown = timeline(replace(made, trials=tuple(trials)))
    assert shown.lanes == ("worker 1 (cuda:0)", "worker 2 (cuda:1)")


def test_the_day_between_two_sessions_is_cut_out_of_the_timeline() -> None:
    shown = timeline(resumed())
    assert len(shown.sessions) == 1
    assert max(b.end for b in shown.bars) < 60
    assert [s.session for s in progress(resumed())] == [0] * 10 + [1] * 10


def test_stops_count_by_epoch() -> None:
    shown = {s.outcome: s.counts for s in stops(made_result(60))}
    assert sum(shown["pruned"]) == made_result(60).counts()["pruned"]
    assert shown["pruned"][3] == sum(shown["pruned"])


def test_a_selection_keeps_the_best_trials() -> None:
    ranking = made_result(300, pruned=0, wall=9).ranking
    kept = select(ranking, 100)
    assert len(kept) == 100
    assert kept[:50] == list(ranking[:50])
    assert kept[-1] == ranking[-1]


# Importance.


def test_importance_finds_the_parameter_that_matters_and_adds_up_to_one() -> None:
    shown = importance(made_result(200))
    assert next(iter(shown)) == "base_lr"
    assert sum(shown.values()) == pytest.approx(1)
    assert set(shown) >= {"base_lr", "warmup", "family", "exp.gamma"}


def test_importance_is_empty_with_too_few_trials_or_foreign_parameters() -> None:
    assert importance(made_result(MIN_TRIALS - 1)) == {}
    assert importance(only(*(lr_trial(i, 0.1, params={"other": 1.0}) for i in range(20)))) == {}


# The table of trials.


def test_rows_list_every_trial_best_first() -> None:
    result = made_result(30)
    shown = rows.trial_rows(result)
    assert sorted(r.number for r in shown) == list(range(30))
    assert [r.number for r in shown][: len(result.ranking)] == [t.number for t in result.ranking]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_code_of_a_row_makes_the_same_schedule(family: str) -> None:
    warmup = 0 if FAMILIES[family].rises else 1.5
    schedule = Schedule(family, 0.1, 10, warmup=warmup, interval="epoch", warmup_start=0.1, warmup_shape="cosine")
    assert eval(rows.code(schedule), {"Schedule": Schedule}) == schedule


def test_a_sparkline_stays_in_its_box() -> None:
    pairs = [p.split(",") for p in rows.spark(Schedule("cosine", 0.1, 100), 50).split()]
    assert len(pairs) <= rows.SPARK_POINTS + 2
    assert all(0 <= float(x) <= rows.SPARK_WIDTH and 0 <= float(y) <= rows.SPARK_HEIGHT for x, y in pairs)


def test_early_looks_compare_the_order_of_complete_trials_with_their_last() -> None:
    def trial(i: int, curve: list[float]) -> TrialRecord:
        schedule = Schedule("constant", 0.1, 4)
        return TrialRecord(i, "complete", schedule, curve[-1], {"val_loss": tuple(curve)}, (0.1,) * 4, (1.0,) * 4)

    rising = [trial(i, [float(i), float(i), float(-i), float(i)]) for i in range(16)]
    result = replace(made_result(1, epochs=4), trials=tuple(rising))
    orders = early_orders(result)
    assert [o.epoch for o in orders] == [1, 2, 3]
    assert [round(o.everyone, 6) for o in orders] == [1, 1, -1]
    assert [round(o.better or 0, 6) for o in orders] == [1, 1, -1]
    assert early_orders(replace(result, trials=tuple(rising[:9])))[0].better is None
    assert early_orders(replace(result, trials=tuple(rising[:7]))) == ()


# Where the budget went.


def test_the_confirmation_is_part_of_where_the_budget_went() -> None:
    result = contested()
    runs = spending.further(result)
    assert [(r.outcome, r.trials) for r in runs] == [("confirmation", len(result.confirming))]
    shares = [r.share for r in (*spending.outcomes(result), *runs)]
    assert sum(shares) == pytest.approx(1)
    assert sum(r.epochs for r in (*spending.outcomes(result), *runs)) == sum(
        t.epochs for t in (*result.trials, *result.confirming)
    )


def test_what_is_not_spent_is_said() -> None:
    result = made_result(10)
    limited = replace(result, sessions=({**result.sessions[0], "limit": ["trials", 12]},))
    assert spending.unspent(limited) == "2 of 12 trials"
    assert spending.unspent(result) == ""
    timed = replace(result, sessions=({**result.sessions[0], "limit": ["seconds", 1200.0]},))
    assert spending.unspent(timed) == ""


def test_wall_time_leaves_out_the_hours_between_sessions() -> None:
    assert 0 < spending.wall_seconds(resumed()) < 60
    assert spending.wall_seconds(made_result(0)) == 0


def test_divergences_that_differ_in_numbers_alone_are_one_reason() -> None:
    texts = [
        "train_loss rose to 1.51e+03 after epoch 1, from 2.3 at the start",
        "train_loss rose to 88 after epoch 3, from 2.3 at the start",
    ]
    made = [lr_trial(i, 0.9, outcome="diverged", reason=t, lr=(0.9,) * (1 + 2 * i)) for i, t in enumerate(texts)]
    assert spending.reasons(only(*made)) == (
        spending.Reason("diverged", "train_loss rose far above its start, after epoch 1 to 3", (0, 1)),
    )
    assert spending.reasons(only(made[0]))[0].text == texts[0]


def test_the_axis_of_values_that_begin_at_almost_zero_has_ends() -> None:
    ends = scale(made_result(4), [5e-324, 0.1, 0.2, 0.3]).settings["range"]
    assert all(math.isfinite(end) for end in ends)
