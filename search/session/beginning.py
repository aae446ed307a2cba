"""What a session begins with: the study with its sampler and pruner, the baselines in its queue, the session's note."""

from __future__ import annotations

import math
from typing import Any
from uuid import uuid4

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study

from ...options import notes
from ..engines.engine import Engine
from ..finals.baselines import baselines
from ..plan import Plan
from ..sampling.pruners import make_pruner
from ..sampling.samplers import make_sampler
from ..storage.studies import SESSION, open_study
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
    """Note in the study what this session was asked for and how it runs; times are ``time.time()``."""
    session: dict[str, Any] = {
        **plan.context,
        **notes(plan),
        "started": begun,
        "budget": str(plan.budget),
        "limit": [plan.budget.kind, plan.budget.amount],
        "deadline": deadline if math.isfinite(deadline) else None,
        "baseline": plan.baseline and plan.baseline.to_dict(),
        "trial_timeout": plan.trial_timeout,
        "engine": engine.name,
        "width": engine.width,
        "why": engine.why,
        "sources": dict(plan.sources),
    }
    study.set_user_attr(SESSION + uuid4().hex, session)  # a list would lose what others write meanwhile


def _guides(plan: Plan, skipped: int) -> tuple[BaseSampler, BasePruner]:
    """What proposes schedules and what stops trials early."""
    sampler = make_sampler(plan.sampler, plan.seed, plan.space, skipped)
    return sampler, make_pruner(plan.pruner, plan.space, sampler)


def _queue_baselines(study: Study, plan: Plan) -> None:
    queued = [t.user_attrs.get("baseline") for t in study.get_trials(deepcopy=False)]
    for title, schedule in baselines(plan.space, plan.baseline).items():
        if title not in queued and None not in queued:  # a kill may come between the first and the last
            notes = {"baseline": title, "schedule": schedule.to_dict()}
            study.enqueue_trial(plan.space.params(schedule), user_attrs=notes)
