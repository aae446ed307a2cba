"""The objective that was asked for: a built-in task by name, a user's own, or that of a search that has begun."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .command_jobs import as_searched, command_again, command_sources, stored_arguments
from .errors import InputError
from .objectives import (
    TASKS,
    Command,
    Objective,
    TaskObjective,
    TensorObjective,
    UserObjective,
    file_sources,
    function_sources,
    get_task,
    load_function,
    same_objective,
)
from .options import TaskOptions
from .redaction import redact_words
from .search import SearchResult
from .spaces import IN_EPOCHS, Counting

USER_EPOCHS = 10


def make_objective(
    objective: Any,
    optimizer: str | None,
    epochs: int | None,
    device: str,
    options: TaskOptions | None,
    arguments: Sequence[str] = (),
    counting: Counting = IN_EPOCHS,
) -> Objective:
    """The objective that was asked for: a built-in task by name, or the user's own; its script gets `arguments`."""
    made = _made(objective, optimizer, epochs, device, options, arguments, counting)
    if counting.unit == "step" and not hasattr(made, "counting"):
        raise InputError(f"{made.name} trains in epochs: give its length with --epochs; --steps is for your own job.")
    return made


def _made(
    objective: Any,
    optimizer: str | None,
    epochs: int | None,
    device: str,
    options: TaskOptions | None,
    arguments: Sequence[str],
    counting: Counting,
) -> Objective:
    if isinstance(objective, str) and objective.endswith(".py"):
        raise InputError(
            f"name the function in {objective}: write {objective}:objective; or run the script as it is, as "
            f"lrsearch run -- python {objective}."
        )
    if arguments and not (isinstance(objective, str) and ":" in objective):
        raise InputError(
            "only a script of your own takes arguments, as train.py:objective, and a command takes no objective beside "
            f"it; got {shlex.join(redact_words(arguments))}."
        )
    if isinstance(objective, str) and ":" not in objective:
        options = options or TaskOptions()
        return TaskObjective(get_task(objective), replace(options, optimizer=optimizer or options.optimizer))
    if isinstance(objective, str) or (callable(objective) and not hasattr(objective, "run")):
        if options not in (None, TaskOptions()):
            raise InputError(
                "--model, --batch-size, --data-dir, --download, --subset and --bf16 are for built-in tasks."
            )
        if isinstance(objective, str) and isinstance(
            made_by_file := load_function(objective, arguments), TensorObjective
        ):
            return made_by_file
        return UserObjective(objective, optimizer, epochs or USER_EPOCHS, device, arguments, counting)
    made: Objective = objective
    return made


def objective_again(
    result: SearchResult, given: Any, arguments: Sequence[str], device: str, options: TaskOptions
) -> Objective:
    """The objective of a search; raises `InputError` if it is another one, or must be named."""
    stored = result.settings
    if "command" in stored and given is None:
        return command_again(result, arguments)
    if given is None:
        if stored["objective"] not in TASKS:
            raise InputError(f"name the objective with --objective, for the search it was {stored['objective']!r}.")
        kept = {k: stored[k] for k in ("model", "optimizer", "batch_size", "subset", "bf16")}
        given = TaskObjective(get_task(stored["objective"]), replace(options, **kept))
    if isinstance(given, Command):
        given = as_searched(given, result)
    script = stored_arguments(result, arguments)
    again = make_objective(given, stored.get("optimizer"), result.epochs, device, None, script, result.counting)
    now = again.settings()
    same = {"objective"} if same_objective(now["objective"], stored["objective"]) else set()
    if differing := [k for k, v in now.items() if stored.get(k) != v and k not in same]:
        raise InputError(
            f"this is not what was searched: {differing[0]} is {now[differing[0]]!r} now, "
            f"{stored.get(differing[0])!r} in the study."
        )
    return again


def sources_of(objective: Any, made: Objective) -> dict[str, str]:
    """Fingerprints of the code of a user's objective, once it is `made`; empty for what has none of its own."""
    if isinstance(made, Command):
        return command_sources(made)
    given = (objective.spec or objective.function) if isinstance(objective, UserObjective) else objective
    if isinstance(given, str):
        return file_sources(given) if ":" in given else {}
    return function_sources(given) if callable(given) and not hasattr(given, "run") else {}
