"""The first screen in facts: the verdict, what to expect, what test data say, warnings, where the gain comes from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from results import confirmed, contested, lr_trial, made_result, made_trial, only

from lrsearch.reports.facts.answer import answer
from lrsearch.reports.facts.edges import edges
from lrsearch.reports.facts.fresh_seeds import confirmed_rows
from lrsearch.reports.facts.fresh_seeds import facts as confirmed_facts
from lrsearch.reports.facts.gain import gain
from lrsearch.reports.facts.headline import Headline, headline
from lrsearch.reports.facts.numbers import cell, listed, rate, together, two_digits
from lrsearch.reports.facts.verdict import sureness
from lrsearch.search import SearchResult
from lrsearch.search.results.latitude import Latitude
from lrsearch.spaces import Schedule, space_from_toml

# The verdict.


@pytest.mark.parametrize(
    ("options", "state", "begin"),
    [
        ({"gap": 0.05}, "better", "Cosine (trial 18) beats the baseline (constant): val_loss 0.45 against 0.50 on"),
        (
            {"gap": -0.05},
            "worse",
            "Use the baseline (constant). The best searched schedule (cosine, trial 18) is worse",
        ),
        ({"noise": 0.04}, "no gain proven", "No gain proven. The best searched schedule (cosine, trial 18) averages"),
        ({"noise": 0.5}, "too noisy to tell", "Too noisy to tell."),
        ({"noise": 0.001}, "practically the same", "Practically the same."),
    ],
)
def test_a_verdict_that_is_open_says_how_much_it_leaves_open(options: dict[str, Any], state: str, begin: str) -> None:
    said = headline(contested(**options))
    assert said.state == state
    assert without_digits(said.verdict).startswith(without_digits(begin))
    assert "9 fresh seeds" in said.verdict


def without_digits(text: str) -> str:
    return "".join(c for c in text if c not in ".0123456789")


def test_the_gain_stands_in_percent_with_its_interval() -> None:
    said = headline(contested(0.05))
    assert said.paired is not None
    assert said.paired.relative(said.paired.difference) == pytest.approx(-9.9, abs=0.1)
    assert "9.9 % lower (interval 8.5 to 11 %)" in said.verdict
    assert len(said.paired.runs) == 9
    assert said.paired.low < sum(gap for _, gap in said.paired.runs) / 9 < said.paired.high < 0


def test_shares_are_told_in_points() -> None:
    said = headline(contested(0.05, maximize=True))
    assert said.paired is not None
    assert said.paired.share
    assert "5.1 points higher (interval 4.4 to 5.7 points)" in said.verdict


def test_an_open_difference_has_signs_on_both_ends() -> None:
    assert "(interval of the difference: -1.3 to +1.5 %)" in headline(contested()).verdict


def test_a_diverged_finalist_is_said_to_have_diverged() -> None:
    result = contested(0.05)
    assert result.confirmation is not None
    runs = [
        replace(t, outcome="diverged", value=math.inf) if (t.confirms, t.seed) == (18, 5) else t
        for t in result.confirmation.every
    ]
    said = headline(replace(result, confirmation=replace(result.confirmation, every=tuple(runs))))
    assert "diverged or failed on 1 of 9 fresh seeds" in said.verdict
    assert "nan" not in str(said.verdict)


def test_a_baseline_that_diverged_is_beaten_without_a_mean_that_it_does_not_have() -> None:
    said = headline(confirmed(diverged=2))
    assert "which diverged or failed on 2 of 3 fresh seeds; val_loss 0.2" in said.verdict
    every = headline(confirmed(diverged=6)).verdict
    assert "which diverged or failed on 6 of 6 fresh seeds." in every
    assert every.endswith("No run of 6 spiked; a risk of up to 39\u00a0% cannot be excluded.")


def test_how_sure_it_is_names_the_seeds() -> None:
    said = sureness(contested())
    assert "Seeds 1 and 2 picked the finalists, seeds 3 to 11 decided" in said
    assert "risk of error is under 5\u00a0%, although" in said
    assert "under 5\u00a0% in all confirmations of this study together" in said
    assert sureness(made_result(30)) == ""


def test_selection_and_decision_stand_in_columns_of_their_own() -> None:
    rows = {r.trial: r for r in confirmed_rows(contested())}
    assert [rows[t].role for t in (18, 0, 4, 1)] == ["finalist", "baseline", "dropped", "dropped"]
    assert [rows[t].selection.seeds for t in rows] == [2, 2, 2, 2]
    assert [rows[t].deciding.seeds for t in (18, 0, 4, 1)] == [9, 9, 0, 0]
    assert math.isnan(rows[4].deciding.value)
    assert rows[4].difference == "dropped after 2 selection seeds"
    assert rows[18].difference == ""
    assert rows[0].difference == "0.11 % higher (-1.3 to +1.5 %)"
    assert rows[18].name == "cosine"


def test_programs_get_the_finding_and_what_to_expect() -> None:
    said = confirmed_facts(contested())
    assert said is not None
    assert (said["verdict"], said["finding"]) == ("not distinguishable", "no gain proven")
    assert said["expected"]["seeds"] == 9
    assert said["expected"]["mean"] == pytest.approx(0.4989, abs=1e-4)


# What to expect.


def test_the_value_to_expect_is_the_mean_on_fresh_seeds_never_the_lucky_one() -> None:
    said = headline(contested(0.05)).expected
    assert said is not None
    assert (said.trial, said.seeds) == (18, 9)
    assert said.mean == pytest.approx(0.449, abs=1e-3)
    assert said.sd == pytest.approx(0.0196, abs=1e-3)
    assert said.text == "Expect val_loss 0.449 ± 0.020 (9 fresh seeds). The 0.221 of the search was a lucky run."


def test_of_a_recommended_baseline_its_own_value_is_expected_not_the_finalists() -> None:
    said = headline(contested(-0.05)).expected
    assert said is not None
    assert said.trial == 0
    assert said.mean == pytest.approx(0.499, abs=1e-3)


def test_without_fresh_seeds_one_run_is_called_one_run() -> None:
    said = headline(made_result(40)).expected
    assert said is not None
    assert math.isnan(said.mean)
    assert said.text.endswith("in one run with one seed: expect it to be somewhat higher.")


# Test data.


def test_test_data_that_point_the_other_way_are_warned_about() -> None:
    said = headline(contested(0.05, test_gap=-0.02))
    loss = next(t for t in said.tests if t.paired.metric == "test_loss")
    assert loss.contradicts
    assert (
        "test_loss 0.619 (searched) against 0.599 (baseline), higher on 9 of 9 seeds (val_loss: lower on 9 of 9)"
        in loss.text
    )
    assert loss.text.endswith("they contradict the verdict.")
    assert said.cautions[0] == ("test", loss.text, "")


def test_every_test_metric_is_there_with_difference_and_interval() -> None:
    said = headline(contested(0.05, test_gap=0.02))
    assert [t.paired.metric for t in said.tests] == ["test_loss", "test_accuracy"]
    loss = said.tests[0]
    assert not loss.contradicts
    assert "lower (interval" in loss.text
    assert loss.paired.low < loss.paired.difference < loss.paired.high < 0
    assert not any(c.kind == "test" for c in said.cautions)


def test_test_noise_does_not_speak_against_a_verdict_that_is_open() -> None:
    assert not any(t.contradicts for t in headline(contested(0.0, noise=0.04)).tests)
    assert any(t.contradicts for t in headline(contested(0.0, noise=0.04, test_gap=0.2)).tests)


# Warnings.


def test_an_edge_comes_with_the_toml_that_widens_the_range() -> None:
    result = only(lr_trial(0, 0.99, params={"base_lr": 0.99}))
    (edge,) = edges(result)
    assert edge.toml == "base_lr = { low = 0.001, high = 4.0, log = true }"
    wide = space_from_toml(edge.toml, result.space)
    assert wide.base_lr.high == 4.0


def test_every_wider_range_is_one_that_a_space_takes() -> None:
    made = made_result(1)
    for name in (*made.space.ranges, "warmup", "base_lr"):
        span = made.space.range_of(name)
        for value in (getattr(span, "low", None), getattr(span, "high", None)):
            if value is not None:
                for edge in edges(only(lr_trial(0, 0.1, params={name: value}))):
                    assert space_from_toml(edge.toml, made.space).range_of(name) != span


def test_a_divergence_close_above_the_recommended_rate_is_warned_about() -> None:
    trials = [lr_trial(0, 0.2, value=0.1), lr_trial(1, 0.3, outcome="diverged"), lr_trial(2, 0.39, value=0.2)]
    more = [lr_trial(i, 0.05, value=0.5) for i in range(3, 9)]
    (said,) = headline(only(*trials, *more)).cautions
    assert said.kind == "diverges"
    assert "1 trial diverged at 2 times this base_lr or less (the lowest at 1.5 times), 1 did not" in said.text
    assert headline(only(trials[0], trials[2], *more)).cautions == ()


# Where the gain comes from.


def test_the_gain_is_shared_out_among_rate_decay_and_searched_schedule() -> None:
    plain = lr_trial(0, 0.1, value=0.4, baseline="constant")
    rate = made_trial(1, Schedule("constant", 0.2, 10), value=0.2, baseline="constant, tuned")
    decay = made_trial(2, Schedule("linear", 0.2, 10), value=0.15, baseline="linear to zero, tuned")
    said = gain(only(plain, rate, decay, lr_trial(3, 0.3, value=0.1)))
    assert said is not None
    assert [s.trial for s in said.steps] == [0, 1, 2, 3]
    assert [s.name for s in said.steps] == ["untuned constant", "tuned constant", "tuned linear to zero", "exp"]
    assert [s.share for s in said.steps[1:]] == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    assert sum(s.change for s in said.steps) == pytest.approx(-0.3)
    assert said.percent == pytest.approx(-75)
    assert "67 % of it by base_lr and warm-up, 17 % of it by a usual decay" in said.sentence
    assert said.sentence.endswith("The last step is not proven on fresh seeds.")


def test_a_step_that_is_a_loss_leaves_no_shares() -> None:
    plain = lr_trial(0, 0.1, value=0.4, baseline="constant")
    tuned = made_trial(1, Schedule("constant", 0.2, 10), value=0.45, baseline="constant, tuned")
    said = gain(only(plain, tuned, lr_trial(3, 0.3, value=0.1)))
    assert said is not None
    assert [s.share for s in said.steps] == [None, None, None]


def test_without_an_untuned_run_there_is_no_way_to_tell() -> None:
    diverged = lr_trial(0, 0.1, outcome="diverged", baseline="constant")
    assert gain(only(diverged, lr_trial(1, 0.3, value=0.1))) is None
    assert gain(only(lr_trial(0, 0.1, value=0.4, baseline="constant"))) is None


# Too early.


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (1, "Too early to say: 1 trial, the untuned baseline."),
        (3, "Too early to say: 3 trials, all of them baselines."),
        (5, "Too early to say: 2 searched trials."),
    ],
)
def test_a_handful_of_trials_is_no_answer(n: int, said: str) -> None:
    result = made_result(n, pruned=0, wall=9)
    assert headline(result).state == "too early"
    assert headline(result).title == said
    assert answer(result).verdict == said
    assert "beat" not in str(answer(result).verdict)


def test_the_title_gives_two_digits_of_base_lr() -> None:
    (trial,) = (lr_trial(0, 0.41941, value=0.1),)
    said: Headline = headline(many(trial))
    assert said.title == "Use an exp schedule, base_lr 0.42 (no warm-up, 10 epochs)."
    assert headline(contested(-0.05)).title == "Use a constant rate, base_lr 0.032 (no warm-up, 10 epochs)."


def many(first: Any) -> SearchResult:
    return only(first, *(lr_trial(i, 0.1, value=0.5) for i in range(1, 8)))


# Numbers.


def test_numbers_of_one_sentence_have_one_number_of_decimals() -> None:
    assert together(0.0816, 0.0923) == ("0.0816", "0.0923")
    assert together(0.436, 0.4368, apart=0.0008) == ("0.4360", "0.4368")
    assert together(2.0, 0.09) == ("2.00", "0.09")
    assert together(123456.0) == ("123456",)


def test_columns_keep_their_zeros_and_sentences_two_digits() -> None:
    assert [cell(v) for v in (0.084, 0.119, None, math.inf, 12.0, 1.0e-7)] == [
        "0.08400",
        "0.1190",
        "–",
        "∞",
        "12.00",
        "1.000e-7",
    ]
    assert [two_digits(v) for v in (12.3, 0.456, 2.0, 345.6, 0.0)] == ["12", "0.46", "2.0", "346", "0"]
    assert two_digits(-1.34, signed=True) == "-1.3"
    assert rate(0.41941) == "0.42"
    assert [listed(("a", "b", "c")), listed(("a",)), listed(())] == ["a, b and c", "a", ""]


def test_where_the_schedule_hardly_matters_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Latitude(0.1, 0.31, tuple(range(12)), 0.01, 0.02)
    monkeypatch.setattr("lrsearch.reports.facts.headline.latitude", lambda result: wide)
    said = headline(contested()).latitude
    assert said.startswith("Here the schedule hardly matters beyond base_lr: the 12 schedules that were tried from")
    assert "from 0.1 to 0.31, some that hold their rate and some that decay, differ little more than seeds do" in said
    monkeypatch.undo()
    assert headline(made_result(40)).latitude == ""
