"""The probe at a search's beginning: its runs are queued once, and what they tell is noted in the study."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import optuna
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState

from ...spaces import Schedule, ScheduleSpace
from ..notes.study import ProbeNotes, StudyNotes
from ..notes.trial import TrialNotes
from ..plan import Plan
from ..results.probe import scale_noted
from ..sampling.scale import Scale, probe_rates, scale_of
from ..storage.members import POLL_S, Alone, Members
from ..storage.studies import PROBE, note_study

LEAST_TRIALS = 6.0
"""Full trials of the smallest search that a probe is worth its part of."""


def probe_schedules(space: ScheduleSpace) -> list[Schedule]:
    """What a probe trains for an epoch each; nothing if the horizon is too short for that to pay."""
    return [space.plain("constant", rate) for rate in probe_rates(space)]


def why_not(plan: Plan, trials: float, *, begun: bool) -> str:
    """Why a search is not probed; empty if it is to be.

    Args:
        plan: The search's plan.
        trials: For how many full trials of the search there is budget.
        begun: Whether the study has trials already.
    """
    if plan.probe == "off":
        return "it was not asked for"
    if plan.sampler != "curve":
        return f"the sampler {plan.sampler} has no use for it"
    if begun:
        return "the study was begun without one"
    if trials < LEAST_TRIALS:
        return f"the search has fewer than {LEAST_TRIALS:g} full trials"
    if not probe_rates(plan.space):
        return "it would cost more than three quarters of a full trial, or base_lr is fixed"
    return ""


class Prober:
    """Learns the scale of base_lr before the first trial, once for all sessions and processes of a search.

    Args:
        plan: The search's plan.
        study: The search's study.
        storage: Where it lies.
        members: The processes that share the search, or that there are none.
        spend: Runs so many queued runs of a study, and waits until all have ended.
        help: Runs what the leader has queued, if there is anything; whether there was.
        note: Tells a person something in a line.
    """

    def __init__(
        self,
        plan: Plan,
        study: Study,
        storage: BaseStorage,
        members: Members | Alone,
        spend: Callable[[Study, int], None],
        help: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        self.plan, self.study, self.storage, self.members = plan, study, storage, members
        self.spend, self.help, self.note = spend, help, note

    def run(self, why: str) -> Scale | None:
        """What the probe tells; `why` there is to be none, if so."""
        while not concluded(self.study):
            if self.plan.joins and self.plan.probe == "off":  # a leader that knows of no probe concludes none
                return None
            if self.members.leads():
                self._lead(why)
            elif not self.help():
                time.sleep(POLL_S)
        return noted_scale(self.study)

    def _lead(self, why: str) -> None:
        probe = None
        if not why:
            probe = open_probe(self.storage, self.plan)
            if runs := queue_runs(probe, self.plan):
                length = self.plan.space.counting.trained(1)
                self.note(f"Probing {runs} constant rates for {length} each: what is the scale of base_lr?")
                self.spend(probe, runs)
        conclude(self.study, probe, why)
        if (scale := noted_scale(self.study)) is not None:
            low, high = scale.range
            self.note(f"The probe expects the best base_lr near {scale.base_lr:.2g} ({low:.2g} to {high:.2g}).")


def open_probe(storage: BaseStorage, plan: Plan) -> Study:
    """The study of the probe's runs."""
    return optuna.create_study(
        storage=storage,
        study_name=plan.study + PROBE,
        direction="maximize" if plan.maximize else "minimize",
        sampler=RandomSampler(seed=plan.seed),
        pruner=NopPruner(),
        load_if_exists=True,
    )


def queue_runs(probe: Study, plan: Plan) -> int:
    """Queue the runs that are missing; how many are queued."""
    kept = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING)
    known = [TrialNotes.read(t.user_attrs).schedule for t in probe.get_trials(deepcopy=False, states=kept)]
    for schedule in probe_schedules(plan.space):
        if (noted := schedule.to_dict()) not in known:
            notes = TrialNotes(schedule=noted, probe=True)
            probe.enqueue_trial(plan.space.params(schedule), user_attrs=notes.to_attrs())
    return len(probe.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def conclude(study: Study, probe: Study | None, why: str = "") -> None:
    """Note in the search's study what its probe told, or why there was none: no other will be made."""
    scale = None if probe is None else _scale(probe)
    if scale is not None:
        noted = ProbeNotes(scale.base_lr, scale.decades)
    else:
        noted = ProbeNotes(why=why or "no two of its runs could be told apart")
    note_study(study, StudyNotes(probe=noted))


def concluded(study: Study) -> bool:
    """Whether the search's probe is over, however it went."""
    return StudyNotes.read(study.user_attrs).probe is not None


def noted_scale(study: Study) -> Scale | None:
    """What the search's probe told."""
    return scale_noted(StudyNotes.read(study.user_attrs).probe)


def _scale(probe: Study) -> Scale | None:
    sign = -1.0 if probe.direction.name == "MAXIMIZE" else 1.0
    by_rate: dict[float, float] = {}
    for trial in probe.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        schedule = TrialNotes.read(trial.user_attrs).schedule
        if trial.value is not None and schedule is not None:
            value = sign * trial.value if math.isfinite(trial.value) else math.inf
            by_rate[Schedule.from_dict(schedule).base_lr] = value
    rates = sorted(by_rate)
    return scale_of(rates, [by_rate[r] for r in rates]) if rates else None
