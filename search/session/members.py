"""The processes that share a search through its storage: who they are, who leads, and when all is done.

Every member is a running trial, under a lease, in a study of its own. The one with the lowest number leads: once the
search is over, it says what is to be confirmed. When it dies its lease ends, and the next one goes on.
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

from ..budget.shared import CLOSED, member_of
from ..storage.ending import end
from ..storage.leases import let_go, reap, take
from ..storage.studies import TEAM

POLL = 1.0
"""Seconds between looks at what the others do."""


class Team:
    """This process's place among those that share a search; a context manager, which joins and leaves.

    Args:
        storage: Where the search lies.
        name: The search's name.

    Attributes:
        member: This process's name among them.
    """

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self.member = uuid.uuid4().hex
        self._members = _members_of(storage, name)
        self._leader: int | None = None

    def __enter__(self) -> Team:
        self._trial = take(self._members, self.member)
        return self

    def __exit__(self, *error: object) -> None:
        end(self._members, self._trial, "withdrawn", "left")
        let_go(self._members, self._trial)

    def leads(self) -> bool:
        """Whether this process is to lead."""
        if self._trial.number not in (running := _at_work(self._members)):  # its lease ran out: a laptop's sleep
            self._trial = take(self._members, self.member)
            running = _at_work(self._members)
        self._leader = min(running)
        return self._leader == self._trial.number

    def finish(self) -> None:
        """Tell the others, as their leader, that all is done."""
        end(self._members, self._trial, "complete", value=0.0)

    @property
    def finished(self) -> bool:
        """Whether the leader that was seen last has said so."""
        if self._leader is None:
            return False
        return self._members.get_trials(deepcopy=False)[self._leader].state == TrialState.COMPLETE

    def others(self) -> tuple[int, list[str]]:
        """How many other members there are, and why those failed that did since this one joined."""
        reap(self._members)
        later = [t for t in self._members.get_trials(deepcopy=False) if t.number > self._trial.number]
        failed = [t.user_attrs["reason"] for t in later if t.user_attrs.get("outcome") == "failed"]
        return sum(t.state == TrialState.RUNNING for t in later), failed

    def fail(self, reason: str) -> None:
        """Tell the others why this process cannot help."""
        end(self._members, take(self._members), "failed", reason)

    def busy_elsewhere(self, study: Study) -> bool:
        """Whether others run trials of a study; those whose process has died are queued again."""
        reap(study)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return any(member_of(t) != self.member for t in running)

    def close(self, study: Study) -> None:
        """End the search: no more of its trials are begun, and those under way are waited for."""
        study.set_user_attr(CLOSED, True)
        while self.busy_elsewhere(study):
            time.sleep(POLL)


def members_at_work(storage: BaseStorage, name: str) -> int:
    """How many processes work on the search of that name."""
    return len(_at_work(_members_of(storage, name)))


def _members_of(storage: BaseStorage, name: str) -> Study:
    return optuna.create_study(
        storage=storage, study_name=name + TEAM, sampler=RandomSampler(), pruner=NopPruner(), load_if_exists=True
    )


def _at_work(members: Study) -> list[int]:
    """The numbers of the members that live."""
    reap(members)
    return [t.number for t in members.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]
