"""Leases: how a process shows that it still runs its trials, and what happens to the trials of a process that died.

Every running trial is signed by its owner, the process that runs it. On the owner's machine, the process can be looked
up. From another machine only the lease can be seen: the owner renews it every `RENEW_S` seconds as long as it lives.
A running trial whose owner is dead is abandoned. To recover it is to end it and to queue it again. Several processes
may try that at once; it succeeds for one of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from ..notes.trial import Signature, TrialNotes
from .ending import end, end_interrupted, first_of_its_kind, queue_interrupted
from .owners import owner_of, this_process
from .stopwatch import Moment, older, seen_for
from .trial_notes import AnyTrial, note_trial, store_notes

LEASE_S = 120.0
"""Length of a lease: an owner on another machine counts as alive for this many seconds after a renewal."""
SKEW_S = 3600.0
"""Seconds by which the clocks of two machines may differ. A lease that seems to have run out by less than this is
watched for its whole length first. If it changes meanwhile, its owner is alive."""
RENEW_S = 30.0
"""Seconds between two renewals of a lease."""
GRACE_S = 10.0
"""Seconds for which a trial without a signature is left alone. Asking for a trial and signing it takes milliseconds."""
WORKERS_END_WITHIN_S = 10.0
"""Seconds that the workers of a killed session get to end. They notice within a second that their parent is gone."""
MAX_CRASHES = 3
"""A trial fails when this many processes that ran it have died."""


def take(study: Study, member: str | None = None) -> Trial:
    """Ask for a trial, sign it, and renew its lease until `let_go`.

    Args:
        study: The study to ask.
        member: This process's name among those that share the search, if several may.
    """
    while True:
        trial = study.ask()
        lease, taken = time.time() + LEASE_S, time.monotonic()
        _HEART.add(study, trial._trial_id, taken)  # before it is signed, since other threads recover trials, too
        signed = Signature(**asdict(this_process()), taken=taken, lease=lease, member=member)
        try:
            note_trial(trial, TrialNotes(owner=signed.to_attrs()))
            if first_of_its_kind(study, trial):
                return trial
            end(study, trial, "withdrawn", "another process had queued it again, too")
        except UpdateFinishedTrialError:  # another process recovered it before it was signed
            pass
        except BaseException:  # the storage fails: nobody runs it
            let_go(study, trial)
            raise
        let_go(study, trial)


def let_go(study: Study, trial: AnyTrial) -> None:
    """Stop renewing a trial's lease."""
    _HEART.drop(study, trial._trial_id)


@contextmanager
def lease(study: Study, trial: AnyTrial) -> Iterator[None]:
    """Renew the lease of a trial that was taken, until the block ends."""
    try:
        yield
    finally:
        let_go(study, trial)


def abandoned(study: Study, trial: FrozenTrial, read: Moment, grace: float = GRACE_S, *, alone: bool = False) -> bool:
    """Whether the process that ran a running trial was dead when the trial was read.

    Args:
        study: The trial's study.
        trial: The trial.
        read: The moment before it was read.
        grace: Seconds after which a trial without a signature counts as abandoned.
        alone: Whether no other process can run trials of this study.
    """
    owner = owner_of(trial)
    if owner is None:
        return older(("unsigned", study._study_id, trial._trial_id), trial.datetime_start, grace, read)
    if owner == this_process():
        return not _HEART.holds(study, trial)
    if alone:  # whoever runs it does so in another copy of the run folder
        return True
    alive = owner.alive()
    return _run_out(study, trial, read) if alive is None else not alive


def _run_out(study: Study, trial: FrozenTrial, read: Moment) -> bool:
    """Whether a lease had run out so long ago that the clocks do not matter, or did not change while we watched it."""
    notes = TrialNotes.read(trial.user_attrs)
    lease = notes.lease or (notes.signature.lease if notes.signature else 0.0)
    taken = notes.signature.taken if notes.signature else 0.0
    unchanged = seen_for(("lease", study._study_id, trial._trial_id, taken), lease, read)
    return read.time - lease > SKEW_S or unchanged > LEASE_S


def recover(study: Study, grace: float = GRACE_S, *, alone: bool = False) -> list[int]:
    """End the abandoned trials of a study and queue them again; returns their numbers.

    A trial fails instead of being queued again when its process has died `MAX_CRASHES` times. Several processes may
    call this at once.

    Args:
        study: The study.
        grace: Seconds for which two kinds of trials are left alone: those without a signature, and interrupted ones
            that have not been queued again.
        alone: Whether no other process can run trials of this study: this one holds the run folder's lock, and has
            waited for the workers of a killed session.
    """
    read = Moment.now()
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    ended = [t.number for t in running if abandoned(study, t, read, grace, alone=alone) and end_abandoned(study, t)]
    queue_interrupted(study, grace)
    return ended


def await_workers(storage: BaseStorage) -> None:
    """Wait until the workers of a killed session have ended, for at most `WORKERS_END_WITHIN_S` seconds.

    Such workers may still finish their trials, and those trials count. So a session that has its storage to itself
    waits for them before it reads what is spent.
    """
    patience = time.monotonic() + WORKERS_END_WITHIN_S
    while time.monotonic() < patience and any(
        _runs_elsewhere(trial)
        for study in storage.get_all_studies()
        for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.RUNNING,))
    ):
        time.sleep(0.05)


def _runs_elsewhere(trial: FrozenTrial) -> bool:
    """Whether another living process runs a trial, or has asked for it within the last second."""
    owner, started = owner_of(trial), trial.datetime_start
    if owner is None:
        return started is not None and 0 <= time.time() - started.timestamp() < 1
    return owner != this_process() and owner.alive() is True


def clear_unsigned(study: Study, grace: float = GRACE_S) -> None:
    """End trials that were never signed; waits for up to `grace` seconds, since a living process may sign them."""

    def unsigned() -> list[FrozenTrial]:
        return [t for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if owner_of(t) is None]

    read = Moment.now()
    while trials := unsigned():
        for trial in trials:
            if abandoned(study, trial, read, grace):
                end_abandoned(study, trial)
        time.sleep(min(grace, 0.2))
        read = Moment.now()


def end_abandoned(study: Study, trial: FrozenTrial, why: str = "its process was killed") -> bool:
    """End an abandoned trial and queue it again; whether this call ended it."""
    owner = owner_of(trial)
    if owner is None:
        return end_interrupted(study, trial, "its process was killed before it began")
    if owner == this_process():
        return end_interrupted(study, trial, "its storage failed")
    crashes = (TrialNotes.read(trial.user_attrs).crashes or 0) + 1
    if crashes >= MAX_CRASHES:
        return end(study, trial, "failed", f"{why} {crashes} times (out of memory, perhaps)")
    return end_interrupted(study, trial, why, TrialNotes(crashes=crashes))


def held_trials() -> list[tuple[Study, FrozenTrial]]:
    """The trials that this process runs, with their studies."""
    return [(study, study._storage.get_trial(trial)) for study, trial in _HEART.held()]


class _Heart:
    """A thread that renews the leases of this process's trials: an epoch may take longer than a lease.

    Two storages may give out the same ids. So a trial is known by its ids and by when it was taken, which is in its
    signature, and let go of in the storage that it was taken from.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[int, int, float], Study] = {}
        self._beating = 0

    def add(self, study: Study, trial: int, taken: float) -> None:
        with self._lock:
            self._held[study._study_id, trial, taken] = study
            self._begin_beating()

    def drop(self, study: Study, trial: int) -> None:
        with self._lock:
            ids, storage = (study._study_id, trial), study._storage
            self._held = {k: s for k, s in self._held.items() if k[:2] != ids or s._storage is not storage}

    def holds(self, study: Study, trial: FrozenTrial) -> bool:
        signature = TrialNotes.read(trial.user_attrs).signature
        with self._lock:
            return signature is not None and (study._study_id, trial._trial_id, signature.taken) in self._held

    def held(self) -> list[tuple[Study, int]]:
        with self._lock:
            return [(study, trial) for (_, trial, _), study in self._held.items()]

    def renew(self) -> None:
        """Renew all leases."""
        for study, trial in self.held():
            with suppress(Exception):  # it has just ended, or the storage is away for a while
                store_notes(study, trial, TrialNotes(lease=time.time() + LEASE_S))

    def _begin_beating(self) -> None:
        if self._beating != os.getpid():  # a forked child has no thread
            self._beating = os.getpid()
            threading.Thread(target=self._beat, daemon=True, name="lrsearch leases").start()

    def _beat(self) -> None:
        while True:
            time.sleep(RENEW_S)
            self.renew()


_HEART = _Heart()
