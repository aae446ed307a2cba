"""What a session begins with: the study with its sampler and pruner, the baselines in its queue, the session's note."""

from __future__ import annotations

import math
import time

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study

from ...options import notes
from ..engines.engine import Engine
from ..finals.baselines import baselines
from ..notes.study import Limit, SessionNotes
from ..notes.trial import TrialNotes
from ..plan import Plan
from ..sampling.pruners import make_pruner
from ..sampling.samplers import make_sampler
from ..storage.studies import open_study
from ..storage.whereabouts import note_whereabouts
from .draws import skipped_numbers


def begin_study(storage: BaseStorage, plan: Plan, *, alone: bool) -> tuple[Study, int]:
    """The search's study, made if it is new.

    Args:
        storage: Where it lies.
        plan: The search's plan.
        alone: Whether no other process works on it.

    Returns:
        The study, and by how much the numbers of its new trials are ahead of the sampler's draws.
    """
    study = open_study(storage, plan.study, plan.settings(), *_guides(plan, 0))
    skipped = skipped_numbers(study, alone=alone)
    if not plan.joins:
        note_whereabouts(plan.folder, plan.storage, plan.study)
    study.sampler, study.pruner = _guides(plan, skipped)
    _queue_baselines(study, plan)
    return study, skipped


def note_session(study: Study, plan: Plan, begun: float, deadline: float, engine: Engine) -> None:
    """Note in the study what this session was asked for and how it runs.

    The note has ``time.time()``, for people; `begun` and `deadline` are ``time.monotonic()``.
    """
    ahead = time.time() - time.monotonic()
    session = SessionNotes(
        started=begun + ahead,
        budget=str(plan.budget),
        limit=Limit(plan.budget.kind, plan.budget.amount),
        deadline=deadline + ahead if math.isfinite(deadline) else None,
        baseline=plan.baseline.to_dict() if plan.baseline else None,
        trial_timeout=plan.trial_timeout,
        engine=engine.name,
        width=engine.width,
        why=engine.why,
        sources=plan.sources,
        asked={**plan.context, **notes(plan)},
    )
    for name, value in session.as_note().items():
        study.set_user_attr(name, value)


def _guides(plan: Plan, skipped: int) -> tuple[BaseSampler, BasePruner]:
    """What proposes schedules and what stops trials early."""
    sampler = make_sampler(plan.sampler, plan.seed, plan.space, skipped)
    return sampler, make_pruner(plan.pruner, plan.space, sampler)


def _queue_baselines(study: Study, plan: Plan) -> None:
    queued = [TrialNotes.read(t.user_attrs).baseline for t in study.get_trials(deepcopy=False)]
    for title, schedule in baselines(plan.space, plan.baseline).items():
        if title not in queued and None not in queued:  # a kill may come between the first and the last
            notes = TrialNotes(schedule=schedule.to_dict(), baseline=title)
            study.enqueue_trial(plan.space.params(schedule), user_attrs=notes.to_attrs())
