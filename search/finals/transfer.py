"""Training a search's finalists over longer horizons than it searched on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext

import optuna
from optuna.pruners import NopPruner
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState

from ...errors import InputError, StudyError
from ...spaces import Schedule
from ..budget.ledger import Allowance
from ..engines.choice import choose_engine
from ..engines.free_processors import Processors
from ..engines.run import run_trials
from ..notes.trial import TrialNotes
from ..plan import Plan
from ..progress import Progress
from ..results.code_changes import LONGER, check_code
from ..results.search import SearchResult
from ..results.transfer import FACTORS, Transfer
from ..storage.access import open_access
from ..storage.ending import withdraw
from ..storage.leases import LEASE_S
from ..storage.members import Members
from ..storage.reading import load_result
from ..storage.studies import TRANSFER
from ..trial.settings import Terms


def train_longer(
    plan: Plan, horizons: Sequence[int], seeds: int, progress: Progress, *, keep_warmup: bool = False
) -> SearchResult:
    """Train the finalists of a confirmation over longer horizons; what is there already is not trained again.

    Args:
        plan: The search's plan; its budget does not count here.
        horizons: Epochs, or steps where the search counts them, each more than the search's.
        seeds: On how many of the seeds that judged, >= 2.
        progress: Who to tell.
        keep_warmup: Keep the warm-up's length instead of stretching it.

    Raises:
        InputError: The horizons are not longer than the search's, or there are too few seeds.
        StudyError: The search has no confirmed winner, or is in use, also by such a process; its storage fails, or a
            run does.
    """
    counting, searched = plan.space.counting, int(plan.space.horizon)
    if not horizons or any(h <= searched for h in horizons):
        raise InputError(f"horizons must be longer than the search's {counting.many(searched)}, got {list(horizons)}.")
    if uneven := [h for h in horizons if h % counting.every]:
        raise InputError(f"a training reports every {counting.many(counting.every)}: {uneven[0]} is no multiple of it.")
    if seeds < 2:
        raise InputError(f"seeds must be at least 2, got {seeds}.")
    studies, shared = (plan.study + TRANSFER,), plan.storage is not None
    with open_access(plan.where, plan.folder, studies, progress.note, shared=shared) as access:
        storage = access.storage
        with _only_one(storage, plan) if shared else nullcontext():  # else the run folder's lock does that
            known = Transfer(load_result(storage, plan.study))
            check_code(known.result, plan.sources, LONGER)
            known.seeds = known.judging[:seeds]
            study = _study(storage, plan)
            for horizon in (searched, *sorted(horizons)):
                if runs := _queue(study, known, horizon, keep_warmup=keep_warmup):
                    progress.note(f"{counting.many(horizon)}: {runs} run{'' if runs == 1 else 's'}.")
                    _spend(study, plan, horizon, runs, progress)
        return load_result(storage, plan.study, str(plan.folder))


@contextmanager
def _only_one(storage: BaseStorage, plan: Plan) -> Iterator[None]:
    """Raise `StudyError` if another process trains longer, too: the queued runs are of one horizon, and its own."""
    load_result(storage, plan.study)  # raises if there is no such search
    with Members(storage, plan.study + TRANSFER) as members:
        if not members.leads():
            raise StudyError(
                f"another process trains the finalists of {plan.study!r} longer now: the same command goes on "
                f"when that one has ended, or {LEASE_S / 60:.0f} minutes after it was killed on another machine."
            )
        yield


def _study(storage: BaseStorage, plan: Plan) -> Study:
    """The study of the runs, without any that an interrupted session left waiting: they are queued again."""
    study = optuna.create_study(
        storage=storage,
        study_name=plan.study + TRANSFER,
        direction="maximize" if plan.maximize else "minimize",
        pruner=NopPruner(),
        load_if_exists=True,
    )
    for waiting in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        withdraw(study, waiting, "the session that had queued it was interrupted")
    return study


def _queue(study: Study, known: Transfer, horizon: int, *, keep_warmup: bool) -> int:
    """Queue what is missing at a horizon; how many runs that is."""
    queued = 0
    for trial in known.finalists:
        for factor in FACTORS if trial == known.winner else FACTORS[:1]:
            done = known.values(trial, horizon, factor)
            schedule = _arm(known.result, trial, horizon, factor, keep_warmup=keep_warmup)
            for seed in (s for s in known.seeds if s not in done):
                notes = TrialNotes(schedule=schedule.to_dict(), seed=seed, confirms=trial)
                study.enqueue_trial({}, user_attrs=notes.to_attrs())
                queued += 1
    return queued


def _arm(result: SearchResult, trial: int, horizon: int, factor: float, *, keep_warmup: bool) -> Schedule:
    schedule = result.trial(trial).schedule
    assert schedule is not None
    stretched = schedule.stretched(horizon, schedule.warmup if keep_warmup else None)
    return stretched.rescaled(float(f"{factor * schedule.base_lr:.4g}"))


def _spend(study: Study, plan: Plan, horizon: int, runs: int, progress: Progress) -> None:
    counting = plan.space.counting
    epochs = counting.reports(horizon)
    terms = Terms(plan.space, plan.metric, plan.maximize, epochs, plan.seed, plan.device, told=progress.epoch)
    processors = Processors(plan.objective, plan.device, progress.note)
    with processors.shared():
        engine = choose_engine(plan.objective, terms, engine=plan.engine, jobs=plan.jobs, trials=runs)
    terms = processors.watched(terms)
    allowances = [Allowance(epochs)] * runs
    done = 0
    running = run_trials(study, plan, terms, engine, lambda: allowances.pop() if allowances else None, progress.note)
    with processors.shared(engine.threads), closing(running) as ended:
        for allowance, record in ended:
            if record.outcome == "interrupted":  # its process was killed, and it is queued again
                allowances.append(allowance)
            if record.outcome == "failed":
                raise StudyError(f"a run over {counting.many(horizon)} failed: {record.reason}")
            done += record.outcome != "interrupted"
            progress.run(record, done, runs)
