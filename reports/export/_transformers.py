"""Arguments for transformers' Trainer, where one of its own schedules is this one exactly.

Its warm-ups start at a rate of 0, ours only where they are told to, except in ``cosine_warmup_with_min_lr``: that one
reaches the peak a step before its warm-up ends, so it is asked for one step more. Its ``num_cycles`` counts full waves
until the end of training, ``T_max`` the steps of half a wave.
"""

from __future__ import annotations

from typing import Any

from ...spaces import Schedule
from ._python import mapping, provenance, title
from ._source import Format, InexpressibleError, Lengths, Source, lengths, no_curve, only_one

HAND_OVER = (
    "The scheduler of --format torch fits its Trainer as it is: "
    "Trainer(..., optimizers=(optimizer, build_scheduler(optimizer, ...)))."
)

_NATIVE = ("constant", "cosine", "inverse_sqrt", "linear", "poly", "wsd")
_WORDS = {"exp": "exponential", "rex": "REX"}

Native = tuple[str, dict[str, Any]]
"""``lr_scheduler_type`` and ``lr_scheduler_kwargs``."""

USAGE = """Train with it:

    arguments = TrainingArguments(output_dir="out", **TRAINING_ARGUMENTS)
    trainer = Trainer(model, arguments, train_dataset=train_dataset)"""


def render(source: Source) -> str:
    """The file."""
    doc = f'"""{title(source, "for transformers")}\n\n{USAGE}\n"""'
    notes = {"max_steps": f"{source.schedule.horizon:.10g} epochs of {source.steps_per_epoch} steps"}
    if source.schedule.unit == "step":
        notes = {}
    return f"{doc}\n\n{provenance(source)}\n{mapping('TRAINING_ARGUMENTS', arguments(source), notes)}\n"


def arguments(source: Source) -> dict[str, Any]:
    """Keyword arguments of ``TrainingArguments``; raises `InexpressibleError`."""
    no_curve(source, "transformers")
    _check(source.schedule)
    only_one(source, "transformers' Trainer has")
    if source.grouped:
        raise InexpressibleError(
            "transformers' learning_rate is one for all, the trial's groups had different ones.", HAND_OVER
        )
    length = lengths(source)
    from_zero = source.schedule.warmup_start == 0 and source.schedule.warmup_shape == "linear"
    cold = not length.warmup or (from_zero and not _floored(source.schedule))
    name, more = _cold(source, length) if cold else _warmed(source, length)
    if name == "constant" and length.warmup:
        name = "constant_with_warmup"
    given: dict[str, Any] = {"learning_rate": source.schedule.base_lr, "lr_scheduler_type": name}
    if more:
        given["lr_scheduler_kwargs"] = more
    if length.warmup:
        given["warmup_steps"] = length.warmup if cold else length.warmup + 1
    return {**given, "max_steps": length.total}


def _check(schedule: Schedule) -> None:
    if schedule.interval == "epoch":
        raise InexpressibleError("transformers' Trainer changes the rate after every step, this schedule every epoch.")
    if schedule.family not in _NATIVE:
        raise InexpressibleError(
            f"transformers has no {_WORDS.get(schedule.family, schedule.family)} decay.", HAND_OVER
        )


def _warmed(source: Source, length: Lengths) -> Native:
    schedule = source.schedule
    if schedule.warmup_shape != "linear":
        raise InexpressibleError(f"transformers has no {schedule.warmup_shape} warm-up for this schedule.", HAND_OVER)
    _check_rise(schedule, length)
    if schedule.family != "cosine":
        start = f"{schedule.warmup_start:g} * base_lr"
        raise InexpressibleError(
            f"transformers starts the warm-up of a {schedule.family} schedule at 0, this one starts at {start}.",
            HAND_OVER,
        )
    decay = max(1, length.total - length.warmup - 1)
    return "cosine_warmup_with_min_lr", {
        "min_lr_rate": float(schedule.params["eta_min"]) / schedule.base_lr,
        "warmup_lr_rate": schedule.warmup_start,
        "num_cycles": 0.5 * decay / length.ticks(schedule.params["T_max"]),
    }


def _cold(source: Source, length: Lengths) -> Native:
    """The families without a warm-up, or with one from 0."""
    schedule, params = source.schedule, source.schedule.params
    if schedule.family == "cosine":
        return _cosine(source, length)
    if schedule.family == "wsd":
        return _wsd(schedule, length)
    if schedule.family == "constant":
        return "constant", {}
    if schedule.family == "inverse_sqrt":
        if params["cooldown"]:
            raise InexpressibleError("transformers' inverse_sqrt has no cooldown.", HAND_OVER)
        return "inverse_sqrt", {"timescale": length.ticks(params["timescale"])}
    end = float(schedule.value("end_factor"))
    if schedule.family == "poly":
        return "polynomial", {"power": params["power"], "lr_end": end * schedule.base_lr}
    if end == 1.0:
        return "constant", {}
    if end == 0.0:
        return "linear", {}
    return "polynomial", {"power": 1.0, "lr_end": end * schedule.base_lr}


def _wsd(schedule: Schedule, length: Lengths) -> Native:
    if schedule.params["shape"] == "exponential":
        raise InexpressibleError("transformers has no exponential cooldown.", HAND_OVER)
    cooldown = min(length.ticks(schedule.params["cooldown"]), length.decay)
    end = schedule.value("end_factor")
    floor = {"min_lr_ratio": end} if end else {}
    return "warmup_stable_decay", {"num_decay_steps": cooldown, "decay_type": schedule.params["shape"], **floor}


def _floored(schedule: Schedule) -> bool:
    """Whether transformers' warm-up would start at the floor of this cooldown."""
    return schedule.family == "wsd" and bool(schedule.value("end_factor"))


def _check_rise(schedule: Schedule, length: Lengths) -> None:
    holds = schedule.family == "cosine" and schedule.value("after") == "hold"
    if holds and length.ticks(schedule.params["T_max"]) < length.decay - 1:
        raise InexpressibleError("transformers' cosine rises again beyond T_max, this one holds.", HAND_OVER)


def _cosine(source: Source, length: Lengths) -> Native:
    schedule = source.schedule
    _check_rise(schedule, length)
    eta_min, t_max = float(schedule.params["eta_min"]), length.ticks(schedule.params["T_max"])
    cycles = {} if t_max == length.decay else {"num_cycles": 0.5 * length.decay / t_max}
    if eta_min:
        return "cosine_with_min_lr", {"min_lr_rate": eta_min / schedule.base_lr, **cycles}
    return "cosine", cycles


FORMAT = Format("transformers", "TrainingArguments, where a schedule of its Trainer is this one exactly", ".py", render)
