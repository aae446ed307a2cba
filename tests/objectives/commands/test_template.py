"""Fields of a command: what fills them, what stays, and whether they say all that is searched."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from schedules import SCHEDULES, schedule_id

from lrsearch.command_jobs import LIBRARIES
from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Command
from lrsearch.objectives.commands.template import Template, Values
from lrsearch.spaces import Choice, Range, Schedule, ScheduleSpace, default_space

COSINE = Schedule("cosine", 0.004, 10, {"eta_min": 0.0001}, warmup=2, warmup_start=0)


def filled(*words: str, schedule: Schedule = COSINE, steps: int | None = 25) -> list[str]:
    values = Values(schedule, steps, Path("own"), epochs=10, seed=3, test=True, schedule="s.json")
    return Template(words, LIBRARIES).fill(values)


def test_fields_are_filled_and_other_braces_stay() -> None:
    assert filled("--lr={base_lr}", "{family}", '{"a": {base_lr}}', "{{family}}", "{}", "{0}") == [
        *("--lr=0.004", "cosine", '{"a": 0.004}', "{family}", "{}", "{0}")
    ]
    assert filled("{warmup}", "{warmup_steps}", "{steps}", "{epochs}", "{seed}", "{test}", "{eta_min}", "{T_max}") == [
        *("2", "50", "250", "10", "3", "1", "0.0001", "8")
    ]


def test_a_parameter_that_a_family_has_not_leaves_its_word_out() -> None:
    assert filled("a", "--gamma={gamma}", "b") == ["a", "b"]
    with pytest.raises(ObjectiveError, match=r"cosine has no parameter gamma: write --gamma=\{gamma\} as one word"):
        filled("--gamma", "{gamma}")


def test_what_else_is_searched_is_a_field() -> None:
    schedule = replace(COSINE, beside={"weight_decay": 1e-05, "batch_size": 64, "norm": "layer"})
    words = ("--wd={weight_decay}", "--batch={batch_size}", "{norm}")
    assert filled(*words, schedule=schedule) == ["--wd=1e-05", "--batch=64", "layer"]
    template = Template(words)
    template.check(schedule.beside)
    with pytest.raises(InputError, match=r"unknown field \{norm\} in"):
        template.check(["weight_decay", "batch_size"])
    with pytest.raises(InputError, match=r"\{seed\} is a part of every trial: give seed under \[params\] another name"):
        Template(["{seed}"]).check(["seed"])


def test_steps_that_nobody_knows_are_asked_for() -> None:
    with pytest.raises(InputError, match=r"\{warmup_steps\} needs .* --steps-per-epoch"):
        filled("{warmup_steps}", steps=None)


def test_the_fields_must_say_all_that_is_searched() -> None:
    only_rate = ScheduleSpace(("constant",), 10, warmup=Range(0, 0))
    for words, space, covered in [
        (["{schedule}"], default_space("sgd", 10), True),
        (["{base_lr}", "{family}", "{warmup}", "{params}"], default_space("sgd", 10), True),
        (["{base_lr}", "{family}", "{warmup}"], default_space("sgd", 10), False),
        (["{base_lr}", "{family}"], only_rate, True),
        (["{base_lr}"], only_rate, False),  # the baselines have other families
    ]:
        made = Command(["true", *words], "sgd").for_search(space, "logs", fresh_seeds=False)
        assert made.by_flags is covered, words


def test_transformers_arguments_are_those_of_the_export() -> None:
    assert filled("{transformers}", schedule=Schedule("linear", 0.004, 10, warmup=2, warmup_start=0)) == [
        *("--learning_rate", "0.004", "--lr_scheduler_type", "linear", "--warmup_steps", "50", "--max_steps", "250")
    ]
    command = Command(["true", "{transformers}"], "adamw", steps_per_epoch=25, libraries=LIBRARIES)
    good = ScheduleSpace(("cosine", "linear"), 10, warmup_start=0)
    assert command.for_search(good, "logs", fresh_seeds=False).by_flags
    with pytest.raises(InputError, match="transformers has no exponential decay"):
        command.for_search(default_space("adamw", 10, ("exp",)), "logs", fresh_seeds=False)
    with pytest.raises(InputError, match="a word of its own"):
        Command(["true", "--x={transformers}"], "adamw", libraries=LIBRARIES).for_search(
            good, "logs", fresh_seeds=False
        )


@pytest.mark.slow
def test_transformers_reads_its_arguments() -> None:
    from transformers import HfArgumentParser, TrainingArguments

    words = filled("{transformers}")
    (made,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses(["--output_dir", "x", *words])  # type: ignore[arg-type]
    assert (made.learning_rate, made.warmup_steps, made.max_steps) == (0.004, 50, 250)
    assert made.lr_scheduler_kwargs["min_lr_rate"] == pytest.approx(0.025)


def timm_parser() -> ArgumentParser:
    """The schedule's options of timm's train.py, with its types and defaults, which are not in timm's package."""
    parser = ArgumentParser()
    for name, kind, default in [
        *[("lr", float, None), ("sched", str, "cosine"), ("epochs", int, 300), ("warmup-epochs", int, 5)],
        *[("cooldown-epochs", int, 0), ("decay-epochs", float, 90), ("decay-rate", float, 0.1), ("min-lr", float, 0)],
        *[("warmup-lr", float, 1e-5), ("lr-cycle-mul", float, 1.0), ("lr-cycle-decay", float, 0.5)],
        *[("lr-cycle-limit", int, 1), ("lr-decay-fn", str, None), ("lr-stable-timescale", float, None)],
    ]:
        parser.add_argument(f"--{name}", type=kind, default=default)
    parser.add_argument("--decay-milestones", type=int, nargs="+", default=[90, 180, 270])
    for switch in ("--sched-on-updates", "--warmup-prefix"):
        parser.add_argument(switch, action="store_true")
    return parser


def rates_of_timm(words: list[str], steps: int, horizon: float) -> list[float]:
    """The rates of every update of timm's train.py, whose training is as long as the schedule, or longer."""
    from timm.scheduler.scheduler_factory import create_scheduler_v2, scheduler_kwargs

    asked = timm_parser().parse_args(words)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=asked.lr)
    scheduler, epochs = create_scheduler_v2(optimizer, **scheduler_kwargs(asked), updates_per_epoch=steps)
    assert epochs >= horizon
    rates = []
    for epoch in range(epochs):
        for update in range(epoch * steps + 1, (epoch + 1) * steps + 1):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step_update(num_updates=update)
        scheduler.step(epoch + 1, None)
    return rates


TIMM = [
    *SCHEDULES,
    *(Schedule(f, 0.3, 9, warmup=2, interval="epoch") for f in ("constant", "cosine", "linear", "exp", "wsd")),
    Schedule("step", 0.3, 9, {"step_size": 2, "gamma": 0.3}, warmup=3, interval="epoch"),
    Schedule("multistep", 0.3, 9, {"milestone_1": 0.4, "milestone_2": 0.5}, warmup=1, interval="epoch"),
    Schedule("cosine", 0.3, 9, {"T_max": 3, "eta_min": 0.03, "after": "hold"}, warmup=2, interval="epoch"),
    Schedule("cosine_restarts", 0.3, 9, {"T_0": 2, "T_mult": 2, "eta_min": 0.01}, warmup=1, interval="epoch"),
    Schedule("cosine_restarts", 0.3, 9, {"T_0": 2, "T_mult": 1, "eta_min": 0.01}),
    Schedule("inverse_sqrt", 0.3, 9, {"timescale": 2, "cooldown": 3}, warmup=2, interval="epoch"),
]


@pytest.mark.slow
@pytest.mark.parametrize("schedule", TIMM, ids=schedule_id)
def test_timm_trains_every_step_at_the_trials_rate_or_its_field_is_refused(schedule: Schedule) -> None:
    pytest.importorskip("timm")
    try:
        words = filled("{timm}", schedule=schedule)
    except InputError:
        with pytest.raises(InputError, match=r"timm.* Search what it has, as .*--interval epoch"):
            filled("{timm}", schedule=schedule)
        return
    curve = schedule.curve(25)
    rates = rates_of_timm(words, 25, schedule.horizon)
    np.testing.assert_allclose(rates[: len(curve)], curve, rtol=1e-12, atol=1e-15 * schedule.base_lr)


@pytest.mark.slow
def test_a_search_by_epochs_can_be_told_to_timm_whatever_it_draws() -> None:
    pytest.importorskip("timm")
    families = ("constant", "cosine", "exp", "linear", "multistep", "poly", "step", "wsd")
    space = ScheduleSpace(families, 12, interval="epoch", ranges={"cosine.after": Choice(("hold",))})
    assert Command(["true", "{timm}"], "sgd", libraries=LIBRARIES).for_search(space, "l", fresh_seeds=False).by_flags
    for schedule in space.sample(np.random.default_rng(1), 40):
        rates = rates_of_timm(filled("{timm}", schedule=schedule, steps=None), 4, 12)
        np.testing.assert_allclose(rates[:48], schedule.curve(4), rtol=1e-12, atol=1e-15 * schedule.base_lr)


def test_what_timms_script_does_not_take_is_said_with_what_to_search_instead() -> None:
    for schedule, says in [
        (Schedule("cosine", 0.1, 10, warmup=1.5), "whole --warmup-epochs, not 1.5"),
        (Schedule("cosine", 0.1, 100, unit="step"), "timm's train.py counts epochs, this search steps"),
        (Schedule("rex", 0.1, 10), "timm has no rex decay"),
    ]:
        with pytest.raises(InputError, match=f"{says}.* Search what it has, as --families linear,step --interval"):
            filled("{timm}", schedule=schedule)
