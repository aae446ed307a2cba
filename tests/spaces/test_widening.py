"""Whether one space holds another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lrsearch.spaces import Choice, Range, ScheduleSpace, changes, default_space, space_from_toml

SPACE = default_space("sgd", 20)
GAMMA = SPACE.ranges["exp.gamma"]
WSD = default_space("sgd", 20, ("wsd",))


def test_the_same_space_has_no_changes() -> None:
    assert changes(SPACE, default_space("sgd", 20)) == ((), ())


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("base_lr = {low = 1e-3, high = 4, log = true}", "base_lr 0.001 to 4 (was 0.001 to 1)"),
        ("base_lr = {low = 1e-4, high = 1, log = true}", "base_lr 0.0001 to 1 (was 0.001 to 1)"),
        ("warmup = {low = 0, high = 8, step = 0.4}", "warmup 0 to 8 in steps of 0.4 (was 0 to 4 in steps of 0.4)"),
        ("warmup = {low = 0, high = 4, step = 0.1}", "warmup 0 to 4 in steps of 0.1 (was 0 to 4 in steps of 0.4)"),
        ("warmup = {low = 0, high = 4}", "warmup 0 to 4 (was 0 to 4 in steps of 0.4)"),
    ],
)
def test_a_wider_range_is_told(toml: str, says: str) -> None:
    change = changes(SPACE, space_from_toml(toml, SPACE))
    assert change.refused == ()
    assert change.wider == (says,)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("base_lr = {low = 1e-2, high = 1, log = true}", "is narrower than 0.001 to 1"),
        ("base_lr = {low = 1e-2, high = 9, log = true}", "is narrower than"),
        ("base_lr = {low = 1e-3, high = 4}", "is not logarithmic, unlike"),
        ("base_lr = 0.1", "base_lr 0.1 is narrower than"),
        ("warmup = {low = 0, high = 8, step = 0.3}", "has another grid than"),
        ("warmup = {low = 0, high = 8, step = 0.8}", "has another grid than"),
        ("warmup_start = 0.5", "warmup_start 0.5 differs from"),
        ('interval = "epoch"', "interval epoch differs from step"),
        ('families = ["exp"]', "families exp differs from exp, step, cosine"),
    ],
)
def test_what_holds_less_is_refused_with_its_reason(toml: str, says: str) -> None:
    refused = changes(SPACE, space_from_toml(toml, SPACE)).refused
    assert any(says in text for text in refused), refused


def test_a_grid_does_not_hold_a_range_without_one_but_a_fixed_value() -> None:
    free = replace(SPACE, warmup=Range(1.0, 2.0))
    grid = replace(SPACE, warmup=Range(0.0, 4.0, step=0.5))
    assert "grid" in changes(free, grid).refused[0]
    assert changes(replace(SPACE, warmup=Range(1.5, 1.5)), grid).refused == ()
    assert "grid" in changes(replace(SPACE, warmup=Range(1.6, 1.6)), grid).refused[0]


def test_a_further_parameter_is_wider_and_a_missing_one_is_refused() -> None:
    more = ScheduleSpace(("wsd",), 20, WSD.base_lr, ranges={**WSD.ranges, "wsd.end_factor": Range(0.0, 0.1)})
    assert changes(WSD, more) == (("wsd.end_factor 0 to 0.1 (new)",), ())
    assert changes(more, WSD).refused == ("wsd.end_factor is missing",)


def test_other_names_are_refused() -> None:
    one = ScheduleSpace(("wsd",), 20, WSD.base_lr, ranges={**WSD.ranges, "wsd.shape": Choice(("linear",))})
    two = replace(one, ranges={**one.ranges, "wsd.shape": Choice(("linear", "1-sqrt"))})
    assert "differs from linear" in changes(one, two).refused[0]
