"""What several processes may spend together: each looks into the storage before and after it takes a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from ..results.trial import COUNTED
from ..storage.studies import CONFIRMATION
from ..storage.trial_notes import outcome_of
from .ledger import Grant

CLOSED = "closed"
"""Note of a study whose search is over: what is left of its budget is for confirmation."""
STOP = "stop"
"""Note of a study that whoever leads it has told the others to leave."""
_BEGUN = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Withdrawn(Exception):
    """A trial was taken that there is no budget for; the message says why."""


class Books(NamedTuple):
    """What a budget was spent on, as it counts.

    Attributes:
        spent: By trials that have ended.
        running: What each running trial may use, with the member that runs it.
    """

    spent: float
    running: tuple[tuple[str | None, float], ...]


@dataclass(frozen=True)
class Quota:
    """The part of a budget that trials may use, whoever runs them.

    Attributes:
        kind: What is counted.
        amount: How many trials or epochs of the whole budget may be spent by now; seconds end by their deadline.
        epochs: Length of a full trial.
        member: Who counts: one process and the workers it has.
        queued: Whether only queued trials are to be run.
    """

    kind: Literal["trials", "seconds", "epochs"]
    amount: float
    epochs: int
    member: str
    queued: bool = False

    def admit(self, study: Study, trial: Trial, grant: Grant) -> Grant:
        """What a trial that was just taken and signed may use.

        Every other running trial counts, whoever took it first: two processes that take the last trial at once both
        withdraw, and try again.

        Raises:
            Withdrawn: Nothing.
        """
        if self.queued and "schedule" not in trial.user_attrs:
            raise Withdrawn("another process has the trial that was queued")
        if not self.queued and study.user_attrs.get(CLOSED):
            raise Withdrawn("the search was over")
        if self.kind == "seconds":
            return grant
        books = read_books(study, self.kind, self.epochs, but=trial.number)
        left = self.amount - books.spent - sum(cost for _, cost in books.running)
        if left < 1:
            raise Withdrawn("other processes have the rest of the budget")
        if self.kind == "epochs" and left < grant.epochs:
            grant = grant._replace(epochs=int(left))
            trial.set_user_attr("grant", grant.epochs)
        return grant

    @staticmethod
    def stopped(study: Study) -> bool:
        """Whether everybody is to stop."""
        name, storage = study.study_name.removesuffix(CONFIRMATION), study._storage
        return bool(storage.get_study_user_attrs(storage.get_study_id_from_name(name)).get(STOP))


def read_books(study: Study, kind: str, epochs: int, but: int | None = None) -> Books:
    """What the trials of a search and of its confirmation have used.

    Args:
        study: The study of either.
        kind: What is counted.
        epochs: Length of a full trial.
        but: Number of a trial of `study` that does not count.
    """
    own = [t for t in study.get_trials(deepcopy=False, states=_BEGUN) if t.number != but]
    trials = own + _companions(study)
    ended = sum(_used(t, kind) for t in trials if t.state != TrialState.RUNNING)
    running = [t for t in trials if t.state == TrialState.RUNNING]
    reserved = {"trials": 1, "epochs": epochs, "seconds": 0}[kind]
    costs = [t.user_attrs.get("grant", reserved) if kind == "epochs" else reserved for t in running]
    return Books(ended, tuple((member_of(t), cost) for t, cost in zip(running, costs, strict=True)))


def member_of(trial: FrozenTrial) -> str | None:
    """Who runs a trial; None if it is not signed yet, or runs in a search that shares nothing."""
    member: str | None = trial.user_attrs.get("owner", {}).get("member")
    return member


def _companions(study: Study) -> list[FrozenTrial]:
    """The trials of the confirmation if `study` is the search's, and the other way round."""
    name, storage = study.study_name, study._storage
    other = name.removesuffix(CONFIRMATION) if name.endswith(CONFIRMATION) else name + CONFIRMATION
    try:
        return storage.get_all_trials(storage.get_study_id_from_name(other), deepcopy=False, states=_BEGUN)
    except KeyError:
        return []


def _used(trial: FrozenTrial, kind: str) -> int:
    if kind == "trials":
        return outcome_of(trial) in COUNTED
    return len(trial.user_attrs.get("log", {}).get("lr", ()) or trial.intermediate_values)
