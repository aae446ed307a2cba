"""Fields of a command: what fills them, what stays, and whether they say all that is searched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lrsearch.command_jobs import LIBRARIES
from lrsearch.errors import InputError, ObjectiveError
from lrsearch.objectives import Command
from lrsearch.objectives.commands.template import Template, Values
from lrsearch.spaces import Range, Schedule, ScheduleSpace, default_space

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
