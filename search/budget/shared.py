"""What several processes may spend together: each reads the storage before and after it takes a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from ..notes.study import StudyNotes
from ..notes.trial import TrialNotes
from ..results.probe import PROBE_EPOCHS
from ..results.trial import COUNTED
from ..storage.ending import queue_interrupted, to_repeat
from ..storage.leases import GRACE_S
from ..storage.owners import member_of
from ..storage.studies import CONFIRMATION, PROBE, root_name
from ..storage.trial_notes import note_trial, outcome_of
from .kinds import Kind
from .ledger import Allowance


class Withdrawn(Exception):
    """A trial was taken that there is no budget for; the message says why."""


class Spending(NamedTuple):
    """What a budget was spent on, as it counts.

    Attributes:
        ended: By trials that have ended.
        running: What each running trial may use, with the member that runs it.
        due: What those trials of the study may use that wait in its queue, or are about to be queued again.
    """

    ended: float
    running: tuple[tuple[str | None, float], ...]
    due: float


@dataclass(frozen=True)
class Quota:
    """The part of a budget that trials may use, whoever runs them.

    Attributes:
        kind: What is counted.
        amount: How much of the whole budget may be spent by now, by all processes.
        member: Who counts: one process and the workers it has.
        queued: Whether only queued trials are to be run.
    """

    kind: Kind
    amount: float
    member: str
    queued: bool = False

    def admit(self, study: Study, trial: Trial, allowance: Allowance) -> Allowance:
        """What a trial that was just taken and signed may use.

        Every other running trial counts, whoever took it first: two processes that take the last trial at once both
        withdraw, and try again. What was queued comes before a new proposal, also what was queued after that was made.

        Raises:
            Withdrawn: Nothing.
        """
        proposed = TrialNotes.read(trial.user_attrs).schedule is None
        if self.queued and proposed:
            raise Withdrawn("another process has the trial that was queued")
        if not self.queued and StudyNotes.read(study.user_attrs).closed:
            raise Withdrawn("the search was over")
        spending = read_spending(study, self.kind, but=trial.number)
        left = self.amount - spending.ended - sum(cost for _, cost in spending.running)
        epochs = self.kind.length(left - spending.due if proposed else left)
        if not epochs and self.kind.length(left):
            queue_interrupted(study, GRACE_S)  # whoever was to do so may be dead
            raise Withdrawn("trials that were queued have the rest of the budget")
        if not epochs:
            raise Withdrawn("other processes have the rest of the budget")
        if epochs < allowance.epochs:
            allowance = allowance._replace(epochs=epochs)
            note_trial(trial, TrialNotes(grant=epochs))
        return allowance

    @staticmethod
    def stopped(study: Study) -> bool:
        """Whether everybody is to stop."""
        name, storage = root_name(study.study_name), study._storage
        return bool(StudyNotes.read(storage.get_study_user_attrs(storage.get_study_id_from_name(name))).stop)


def read_spending(study: Study, kind: Kind, but: int | None = None) -> Spending:
    """What the trials of a search, of its probe and of its confirmation have used.

    Args:
        study: The study of any of them.
        kind: What is counted.
        but: Number of a running trial of `study` that does not count.
    """
    name, ended, running, due = root_name(study.study_name), 0.0, [], 0
    for one in (name, name + CONFIRMATION, name + PROBE):
        part, trials = one.endswith(PROBE), _trials(study, one)
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                if one != study.study_name or trial.number != but:
                    running.append((member_of(trial), _reserved(trial, kind, part=part)))
            elif trial.state != TrialState.WAITING:
                ended += _used(trial, kind, part=part)
        if one == study.study_name:
            due = sum(t.state == TrialState.WAITING for t in trials) + len(to_repeat(trials))
    return Spending(ended, tuple(running), due * kind.cost(kind.epochs, counted=True))


def _trials(study: Study, name: str) -> list[FrozenTrial]:
    """The trials of the study of that name beside `study`, or of itself, all as they were at one moment."""
    if name == study.study_name:
        return study.get_trials(deepcopy=False)
    storage = study._storage
    try:
        return storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False)
    except KeyError:
        return []


def _used(trial: FrozenTrial, kind: Kind, *, part: bool) -> float:
    epochs = TrialNotes.read(trial.user_attrs).epochs or max(trial.intermediate_values, default=0) // kind.every
    return kind.cost(epochs, counted=outcome_of(trial) in COUNTED, part=part)


def _reserved(trial: FrozenTrial, kind: Kind, *, part: bool) -> float:
    epochs = TrialNotes.read(trial.user_attrs).grant or (PROBE_EPOCHS if part else kind.epochs)
    return kind.cost(epochs, counted=True, part=part)
