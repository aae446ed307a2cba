"""A schedule as words of a command line, for scripts whose arguments are a library's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ...search import TrialRecord
from ...spaces import Schedule
from . import _timm, _transformers
from ._source import InexpressibleError, Lengths, Source, lengths

_FLAGS = {
    "num_epochs": "epochs",
    "decay_fn": "lr-decay-fn",
    "stable_timescale": "lr-stable-timescale",
    "cycle_limit": "lr-cycle-limit",
    "cycle_decay": "lr-cycle-decay",
    "cycle_mul": "lr-cycle-mul",
}
"""What arguments of timm's ``create_scheduler_v2`` are called in its train.py, where not the same."""
_TIMM = 'linear,step --interval epoch, or cosine with after = ["hold"] in a --space file'
_TRANSFORMERS = "cosine,linear with warmup_start = 0 in a --space file"
"""What to search where a library lacks a schedule."""
_WHOLE = ("warmup_epochs", "num_epochs", "decay_milestones", "cooldown_epochs")
"""Arguments that its train.py reads as whole numbers."""


def transformers_words(schedule: Schedule, steps_per_epoch: int | None) -> list[str]:
    """What a script with transformers' ``TrainingArguments`` takes, as ``--learning_rate 0.001 --warmup_steps 20 ...``.

    Raises:
        InputError: Its Trainer has no such schedule, or the steps in an epoch are needed and unknown.
    """
    given = _given(_transformers.arguments, schedule, steps_per_epoch, _TRANSFORMERS)
    pairs = ((f"--{name}", json.dumps(v) if isinstance(v, dict) else str(v)) for name, v in given.items())
    return [word for pair in pairs for word in pair]


def timm_words(schedule: Schedule, steps_per_epoch: int | None) -> list[str]:
    """What timm's train.py takes, as ``--lr 0.1 --sched cosine --epochs 18 --warmup-epochs 2 --warmup-prefix ...``.

    Its training has the schedule's length, or is longer where timm ends a cycle beyond it.

    Raises:
        InputError: timm has no such schedule, its train.py no such length, or the steps in an epoch are needed and
            unknown.
    """
    given = _given(_timm_flags, schedule, steps_per_epoch, _TIMM)
    words = ["--lr", repr(schedule.base_lr)]
    for name, value in given.items():
        if isinstance(value, bool):
            words += [_flag(name)] if value else []
        else:
            words += [_flag(name), *map(str, value if isinstance(value, list) else [value])]
    return words


def _flag(name: str) -> str:
    return f"--{_FLAGS.get(name, name).replace('_', '-')}"


def _timm_flags(source: Source) -> dict[str, Any]:
    """timm's arguments, with all that its train.py has other defaults for."""
    if source.schedule.unit == "step":
        raise InexpressibleError("timm's train.py counts epochs, this search steps.")
    length = lengths(source)
    given = _timm.arguments(source, length)
    if given.get("decay_milestones") == []:
        given["decay_milestones"] = [given["num_epochs"] + 1]  # which the training does not reach
    given |= {"sched_on_updates": not given.pop("step_on_epochs"), "cooldown_epochs": _rest(given, length)}
    given.setdefault("warmup_epochs", 0)
    _check_whole({"epochs": _timm.plain(source.schedule.horizon), **given})
    return given


def _check_whole(given: dict[str, Any]) -> None:
    for name in ("epochs", *_WHOLE):
        value = given.get(name, 0)
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, int):
                raise InexpressibleError(f"timm's train.py takes a whole {_flag(name)}, not {number:g}.")


def _rest(given: dict[str, Any], length: Lengths) -> float:
    """Epochs that are still to train where timm's schedule ends, with its last rate; its cycles end later."""
    rest = 0 if "cycle_limit" in given else length.decay / length.n - given["num_epochs"]
    return max(0, _timm.plain(rest))


def _given(
    arguments: Callable[[Source], dict[str, Any]], schedule: Schedule, steps_per_epoch: int | None, instead: str
) -> dict[str, Any]:
    """A library's arguments; raises `InputError` with what to search instead."""
    record = TrialRecord(0, "running", schedule, None, {}, (), ())
    try:
        return arguments(Source(record, None, schedule, steps_per_epoch))
    except InexpressibleError as error:
        raise InputError(
            f"{error} Search what it has, as --families {instead}; or call lrsearch.scheduler in the script."
        ) from None
