"""The Python API: `run` a search, `work` on one, `transfer` it. The command line is a thin twin of these."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .errors import InputError, Interrupted, StudyError
from .objectives import (
    DEFAULT_TASK,
    Objective,
    TaskOptions,
    resolve_device,
)
from .planning import context, larger_is_better, make_plan, objective_again, sources_of
from .run_folder import elsewhere, load, write_outputs, write_what_there_is
from .search import (
    DEFAULT_ENGINE,
    DEFAULT_PRUNER,
    DEFAULT_SAMPLER,
    DEFAULT_SEEDS,
    Budget,
    Cluster,
    Plan,
    Progress,
    SearchResult,
    Silent,
    failures,
    load_result,
    open_storage,
    parse_seconds,
    put_aside,
    search,
    search_on,
    train_longer,
)
from .spaces import Family, Interval, Schedule, ScheduleSpace

if TYPE_CHECKING:
    from os import PathLike

POLL = 1.0
"""Seconds between looks whether a search has begun."""


def run(
    objective: str | Callable[..., Any] | Objective = DEFAULT_TASK,
    *,
    budget: str | int | Budget = 60,
    space: ScheduleSpace | str | PathLike[str] | None = None,
    families: Sequence[str | Family] | None = None,
    epochs: int | None = None,
    interval: Interval | None = None,
    optimizer: str | None = None,
    study: str | None = None,
    storage: str | None = None,
    out: str | PathLike[str] = "runs",
    engine: str = DEFAULT_ENGINE,
    jobs: int = 0,
    device: str = "auto",
    sampler: str = DEFAULT_SAMPLER,
    pruner: str = DEFAULT_PRUNER,
    metric: str = "val_loss",
    maximize: bool | None = None,
    seed: int = 0,
    trial_timeout: str | float | None = None,
    confirm: int = DEFAULT_SEEDS,
    baseline: Schedule | str | PathLike[str] | None = None,
    task_options: TaskOptions | None = None,
    backend: str | None = None,
    address: str | None = None,
    arguments: Sequence[str] = (),
    fresh: bool = False,
    accept_changes: bool = False,
    progress: Progress | bool | Callable[[str], object] | None = None,
    begun: float | None = None,
) -> SearchResult:
    """Search for a schedule, or resume the study of that name; writes ``report.html``, ``best.json``, ``best.py``.

    Args:
        objective: A built-in task's name, ``file.py:name``, ``module:name``, a generator function, or an `Objective`.
        budget: Trials (60), wall time ("30m") or epochs ("500ep").
        space: What to search: a `ScheduleSpace`, or the path of a TOML file.
        families: Schedule families or sets of them, ``file.py:name`` of your own or such a family itself; those of the
            space by default.
        epochs: Horizon; the task's own by default.
        interval: Whether the rate changes every "step" or every "epoch".
        optimizer: "sgd", "adamw" or another class's name: whose range of base_lr to search; found out from a user's
            objective by default.
        study: Name; the objective's by default.
        storage: An Optuna URL; a journal file in the run folder by default.
        out: Folder of the run folders.
        engine: How trials are run: "lanes", "processes", "single", or "auto" to measure and choose.
        jobs: Worker processes; 0 to choose.
        device: Torch device, or "auto".
        sampler: How schedules are proposed.
        pruner: How hopeless trials are stopped.
        metric: Metric that ranks trials.
        maximize: Whether larger is better; by default for names such as accuracy, f1, auc, bleu or r2.
        seed: Seed of the search and of every trial.
        trial_timeout: Seconds, or a time as "5m", after which a trial has failed; trials then run in processes.
        confirm: Most fresh seeds that the winner is judged on, against tuned baselines; 0 for no confirmation.
        baseline: The schedule that you train with today, to be compared with: a `Schedule`, a line as
            ``"cosine:base_lr=0.1,warmup=1"``, or a JSON file that ``export`` wrote.
        task_options: Options of a built-in task.
        backend: "ray" or "dask" to train on such a cluster's workers, `jobs` of them, and none of it in this process.
        address: The cluster's address; by default what Ray's or Dask's environment variables say.
        arguments: What the objective's script finds in ``sys.argv`` after its own name.
        fresh: Start the study anew; the run folder of before is kept as NAME-1.
        accept_changes: Go on with a study although the objective's code has changed since it was begun.
        progress: Who to tell; False for nobody, True or a function such as `print` for lines of text. By default a
            terminal or a notebook is told.
        begun: ``time.time()`` from which a wall-clock budget counts; now by default.

    Raises:
        InputError: Wrong use, found before the first trial.
        StudyError: The study has other settings, is in use, or cannot be reached.
        KeyboardInterrupt: After Ctrl-C, as `lrsearch.errors.Interrupted`; the study and the report of what there is
            are kept.
    """
    from .reports.terminal.progress import who_to_tell

    cluster = Cluster(backend, address, jobs) if backend else None
    if address and not cluster:
        raise InputError(f"address {address!r} needs a backend, ray or dask.")
    told = who_to_tell(progress)
    plan = make_plan(
        objective,
        budget=Budget.parse(budget),
        space=space,
        families=families,
        epochs=epochs,
        interval=interval,
        optimizer=optimizer,
        study=study,
        task_options=task_options,
        device=device,
        arguments=arguments,
        storage=storage,
        out=str(out),
        engine=engine,
        jobs=jobs,
        sampler=sampler,
        pruner=pruner,
        metric=metric,
        maximize=larger_is_better(metric) if maximize is None else maximize,
        seed=seed,
        trial_timeout=None if trial_timeout is None else parse_seconds(trial_timeout, "--trial-timeout"),
        confirm=confirm,
        baseline=baseline,
        accept_changes=accept_changes,
        context=context(),
    )
    if fresh:
        _put_aside(plan, told)
    try:
        elsewhere = replace(plan, device=device)  # a cluster's machines may have other devices than this one
        result = search_on(cluster, elsewhere, told, begun) if cluster else search(plan, told, begun)
    except KeyboardInterrupt:
        raise Interrupted(write_what_there_is(plan)) from None
    except StudyError:
        write_what_there_is(plan)
        raise
    write_outputs(result)
    return result


def _put_aside(plan: Plan, progress: Progress) -> None:
    """Make room for a study that is to start anew under the name of another."""
    if plan.storage:
        raise InputError("--fresh renames a run folder, not what lies in a database: choose another name with --study.")
    if kept := put_aside(plan.folder):
        progress.note(f"The run of before is kept in {kept}.")


def transfer(
    path: str | PathLike[str],
    epochs: int,
    *,
    objective: str | Callable[..., Any] | Objective | None = None,
    measure: Sequence[int] | None = None,
    seeds: int = 3,
    keep_warmup: bool = False,
    storage: str | None = None,
    engine: str = DEFAULT_ENGINE,
    device: str = "auto",
    task_options: TaskOptions | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Train a confirmed search's finalists over longer horizons, and write the report again.

    Args:
        path: The run folder, or a study's name under ``runs/``.
        epochs: The length of the real training.
        objective: What was searched; needed unless it is a built-in task, since code is only loaded from where one
            says.
        measure: Horizons to train; by default twice and four times the search's, as far as they are below `epochs`.
        seeds: On how many of the confirmation's seeds, >= 2.
        keep_warmup: Keep the warm-up's length in epochs instead of stretching it.
        storage: An Optuna URL; by default where the run folder says.
        engine: How trials are run.
        device: Torch device, or "auto".
        task_options: Options of a built-in task; only where its data lie matters, the rest is the search's.
        progress: Who to tell.

    Raises:
        InputError: Wrong use.
        StudyError: The winner is not confirmed, or the study is in use.
    """
    result, storage = load(path, storage=storage), elsewhere(path, storage)
    if not isinstance(result, SearchResult) or result.folder is None:
        raise InputError(f"{path} is no run folder: give the one that the search wrote.")
    device = resolve_device(device)
    found = objective_again(result, objective, device, task_options or TaskOptions())
    horizons = measure or sorted({min(k * result.epochs, epochs) for k in (2, 4)})
    plan = Plan(
        found,
        result.space,
        Budget.parse(1),
        result.name,
        at=result.folder,
        storage=storage,
        metric=result.metric,
        maximize=result.maximize,
        pruner="none",
        engine=engine,
        device=device,
        seed=int(result.settings["seed"]),
        sources=sources_of(objective),
    )
    made = train_longer(plan, horizons, seeds, progress or Silent(), keep_warmup=keep_warmup)
    write_outputs(made)
    return made


def work(
    study: str,
    storage: str,
    *,
    objective: str | Callable[..., Any] | Objective | None = None,
    engine: str = DEFAULT_ENGINE,
    jobs: int = 0,
    device: str = "auto",
    wait: str | float = "10m",
    task_options: TaskOptions | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Help with a search that `run` has begun in the same storage, until its budget is spent and its winner judged.

    Args:
        study: The search's name.
        storage: Its Optuna URL.
        objective: What is searched; needed unless it is a built-in task, since code is only loaded from where one says.
        engine: How this process runs trials.
        jobs: Worker processes; 0 to choose.
        device: Torch device, or "auto".
        wait: Seconds, or a time as "5m", to wait for a search that has not begun.
        task_options: Options of a built-in task; only where its data lie matters, the rest is the search's.
        progress: Who to tell.

    Returns:
        The search as it stands at the end.

    Raises:
        InputError: Wrong use, or the objective fails here.
        StudyError: The search does not begin in time, or the storage cannot be reached.
        KeyboardInterrupt: After Ctrl-C; the trials under way are left to the others.
    """
    if "://" not in storage:
        raise InputError(f"a worker needs the URL of a database that the search uses too, got {storage!r}.")
    progress = progress or Silent()
    with failures(storage):
        result = _await(study, storage, parse_seconds(wait, "--wait"), progress)
    result.space.check_loaded()
    session, device = result.sessions[-1], resolve_device(device)
    plan = Plan(
        objective_again(result, objective, device, task_options or TaskOptions()),
        result.space,
        Budget(*session["limit"]),
        result.name,
        storage=storage,
        metric=result.metric,
        maximize=result.maximize,
        sampler=session["sampler"],
        pruner=session["pruner"],
        engine=engine,
        jobs=jobs,
        device=device,
        seed=int(result.settings["seed"]),
        trial_timeout=session["trial_timeout"],
        confirm=session["confirm"],
        baseline=session["baseline"] and Schedule.from_dict(session["baseline"]),
        joins=True,
        sources=sources_of(objective),
    )
    return search(plan, progress)


def _await(study: str, storage: str, seconds: float, progress: Progress) -> SearchResult:
    """The search, as soon as it has begun."""
    opened, begun = open_storage(storage), time.time()
    while True:
        try:
            result = load_result(opened, study)
        except StudyError as error:
            missing = error
        else:
            if result.sessions:
                return result
            missing = StudyError(f"the study {study!r} has not begun.")
        if time.time() - begun > seconds:
            raise missing
        if time.time() - begun < POLL:
            progress.note(f"Waiting for the search {study!r} to begin.")
        time.sleep(POLL)
