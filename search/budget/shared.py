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
from ..storage.studies import CONFIRMATION, PROBE, root_name
from ..storage.trial_notes import note_trial, outcome_of
from .kinds import Kind
from .ledger import Allowance

_BEGUN = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Withdrawn(Exception):
    """A trial was taken that there is no budget for; the message says why."""


class Spending(NamedTuple):
    """What a budget was spent on, as it counts.

    Attributes:
        ended: By trials that have ended.
        running: What each running trial may use, with the member that runs it.
    """

    ended: float
    running: tuple[tuple[str | None, float], ...]


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
        withdraw, and try again.

        Raises:
            Withdrawn: Nothing.
        """
        if self.queued and TrialNotes.read(trial.user_attrs).schedule is None:
            raise Withdrawn("another process has the trial that was queued")
        if not self.queued and StudyNotes.read(study.user_attrs).closed:
            raise Withdrawn("the search was over")
        spending = read_spending(study, self.kind, but=trial.number)
        epochs = self.kind.length(self.amount - spending.ended - sum(cost for _, cost in spending.running))
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
        but: Number of a trial of `study` that does not count.
    """
    name, ended, running = root_name(study.study_name), 0.0, []
    for one in (name, name + CONFIRMATION, name + PROBE):
        part = one.endswith(PROBE)
        for trial in _begun(study, one, but):
            if trial.state == TrialState.RUNNING:
                running.append((member_of(trial), _reserved(trial, kind, part=part)))
            else:
                ended += _used(trial, kind, part=part)
    return Spending(ended, tuple(running))


def member_of(trial: FrozenTrial) -> str | None:
    """Who runs a trial; None if it is not signed yet, or runs in a search that shares nothing."""
    signature = TrialNotes.read(trial.user_attrs).signature
    return signature.member if signature else None


def _begun(study: Study, name: str, but: int | None) -> list[FrozenTrial]:
    """The trials that have begun of the study of that name beside `study`, or of itself without one of them."""
    if name == study.study_name:
        return [t for t in study.get_trials(deepcopy=False, states=_BEGUN) if t.number != but]
    storage = study._storage
    try:
        return storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False, states=_BEGUN)
    except KeyError:
        return []


def _used(trial: FrozenTrial, kind: Kind, *, part: bool) -> float:
    epochs = TrialNotes.read(trial.user_attrs).epochs or len(trial.intermediate_values)
    return kind.cost(epochs, counted=outcome_of(trial) in COUNTED, part=part)


def _reserved(trial: FrozenTrial, kind: Kind, *, part: bool) -> float:
    epochs = TrialNotes.read(trial.user_attrs).grant or (PROBE_EPOCHS if part else kind.epochs)
    return kind.cost(epochs, counted=True, part=part)
