"""The Python API: `run` a search, `work` on one, `transfer` it, `find` learning rates.

The command line is a thin twin of these.

The keywords are the fields of the options: see `lrsearch.keywords`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from tempfile import TemporaryDirectory

from .chosen_objective import objective_again, sources_of
from .errors import InputError, Interrupted, StudyError
from .keywords import FindOptions, RunOptions, TransferOptions, WorkOptions
from .objectives import resolve_device
from .options import SearchOptions, TaskOptions, shared, takes
from .planning import make_finder, make_plan
from .run_folder import elsewhere, load, write_outputs, write_what_there_is
from .search import (
    Budget,
    Cluster,
    Plan,
    Probe,
    Progress,
    SearchResult,
    SessionNotes,
    Silent,
    failures,
    find_rates,
    load_result,
    open_storage,
    parse_seconds,
    put_aside,
    search,
    search_on,
    train_longer,
)
from .spaces import Schedule

POLL_S = 1.0
"""Seconds between two checks whether a search has begun."""


@takes(RunOptions)
def run(asked: RunOptions) -> SearchResult:
    """Search for a schedule, or resume the study of that name; writes ``report.html``, ``best.json``, ``best.py``.

    Raises:
        InputError: Wrong use, found before the first trial.
        StudyError: The study has other settings, is in use, or cannot be reached.
        KeyboardInterrupt: After Ctrl-C, as `lrsearch.errors.Interrupted`; the study and the report of what there is
            are kept.
    """
    from .reports.notebook import NotebookProgress, in_notebook
    from .reports.terminal.progress import who_to_tell

    cluster = Cluster(asked.backend, asked.address, asked.jobs) if asked.backend else None
    if asked.address and not cluster:
        raise InputError(f"address {asked.address!r} needs a backend, ray or dask.")
    here = asked.progress in (None, True) and in_notebook()
    told = NotebookProgress() if here else who_to_tell(asked.progress)
    plan = make_plan(asked)
    if asked.fresh:
        _put_aside(plan, told)
    try:
        if cluster:  # its machines may have other devices than this one
            result = search_on(cluster, replace(plan, device=asked.device), told, asked.begun)
        else:
            result = search(plan, told, asked.begun)
    except KeyboardInterrupt:
        raise Interrupted(write_what_there_is(plan)) from None
    except StudyError:
        write_what_there_is(plan)
        raise
    write_outputs(result)
    return result


@takes(FindOptions)
def find(asked: FindOptions) -> Probe:
    """Find the learning rates that suit a job: an epoch at each of a few constant rates. Nothing is stored.

    Returns:
        The rates with their values (`Probe.points`), and where the best base_lr should lie (`Probe.scale`).

    Raises:
        InputError: Wrong use, or the objective fails.
        StudyError: Its runs fail.
    """
    with TemporaryDirectory(prefix="lrsearch-") as folder:
        return find_rates(make_finder(asked, folder), asked.progress or Silent())


def _put_aside(plan: Plan, progress: Progress) -> None:
    """Make room for a study that is to start anew under the name of another."""
    if plan.storage:
        raise InputError("--fresh renames a run folder, not what lies in a database: choose another name with --study.")
    if kept := put_aside(plan.folder):
        progress.note(f"The run of before is kept in {kept}.")


@takes(TransferOptions)
def transfer(asked: TransferOptions) -> SearchResult:
    """Train a confirmed search's finalists over longer horizons, and write the report again.

    Raises:
        InputError: Wrong use.
        StudyError: The winner is not confirmed, or the study is in use.
    """
    result, storage = load(asked.run, storage=asked.storage), elsewhere(asked.run, asked.storage)
    if not isinstance(result, SearchResult) or result.folder is None:
        raise InputError(f"{asked.run} is no run folder: give the one that the search wrote.")
    device = resolve_device(asked.device)
    objective = objective_again(result, asked.objective, asked.arguments, device, asked.task_options or TaskOptions())
    real, other = (asked.epochs, asked.steps) if result.counting.unit == "epoch" else (asked.steps, asked.epochs)
    if real is None or other is not None:
        units = result.counting.units
        raise InputError(f"the search counted {units}: give the length of the real training as --{units}.")
    horizons = asked.measure or sorted({min(k * result.horizon, real) for k in (2, 4)})
    plan = Plan(
        objective,
        result.space,
        Budget.parse(1),
        result.name,
        at=result.folder,
        storage=storage,
        metric=result.metric,
        maximize=result.maximize,
        pruner="none",
        engine=asked.engine,
        device=device,
        seed=int(result.settings["seed"]),
        sources=sources_of(asked.objective, objective),
    )
    made = train_longer(plan, horizons, asked.seeds, asked.progress or Silent(), keep_warmup=asked.keep_warmup)
    write_outputs(made)
    return made


@takes(WorkOptions)
def work(asked: WorkOptions) -> SearchResult:
    """Help with a search that `run` has begun in the same storage, until its budget is spent and its winner judged.

    Returns:
        The search as it stands at the end.

    Raises:
        InputError: Wrong use, or the objective fails here.
        StudyError: The search does not begin in time, or the storage cannot be reached.
        KeyboardInterrupt: After Ctrl-C; the trials under way are left to the others.
    """
    if "://" not in asked.storage:
        raise InputError(f"a worker needs the URL of a database that the search uses too, got {asked.storage!r}.")
    progress = asked.progress or Silent()
    with failures(asked.storage):
        result = _await(asked.study, asked.storage, parse_seconds(asked.wait, "--wait"), progress)
    result.space.check_loaded()
    noted, device = result.sessions[-1], resolve_device(asked.device)
    session = SessionNotes.read(noted)
    if session.limit is None:
        raise StudyError(f"the study {asked.study!r} does not say its budget: give that of a search that is running.")
    of_all = {"metric": result.metric, "seed": int(result.settings["seed"])}
    objective = objective_again(result, asked.objective, asked.arguments, device, asked.task_options or TaskOptions())
    plan = Plan(
        objective,
        result.space,
        Budget(*session.limit),
        result.name,
        storage=asked.storage,
        maximize=result.maximize,
        engine=asked.engine,
        jobs=asked.jobs,
        device=device,
        trial_timeout=session.trial_timeout,
        baseline=Schedule.from_dict(session.baseline) if session.baseline else None,
        joins=True,
        sources=sources_of(asked.objective, objective),
        **{"probe": "off", **shared(SearchOptions, noted), **of_all},  # an older search knows of no probe
    )
    return search(plan, progress)


def _await(study: str, storage: str, seconds: float, progress: Progress) -> SearchResult:
    """The search, as soon as it has begun."""
    opened, begun = open_storage(storage), time.monotonic()
    while True:
        try:
            result = load_result(opened, study)
        except StudyError as error:
            missing = error
        else:
            if result.sessions:
                return result
            missing = StudyError(f"the study {study!r} has not begun.")
        if time.monotonic() - begun > seconds:
            raise missing
        if time.monotonic() - begun < POLL_S:
            progress.note(f"Waiting for the search {study!r} to begin.")
        time.sleep(POLL_S)
