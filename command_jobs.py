"""Commands as objectives: made from what was asked for, and made again for a search that has begun."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import InputError
from .keywords import CommandOptions, FindOptions, RunOptions
from .objectives import Command, MetricFile, MetricJson, MetricPattern, Objective, Source, file_sources, source_of
from .redaction import HIDDEN, redact_words
from .search import SearchResult, folder_name
from .spaces import Counting, Schedule, ScheduleSpace, params_from, read_usual
from .spaces.beside import Value

EPOCHS = 10


def _transformers(schedule: Schedule, steps_per_epoch: int | None) -> list[str]:
    from .reports.export.words import transformers_words

    return transformers_words(schedule, steps_per_epoch)


def _timm(schedule: Schedule, steps_per_epoch: int | None) -> list[str]:
    from .reports.export.words import timm_words

    return timm_words(schedule, steps_per_epoch)


LIBRARIES = {"timm": _timm, "transformers": _transformers}
"""Fields that stand for all arguments of a library's that say a schedule."""


def make_command(asked: RunOptions | FindOptions, epochs: int | None, counting: Counting) -> Command:
    """The command that was asked for, of so many epochs, or reports; raises `InputError`."""
    source = _source(asked)
    if isinstance(source, MetricFile) and asked.jobs > 1 and "{" not in source.path:
        raise InputError(
            f"{asked.jobs} trials at a time would write into the same {source.path!r}: let each write into a folder of "
            "its own, {folder}, as --metric-file '{folder}/summary.csv:eval_loss'."
        )
    made = Command(
        asked.arguments,
        asked.optimizer,
        epochs or EPOCHS,
        source=source,
        steps_per_epoch=asked.steps_per_epoch,
        counting=counting,
        libraries=LIBRARIES,
    )
    return made.with_params(usual_params(asked)) if isinstance(asked, RunOptions) else made


def usual_params(asked: RunOptions) -> Mapping[str, Value]:
    """Usual values of what is to be searched beside the schedule; raises `InputError`."""
    given = params_from(asked.params)[1] if asked.params else {}
    if asked.space is None:
        return given
    return {**(asked.space.usual if isinstance(asked.space, ScheduleSpace) else read_usual(asked.space)), **given}


def check_no_command(asked: CommandOptions) -> None:
    """Raise `InputError` if an option for commands is given without one."""
    given = {
        "--metric-file": asked.metric_file,
        "--metric-regex": asked.metric_regex,
        "--metric-json": asked.metric_json,
        "--steps-per-epoch": asked.steps_per_epoch,
    }
    if useless := [name for name, value in given.items() if value]:
        raise InputError(f"{useless[0]} is for a command, as {useless[0]} ... -- python train.py; there is none.")


def metric_of_command(asked: RunOptions | FindOptions) -> str:
    """The metric that ranks trials: that of --metric-file unless another one is named."""
    source = _source(asked) if asked.metric_file else None
    default = asked.metric == RunOptions().metric
    return source.metric if isinstance(source, MetricFile) and default else asked.metric


def for_search(
    objective: Objective, space: ScheduleSpace, folder: str | os.PathLike[str], *, fresh_seeds: bool
) -> Objective:
    """The objective for a search whose run folder is `folder`; a command is told what it has to be given."""
    if not isinstance(objective, Command):
        return objective
    return objective.for_search(space, Path(folder) / "logs", fresh_seeds=fresh_seeds)


def command_again(result: SearchResult, words: Sequence[str]) -> Command:
    """The command of a search that has begun.

    Raises:
        InputError: It is not given again, though it is not stored: it may hold a password, and is only run from where
            one types it.
    """
    stored = result.settings
    shown = shlex.join(stored["command"])
    if not words:
        raise InputError(f"the search {result.name!r} trains a command: give it again after --, it was: {shown}")
    if redact_words(words) != stored["command"]:
        raise InputError(
            f"this is not the command that was searched: {shlex.join(redact_words(words))} now, {shown} there."
        )
    source = source_of(stored["metrics"], result.metric) if "metrics" in stored else None
    made = Command(
        words,
        stored["optimizer"],
        result.epochs,
        source=source,
        steps_per_epoch=stored.get("steps_per_epoch"),
        counting=result.counting,
        libraries=LIBRARIES,
    )
    return as_searched(made, result)


def as_searched(command: Command, result: SearchResult) -> Command:
    """A command for a search that has begun."""
    folder = Path(result.folder or f"runs/{folder_name(result.name)}")
    return command.for_search(result.space, folder / "logs", fresh_seeds=True)


def stored_arguments(result: SearchResult, given: Sequence[str]) -> Sequence[str]:
    """The arguments of a search's script: given, else stored; raises `InputError` if one is hidden there."""
    stored: Sequence[str] = result.settings.get("arguments", ())
    if not given and any(HIDDEN in word for word in stored):
        raise InputError(
            f"an argument of the search's script is secret and was not stored: give them again after --, they were: "
            f"{shlex.join(stored)}"
        )
    return given or stored


def command_sources(command: Command) -> dict[str, str]:
    """Fingerprints of the Python scripts among a command's words, and of what they import from beside them."""
    scripts = [word for word in command.template.words if word.endswith(".py") and os.path.isfile(word)]
    return {name: fingerprint for script in scripts for name, fingerprint in file_sources(f"{script}:main").items()}


def _source(asked: RunOptions | FindOptions) -> Source | None:
    sources: list[Source] = []
    if asked.metric_file:
        sources.append(MetricFile.parse(asked.metric_file))
    if asked.metric_regex:
        sources.append(MetricPattern(asked.metric_regex, asked.metric))
    if asked.metric_json:
        sources.append(MetricJson(asked.metric))
    if len(sources) > 1:
        raise InputError(f"a command's metrics are in one place, not in two: {sources[0]} and {sources[1]}.")
    return sources[0] if sources else None
