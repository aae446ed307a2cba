"""Arguments for timm's ``create_scheduler_v2``.

timm measures lengths in epochs and multiplies by the updates in an epoch; lengths are written so that the product is
the whole number of updates or the next float below it, which timm's floor divisions treat alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...spaces import get_family
from ...spaces.families import Expr, number
from ._optimizer import constants, optimizer_call, rates_of
from ._python import title
from ._source import Format, InexpressibleError, Lengths, Source, lengths, no_curve, only_one

_BUILD = '''
def build_scheduler(optimizer: Optimizer, steps_per_epoch: int) -> Scheduler:
    """Set the rates; step the scheduler as shown above."""
RATES
        group["lr"] = BASE_LR
        group["lr_scale"] = RATIO
    scheduler, _ = create_scheduler_v2(
        optimizer,
ARGUMENTS
        updates_per_epoch=steps_per_epoch,
    )
    return scheduler
'''

_IMPORTS = """from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from torch.optim import Optimizer"""


def render(source: Source) -> str:
    """The file."""
    doc = f'"""{title(source, "for timm")}\n\n{_usage(source)}\n"""'
    given = arguments(source, lengths(source)).items()
    lines = "\n".join(f'        {k}="{v}",' if isinstance(v, str) else f"        {k}={v!r}," for k, v in given)
    rates, ratio = rates_of(source.schedule)
    build = _BUILD.replace("ARGUMENTS", lines).replace("RATES", rates).replace("RATIO", ratio)
    if source.schedule.unit == "step":
        build = build.replace(", steps_per_epoch: int", "").replace(
            "updates_per_epoch=steps_per_epoch,", "updates_per_epoch=1,  # lengths are in updates"
        )
    return f"{doc}\n\n{_IMPORTS}\n\n{constants(source)}\n\n{build}"


def arguments(source: Source, length: Lengths) -> dict[str, Any]:
    """Keyword arguments of ``create_scheduler_v2``; raises `InexpressibleError`."""
    schedule = source.schedule
    no_curve(source, "timm")
    only_one(source, "timm's create_scheduler_v2 takes")
    if schedule.family not in _FAMILIES:
        raise InexpressibleError(f"timm has no {schedule.family} decay.")
    given = _FAMILIES[schedule.family](source, length)
    if length.warmup:
        if schedule.warmup_shape != "linear":
            raise InexpressibleError(f"timm's warm-up is linear, this one {schedule.warmup_shape}.")
        above = schedule.family in ("wsd", "inverse_sqrt")
        given["warmup_epochs"] = plain(length.epochs(length.warmup, above=above))
        given["warmup_lr"] = schedule.base_lr * schedule.warmup_start
        given["warmup_prefix"] = True
    return {**given, "step_on_epochs": schedule.interval == "epoch"}


def _constant(source: Source, length: Lengths) -> dict[str, Any]:
    return {"sched": "constant", "num_epochs": plain(length.epochs(length.decay))}


def _step(source: Source, length: Lengths) -> dict[str, Any]:
    size = length.ticks(source.schedule.params["step_size"])
    return _stairs(length, size, float(source.schedule.params["gamma"]))


def _exp(source: Source, length: Lengths) -> dict[str, Any]:
    """A drop at every scheduler step."""
    return _stairs(length, 1, float(source.schedule.params["gamma"]) ** (1 / length.n))


def _stairs(length: Lengths, size: int, gamma: float) -> dict[str, Any]:
    return {
        "sched": "step",
        "num_epochs": plain(length.epochs(length.decay)),
        "decay_epochs": plain(length.epochs(size)),
        "decay_rate": gamma,
    }


def _cosine(source: Source, length: Lengths) -> dict[str, Any]:
    t_max = length.ticks(source.schedule.params["T_max"])
    if t_max < length.decay - 1 and source.schedule.value("after") == "rise":
        raise InexpressibleError("timm's cosine ends at its minimum, this one rises again: T_max is below the decay.")
    return {
        "sched": "cosine",
        "num_epochs": plain(t_max / length.n),
        "min_lr": source.schedule.params["eta_min"],
    }


def _restarts(source: Source, length: Lengths) -> dict[str, Any]:
    first, times = length.ticks(source.schedule.params["T_0"]), int(source.schedule.params["T_mult"])
    epochs, starts = length.epochs(first), [0]
    while starts[-1] < length.decay:
        starts.append(starts[-1] + first * times ** (len(starts) - 1))
    if times > 1:
        _check_starts([s for s in starts[1:] if s < length.decay], epochs * length.n, times)
    return {
        "sched": "cosine",
        "num_epochs": plain(epochs),
        "min_lr": source.schedule.params["eta_min"],
        "cycle_limit": len(starts),
        "cycle_decay": 1.0,
        **({"cycle_mul": float(times)} if times > 1 else {}),
    }


def _check_starts(starts: Sequence[int], first: float, times: int) -> None:
    """Raise `InexpressibleError` if timm, which takes a logarithm, would begin a cycle one step late."""
    for cycle, start in enumerate(starts, 1):
        if math.floor(math.log(1 - start / first * (1 - times), times)) != cycle:
            raise InexpressibleError(f"timm's rounding begins cycle {cycle + 1}, at step {start}, a step late.")


def _multistep(source: Source, length: Lengths) -> dict[str, Any]:
    """timm's milestone n is passed at step n - 1."""
    (stage,) = get_family("multistep").stages(Expr(length.decay, ""), {k: number(v) for k, v in _values(source)})
    milestones: list[int] = stage.kwargs["milestones"].value
    return {
        "sched": "multistep",
        "num_epochs": plain(length.epochs(length.decay)),
        "decay_milestones": [plain(length.epochs(m + 1)) for m in milestones],
        "decay_rate": source.schedule.params["gamma"],
    }


def _poly(source: Source, length: Lengths) -> dict[str, Any]:
    schedule = source.schedule
    return {
        "sched": "poly",
        "num_epochs": plain(length.decay / length.n),
        "decay_rate": float(schedule.params.get("power", 1.0)),
        "min_lr": schedule.base_lr * float(schedule.value("end_factor")),
    }


def _wsd(source: Source, length: Lengths) -> dict[str, Any]:
    """Lengths are rounded up here: a square root leaves its start too fast. Below 1, timm reads a fraction."""
    schedule = source.schedule
    if schedule.params["shape"] == "exponential":
        raise InexpressibleError("timm's exponential cooldown is steeper than this one.")
    floor = {"min_lr": schedule.base_lr * float(schedule.value("end_factor"))} if schedule.value("end_factor") else {}
    return {"sched": "wsd", **_cooldown(source, length), "decay_fn": schedule.params["shape"], **floor}


def _inverse_sqrt(source: Source, length: Lengths) -> dict[str, Any]:
    timescale = length.ticks(source.schedule.params["timescale"]) / length.n
    return {"sched": "rsqrt", **_cooldown(source, length), "decay_fn": "linear", "stable_timescale": plain(timescale)}


def _cooldown(source: Source, length: Lengths) -> dict[str, Any]:
    """timm has no schedule without a cooldown: where this one has none, it is of one step and begins at the end."""
    wanted = source.schedule.params["cooldown"]
    total = length.decay if wanted else length.decay + 1
    cooldown = min(length.ticks(wanted), total)
    fraction = cooldown / total * (1 - 1e-9)
    return {
        "num_epochs": plain(length.epochs(total, above=True)),
        "decay_epochs": plain(cooldown / length.n) if cooldown >= length.n else fraction,
    }


def _values(source: Source) -> list[tuple[str, Any]]:
    """The family's parameters, all of them."""
    names = [p.name for p in get_family(source.schedule.family).params]
    return [(name, source.schedule.value(name)) for name in names]


def plain(epochs: float) -> float | int:
    """A whole number without its point."""
    return int(epochs) if epochs == int(epochs) else epochs


def _usage(source: Source) -> str:
    if source.schedule.unit == "step":
        return f"""Step the scheduler after every update.

    optimizer = {optimizer_call(source, "model.parameters()")}
    scheduler = build_scheduler(optimizer)
    for updates in range(1, {source.schedule.horizon + 1:.0f}):
        ...
        optimizer.step()
        scheduler.step_update(num_updates=updates)"""
    per_epoch = source.schedule.interval == "epoch"
    after_step = "" if per_epoch else "\n            scheduler.step_update(num_updates=updates)"
    after_epoch = "\n        scheduler.step(epoch + 1)" if per_epoch else ""
    lengths = "" if per_epoch else f" Lengths are whole updates, {source.steps_per_epoch} in an epoch."
    return f"""Step the scheduler after every {"epoch" if per_epoch else "update"}.{lengths}

    optimizer = {optimizer_call(source, "model.parameters()")}
    scheduler = build_scheduler(optimizer, steps_per_epoch=len(train_loader))
    for epoch in range({source.schedule.horizon:.10g}):
        for updates, batch in enumerate(train_loader, 1 + epoch * len(train_loader)):
            ...
            optimizer.step(){after_step}{after_epoch}"""


_FAMILIES: dict[str, Callable[[Source, Lengths], dict[str, Any]]] = {
    "constant": _constant,
    "cosine": _cosine,
    "cosine_restarts": _restarts,
    "exp": _exp,
    "inverse_sqrt": _inverse_sqrt,
    "linear": _poly,
    "multistep": _multistep,
    "poly": _poly,
    "step": _step,
    "wsd": _wsd,
}

FORMAT = Format("timm", "arguments of timm's create_scheduler_v2", ".py", render)
