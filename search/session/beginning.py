"""What a session begins with: the study with its sampler and pruner, the baselines in its queue, the session's note."""

from __future__ import annotations

import math
import time
from collections.abc import Collection

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study

from ...options import notes
from ...spaces import Schedule
from ..engines.engine import Engine
from ..finals.baselines import BASELINES, OWN, baselines, first_schedules
from ..notes.study import Limit, SessionNotes
from ..notes.trial import TrialNotes
from ..plan import Plan
from ..sampling.pruners import make_pruner
from ..sampling.samplers import make_sampler
from ..sampling.scale import Scale
from ..storage.studies import open_study
from ..storage.whereabouts import note_whereabouts

BASELINES_AFTER = 8
"""After so many trials of a search its untuned baselines are trained, where they wait."""
ALL_FROM = 12.0
"""Full trials of the smallest search that trains all its untuned baselines where they wait; a smaller one, whose last
trials they would be, trains `ONE` alone."""
ONE = "constant"
"""The untuned baseline that the smallest searches are compared with."""
EVERY = (OWN, *BASELINES.values())


def begin_study(storage: BaseStorage, plan: Plan) -> Study:
    """The search's study, made if it is new."""
    study = open_study(storage, plan.study, plan.settings(), *_guides(plan, 0))
    if not plan.joins:
        note_whereabouts(plan.folder, plan.storage, plan.study)
    return study


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


def first_schedule(plan: Plan, *, waits: bool) -> Schedule:
    """What a search without a probe most likely trains first: the check of its objective need not be thrown away then.

    Args:
        plan: The search's plan.
        waits: Whether untuned baselines are left to `Later`.
    """
    first = next(iter(baselines(plan.space, plan.baseline).values()))
    if waits and plan.baseline is None:
        from ..sampling.initial_design import scan

        params = plan.space.params(scan(plan.space)[0])
        return plan.space.schedule(params) if "family" in params else first
    return first


def queue_first(study: Study, plan: Plan, scale: Scale | None, *, waits: bool) -> None:
    """Queue what is trained before the sampler proposes: your own baseline, what a probe suggests, other baselines.

    Args:
        study: The search's study, with the sampler and pruner that know of the scale from now on.
        plan: The search's plan.
        scale: What a probe told; None without one.
        waits: Whether untuned baselines are left to `Later`.
    """
    if scale is not None:
        known = [TrialNotes.read(t.user_attrs).schedule for t in study.get_trials(deepcopy=False)]
        begun = None in known
        for schedule in first_schedules(plan.space, scale) if not begun else ():
            if (noted := schedule.to_dict()) not in known:
                study.enqueue_trial(plan.space.params(schedule), user_attrs=TrialNotes(schedule=noted).to_attrs())
    if waits:
        queue_baselines(study, plan, (OWN,), first=True)
    else:
        queue_baselines(study, plan, first=scale is None)


def first_queued(study: Study, plan: Plan) -> bool:
    """Whether the leader of a search that others share has queued what is trained first."""
    return None in _titles(study) or not missing_baselines(study, plan)


class Later:
    """Queues the untuned baselines: they need not be a search's first trials, but they are all trained.

    Args:
        study: The search's study.
        plan: The search's plan.
    """

    def __init__(self, study: Study, plan: Plan) -> None:
        self.study, self.plan, self.missing = study, plan, set(missing_baselines(study, plan))

    def queue_due(self, done: int, room: float, whole: float) -> None:
        """Queue them once so many trials are done, or if there is only room for them.

        Args:
            done: Trials of the search that have ended.
            room: For how many more full trials there is budget.
            whole: For how many full trials there was budget at the start.
        """
        due = self.missing if whole >= ALL_FROM else self.missing & {OWN, ONE}
        if due and (done >= BASELINES_AFTER or room < len(due) + 1):
            queue_baselines(self.study, self.plan, due)
            self.missing -= due


def missing_baselines(study: Study, plan: Plan, titles: Collection[str] = EVERY) -> dict[str, Schedule]:
    """Of the untuned baselines with these names those that the study has no trial of."""
    wanted = set(titles).difference(_titles(study))
    return {title: s for title, s in baselines(plan.space, plan.baseline).items() if title in wanted}


def queue_baselines(study: Study, plan: Plan, titles: Collection[str] = EVERY, *, first: bool = False) -> None:
    """Queue those untuned baselines that are missing; if they are to come first, only before any other trial."""
    if first and None in _titles(study):
        return  # a kill may come between the first and the last of them
    for title, schedule in missing_baselines(study, plan, titles).items():
        noted = TrialNotes(schedule=schedule.to_dict(), baseline=title)
        study.enqueue_trial(plan.space.params(schedule), user_attrs=noted.to_attrs())


def _titles(study: Study) -> list[str | None]:
    return [TrialNotes.read(t.user_attrs).baseline for t in study.get_trials(deepcopy=False)]


def guide(study: Study, plan: Plan, skipped: int, scale: Scale | None) -> None:
    """Give a study its sampler and pruner, which know what a probe told."""
    study.sampler, study.pruner = _guides(plan, skipped, scale)


def _guides(plan: Plan, skipped: int, scale: Scale | None = None) -> tuple[BaseSampler, BasePruner]:
    """What proposes schedules and what stops trials early."""
    sampler = make_sampler(plan.sampler, plan.seed, plan.space, skipped, scale)
    return sampler, make_pruner(plan.pruner, plan.space, sampler)
