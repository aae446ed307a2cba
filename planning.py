"""What a person asked for, made into a `Plan`: names, files and defaults resolved."""

from __future__ import annotations

import math
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .chosen_objective import make_objective, sources_of
from .command_jobs import check_no_command, for_search, make_command, metric_of_command, usual_params
from .errors import InputError
from .families import choose_families
from .keywords import FindOptions, RunOptions
from .objectives import DEFAULT_TASK, Command, Objective, TensorObjective, UserObjective, resolve_device
from .options import SearchOptions, WorkerOptions, keywords, notes
from .redaction import redact_words
from .search import Budget, Plan, folder_name, parse_seconds
from .spaces import (
    DEFAULT_FAMILIES,
    IN_EPOCHS,
    Counting,
    Family,
    Interval,
    Range,
    Schedule,
    ScheduleSpace,
    base_lr_range,
    default_space,
    is_known,
    params_from,
    read_schedule,
    read_space,
    schedule_from_line,
    steps_counting,
)
from .spaces.beside import for_job, multipliers

if TYPE_CHECKING:
    from os import PathLike

FINDER_EPOCHS = 20
"""A horizon, and a budget of trials, for which a probe is affordable whatever its range."""
ANY_RATE = Range(1e-6, 10.0, log=True)
"""What is looked through for an optimizer that nothing is known of."""
LARGER = {
    *("acc", "accuracy", "top1", "top5", "f1", "fscore", "auc", "auroc", "auprc", "ap", "map", "precision", "recall"),
    *("iou", "miou", "dice", "bleu", "rouge", "meteor", "r2", "mcc", "kappa", "ndcg", "mrr", "psnr", "ssim"),
}
"""Words in the names of metrics of which more is better."""
_PACKAGES = ("lrsearch", "torch", "torchvision", "optuna", "numpy", "plotly", "joblib")


def make_plan(asked: RunOptions) -> Plan:
    """Resolve names, files and defaults into a `Plan`; raises `InputError`."""
    device = resolve_device(asked.device)
    counting = make_counting(asked)
    epochs = asked.epochs
    if counting.unit == "step":
        epochs = counting.reports(asked.space.horizon if isinstance(asked.space, ScheduleSpace) else asked.steps or 0)
    if asked.objective is None and asked.arguments:
        objective: Objective = make_command(asked, epochs, counting)
    elif isinstance(asked.objective, Command):
        objective = asked.objective.with_params(usual_params(asked))
    else:
        check_no_command(asked)
        given = DEFAULT_TASK if asked.objective is None else asked.objective
        objective = make_objective(
            given, asked.optimizer, epochs, device, asked.task_options, asked.arguments, counting
        )
    horizon = counting.at(epochs or objective.epochs)
    space = make_space(asked.space, asked.families, horizon, asked.interval, objective.optimizer, counting)
    if asked.params:
        space = _with_params(space, asked.params)
    if for_job(space.beside) and not isinstance(objective, (UserObjective, Command)):
        raise InputError(f"{objective.name} takes no [params]: they are for your own job, which reads run.params.")
    if multipliers(space.usual) and not isinstance(objective, (UserObjective, Command)):
        raise InputError(f"{objective.name} takes no [groups]: they are for your own job, which calls run.scheduler.")
    name = asked.study or objective.name
    if not name.strip() or len(name) > 200:
        raise InputError(f"a study's name has 1 to 200 characters, got {name!r}.")
    folder = Path(asked.out) / folder_name(name)
    objective = for_search(objective, space, folder, fresh_seeds=asked.confirm > 0)
    metric = metric_of_command(asked)
    maximize = larger_is_better(metric) if asked.maximize is None else asked.maximize
    timeout, as_asked = asked.trial_timeout, keywords(SearchOptions, asked)
    return Plan(
        objective,
        space,
        make_budget(asked.budget, space.counting),
        name,
        str(asked.out),
        maximize=maximize,
        trial_timeout=None if timeout is None else parse_seconds(timeout, "--trial-timeout"),
        baseline=_followed(make_baseline(asked.baseline, space), objective, metric, maximize=maximize),
        sources=sources_of(asked.objective, objective),
        context={**notes(asked), **context()},
        **{**as_asked, "device": device, "metric": metric},
    )


def make_finder(asked: FindOptions, folder: str) -> Plan:
    """A plan of nothing but a probe, in a folder that nobody keeps; raises `InputError`."""
    device = resolve_device(asked.device)
    if asked.objective is None and asked.arguments:
        objective: Objective = make_command(asked, FINDER_EPOCHS, IN_EPOCHS)
    else:
        check_no_command(asked)
        given = DEFAULT_TASK if asked.objective is None else asked.objective
        objective = make_objective(given, asked.optimizer, None, device, asked.task_options, asked.arguments)
    usual = base_lr_range(objective.optimizer) if is_known(objective.optimizer) else ANY_RATE
    low, high = asked.low or min(usual.low, asked.high or math.inf), asked.high or max(usual.high, asked.low or 0.0)
    if not low < high:
        raise InputError(f"low must be below high, got {low:g} and {high:g}.")
    space = ScheduleSpace(("constant",), FINDER_EPOCHS, Range(low, high, log=True), Range(0, 0))
    metric = metric_of_command(asked)
    return Plan(
        for_search(objective, space, folder, fresh_seeds=False),
        space,
        Budget.parse(FINDER_EPOCHS),
        "find",
        folder,
        maximize=larger_is_better(metric) if asked.maximize is None else asked.maximize,
        sources=sources_of(asked.objective, objective),
        **{
            **keywords(WorkerOptions, asked),
            "device": device,
            "metric": metric,
            "seed": asked.seed,
            "confirm": 0,
            "probe": "auto",
        },
    )


def make_counting(asked: RunOptions) -> Counting:
    """What trials are counted in; raises `InputError`."""
    if isinstance(asked.space, ScheduleSpace) and (asked.steps or asked.space.counting != IN_EPOCHS):
        if asked.steps is not None and (asked.space.counting.unit, asked.space.horizon) != ("step", asked.steps):
            raise InputError(
                f"the space is made for {asked.space.counting.many(asked.space.horizon)}, not for {asked.steps} steps."
            )
        return asked.space.counting
    if asked.steps is None:
        if asked.every is not None:
            raise InputError("every needs steps: say with --steps how long a trial is.")
        return IN_EPOCHS
    if asked.epochs is not None:
        raise InputError("give the length of a trial in epochs or in steps, not in both.")
    return steps_counting(asked.steps, asked.every)


def make_budget(given: str | int | Budget, counting: Counting) -> Budget:
    """The budget, in what trials are counted in; raises `InputError`."""
    budget = Budget.parse(given)
    if budget.kind in ("epochs", "steps") and budget.kind != counting.units:
        form = '"50000steps"' if counting.unit == "step" else '"500ep"'
        raise InputError(f"this search counts {counting.units}: give its budget as {form}, got {str(given)!r}.")
    return budget


def larger_is_better(metric: str) -> bool:
    """Whether a metric's name holds a word such as accuracy or f1, of which more is better."""
    return not LARGER.isdisjoint(re.split(r"[^a-z0-9]+", metric.lower()))


def make_baseline(given: Schedule | str | PathLike[str] | None, space: ScheduleSpace) -> Schedule | None:
    """The schedule that a user trains with today.

    Args:
        given: The schedule, a line as ``cosine:base_lr=0.1,warmup=1`` (see `schedule_from_line`), or a JSON file: an
            exported trial, or the bare facts of a `Schedule`.
        space: What is searched; a line is for its horizon and interval.

    Raises:
        InputError: It is none of these.
    """
    if given is None:
        return None
    if not isinstance(given, Schedule) and ":" in str(given) and not os.path.exists(given):
        return schedule_from_line(str(given), space.horizon, space.interval, space.counting.unit)
    own = given if isinstance(given, Schedule) else read_schedule(given)
    if own.unit != space.counting.unit:
        raise InputError(f"the baseline's lengths are in {own.unit}s, the search counts {space.counting.units}.")
    return own if own.beside else replace(own, beside=space.usual)


def _followed(own: Schedule | None, objective: Objective, metric: str, *, maximize: bool) -> Schedule | None:
    """The user's own baseline; one that follows the metric with the search's metric, unless it names another.

    Raises:
        InputError: The objective cannot train with what is not known beforehand, or it would wait for less of a metric
            of which more is better.
    """
    if own is None or not own.reacts:
        return own
    if not isinstance(objective, (UserObjective, TensorObjective)):
        raise InputError(
            f"the baseline {own.family} needs a training in this process whose metric it can follow: a function of "
            f"your own or a built-in task. {objective.name!r} gets its schedule before it starts."
        )
    if not own.params["metric"]:
        return replace(own, params={**own.params, "metric": metric, "mode": "max" if maximize else "min"})
    if own.params["mode"] == "min" and larger_is_better(str(own.params["metric"])):
        raise InputError(f"more of {own.params['metric']!r} is better: add mode=max to the baseline {own.family}.")
    return own


def make_space(
    space: ScheduleSpace | str | PathLike[str] | None,
    families: Sequence[str | Family] | None,
    horizon: int,
    interval: Interval | None,
    optimizer: str,
    counting: Counting = IN_EPOCHS,
) -> ScheduleSpace:
    """The space that was asked for: ready-made, from TOML, or the default for the optimizer."""
    if isinstance(space, ScheduleSpace):
        return space
    chosen = choose_families(families) if families else DEFAULT_FAMILIES
    known = optimizer if is_known(optimizer) or space is None else "adamw"
    base = default_space(known, horizon, chosen, interval or "step", counting)
    if space is None:
        return base
    read = read_space(space, base, choose_families)
    if known != optimizer and read.base_lr is base.base_lr:
        base_lr_range(optimizer)  # raises
    if families and set(chosen) != set(read.families):
        raise InputError(f"--families {','.join(chosen)} differs from {space}, which has {','.join(read.families)}.")
    return read


def _with_params(space: ScheduleSpace, params: Mapping[str, Any]) -> ScheduleSpace:
    """The space with what else is searched; raises `InputError`."""
    if own := for_job(space.beside):
        raise InputError(f"the space has [params] of its own, as {next(iter(own))}: give them there or here.")
    beside, usual = params_from(params)
    return replace(space, beside={**space.beside, **beside}, usual={**space.usual, **usual})


def context() -> dict[str, Any]:
    """What the report says of the machine and the command."""
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *redact_words(sys.argv[1:])]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
