"""`Members`: the processes that share a search through its storage; which of them leads, and when all is done.

Each member is a running trial in a second study, and holds a lease like every running trial. The member with the lowest
number leads. When the search is over, the leader decides what is confirmed. If the leader dies, its trial is abandoned,
and the member with the next number leads.
"""

from __future__ import annotations

import time
import uuid

import optuna
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState

from ..notes.study import StudyNotes
from ..notes.trial import TrialNotes
from .ending import end
from .leases import lease, recover, take
from .owners import member_of
from .studies import TEAM, note_study

POLL_S = 1.0
"""Seconds between two readings of what other processes do."""


class Alone:
    """Stands for the members of a search that only one process works on; that process leads."""

    finished = False

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to do."""

    def at_work(self) -> int:
        """0: there are no members."""
        return 0

    def leads(self) -> bool:
        """True."""
        return True

    def finish(self) -> None:
        """Note that all is done."""
        self.finished = True

    def busy_elsewhere(self, study: Study) -> bool:
        """False: there is no other process."""
        return False

    def reopen(self, study: Study, *, more: bool) -> None:
        """Nothing to do."""

    def close(self, study: Study) -> None:
        """Nothing to do."""


class Members:
    """The members of a search, this process among them.

    As a context manager, it joins them at the beginning of the block and leaves them at the end.

    Args:
        storage: Where the search lies.
        name: The search's name.

    Attributes:
        member: This process's name among the members.
    """

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self.member = uuid.uuid4().hex
        self._members = optuna.create_study(
            storage=storage, study_name=name + TEAM, sampler=RandomSampler(), pruner=NopPruner(), load_if_exists=True
        )
        self._leader: int | None = None

    def __enter__(self) -> Members:
        self._trial = take(self._members, self.member)
        return self

    def __exit__(self, *error: object) -> None:
        with lease(self._members, self._trial):
            end(self._members, self._trial, "withdrawn", "left")

    def at_work(self) -> int:
        """How many members take part now, without those whose process is dead."""
        return len(self._at_work())

    def leads(self) -> bool:
        """Whether this process leads now."""
        at_work = self._at_work()
        if self._trial.number not in at_work:  # its lease has run out, as when a laptop sleeps: join again
            self._trial = take(self._members, self.member)
            at_work = self._at_work()
        self._leader = min(at_work)
        return self._leader == self._trial.number

    def finish(self) -> None:
        """As the leader, tell the other members that all is done."""
        end(self._members, self._trial, "complete", value=0.0)

    @property
    def finished(self) -> bool:
        """Whether the leader, as `leads` last found it, has told the others that all is done."""
        if self._leader is None:
            return False
        return self._members.get_trials(deepcopy=False)[self._leader].state == TrialState.COMPLETE

    def later(self) -> tuple[int, list[str]]:
        """How many members that joined after this one take part, and the reasons of those that failed."""
        recover(self._members)
        later = [t for t in self._members.get_trials(deepcopy=False) if t.number > self._trial.number]
        ended = [TrialNotes.read(t.user_attrs) for t in later]
        return sum(t.state == TrialState.RUNNING for t in later), [n.reason for n in ended if n.outcome == "failed"]

    def fail(self, reason: str) -> None:
        """Tell the other members why this process cannot take part."""
        trial = take(self._members)
        with lease(self._members, trial):
            end(self._members, trial, "failed", reason)

    def busy_elsewhere(self, study: Study) -> bool:
        """Whether other members run trials of a study; abandoned trials are recovered first."""
        recover(study)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return any(member_of(t) != self.member for t in running)

    def reopen(self, study: Study, *, more: bool) -> None:
        """Let members begin trials again. If there is `more` budget, the search is no longer closed either."""
        note_study(study, StudyNotes(stop=False))
        if self.leads() and more:
            note_study(study, StudyNotes(closed=False))

    def close(self, study: Study) -> None:
        """Close the search, so that none of its trials begins any more, and wait for those under way."""
        note_study(study, StudyNotes(closed=True))
        while self.busy_elsewhere(study):
            time.sleep(POLL_S)

    def _at_work(self) -> list[int]:
        """The numbers of the members that take part, after recovering those whose process is dead."""
        recover(self._members)
        return [t.number for t in self._members.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]
