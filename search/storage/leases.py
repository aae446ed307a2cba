"""Who runs a trial and whether that process lives; what becomes of the trials of dead ones.

Every running trial carries its owner. On the owner's machine its process can be looked up; elsewhere its lease counts,
which the owner renews. Several processes may reap at once: ending a trial succeeds for one of them alone.
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
from .ending import end, end_interrupted, first_of_its_kind, queue_lost
from .owners import owner_of, this_process
from .seen import older, seen_for
from .trial_notes import AnyTrial, note_trial, store_notes

LEASE = 120.0
"""Seconds for which a trial of another machine is left alone after its owner's last sign of life."""
SKEW = 3600.0
"""Seconds by which the clocks of two machines may differ. A lease that has run out by less is watched before it is
taken: one that its owner still renews changes."""
RENEW = 30.0
"""Seconds between an owner's signs of life."""
GRACE = 10.0
"""Seconds for which a trial without an owner is left alone: asking for a trial and signing it takes milliseconds."""
ORPHANED = 10.0
"""Seconds that the workers of a session which was killed get to end: they see it within a second."""
MAX_CRASHES = 3
"""A trial whose process was killed so many times has failed."""


def take(study: Study, member: str | None = None) -> Trial:
    """Ask for a trial, sign it, for a member of a shared search if there is one, and renew its lease until `let_go`."""
    while True:
        trial = study.ask()
        _HEART.add(study, trial._trial_id)  # before it is signed: other threads may be looking for dead owners
        lease, taken = time.time() + LEASE, time.monotonic()
        signed = Signature(**asdict(this_process()), taken=taken, lease=lease, member=member)
        try:
            note_trial(trial, TrialNotes(owner=signed.to_attrs()))
            if first_of_its_kind(study, trial):
                return trial
            end(study, trial, "withdrawn", "another process had queued it again, too")
        except UpdateFinishedTrialError:  # reaped before it was signed
            pass
        let_go(study, trial)


def let_go(study: Study, trial: AnyTrial) -> None:
    """Renew a trial's lease no more."""
    _HEART.drop(study, trial._trial_id)


@contextmanager
def lease(study: Study, trial: AnyTrial) -> Iterator[None]:
    """Hold the lease of a trial that was taken; it is renewed no more afterwards."""
    try:
        yield
    finally:
        let_go(study, trial)


def lost(study: Study, trial: FrozenTrial, grace: float = GRACE, *, alone: bool = False) -> bool:
    """Whether nobody runs a running trial any more; `alone` where nobody on another machine can."""
    owner = owner_of(trial)
    if owner is None:
        return older(("unsigned", study._study_id, trial._trial_id), trial.datetime_start, grace)
    alive = owner.alive()
    if alive is None:
        return alone or _run_out(study, trial)
    if alive and owner == this_process():
        return not _HEART.holds(study, trial._trial_id)
    return not alive


def _run_out(study: Study, trial: FrozenTrial) -> bool:
    """Whether a lease has run out by any clock, or stayed the same under our eyes for its whole length."""
    notes = TrialNotes.read(trial.user_attrs)
    lease = notes.lease or (notes.signature.lease if notes.signature else 0.0)
    unchanged = seen_for(("lease", study._study_id, trial._trial_id), lease)
    return time.time() - lease > SKEW or unchanged > LEASE


def reap(study: Study, grace: float = GRACE, *, alone: bool = False) -> list[int]:
    """End the running trials whose owner is dead, and queue them again; returns their numbers.

    A trial that was lost too often has failed. Safe to call from several processes at once.

    Args:
        study: The study to look at.
        grace: Seconds for which trials without an owner, and interrupted ones not yet queued again, are left alone.
        alone: Whether no process on another machine, or in another container, can run its trials.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    ended = [t.number for t in running if lost(study, t, grace, alone=alone) and bury(study, t)]
    queue_lost(study, grace)
    return ended


def await_orphans(storage: BaseStorage) -> None:
    """Wait until no process but this one runs a trial in a storage that nobody else uses, `ORPHANED` seconds at most.

    The workers of a session that was killed may still end their trials, which then count.
    """
    patience = time.monotonic() + ORPHANED
    while time.monotonic() < patience and any(
        _orphaned(trial)
        for study in storage.get_all_studies()
        for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.RUNNING,))
    ):
        time.sleep(0.05)


def _orphaned(trial: FrozenTrial) -> bool:
    """Whether another process runs a trial, or has just asked for it."""
    owner, started = owner_of(trial), trial.datetime_start
    if owner is None:
        return started is not None and 0 <= time.time() - started.timestamp() < 1
    return owner != this_process() and owner.alive() is True


def clear_unsigned(study: Study, grace: float = GRACE) -> None:
    """End the trials whose owners died before they signed them; waits until it is certain, `grace` seconds at most."""
    while unsigned := [
        t for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if owner_of(t) is None
    ]:
        for trial in unsigned:
            if lost(study, trial, grace):
                bury(study, trial)
        time.sleep(min(grace, 0.2))


def bury(study: Study, trial: FrozenTrial, why: str = "its process was killed") -> bool:
    """End a trial whose owner died; whether it was this call that ended it."""
    if owner_of(trial) is None:
        return end_interrupted(study, trial, "its process was killed before it began")
    crashes = (TrialNotes.read(trial.user_attrs).crashes or 0) + 1
    if crashes >= MAX_CRASHES:
        return end(study, trial, "failed", f"{why} {crashes} times (out of memory, perhaps)")
    return end_interrupted(study, trial, why, TrialNotes(crashes=crashes))


def held_trials() -> list[tuple[Study, FrozenTrial]]:
    """The trials that this process runs, with their studies."""
    return [(study, study._storage.get_trial(trial)) for study, trial in _HEART.held()]


class _Heart:
    """A thread that renews the leases of this process's trials, however long their epochs are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[int, int], Study] = {}
        self._beating = 0

    def add(self, study: Study, trial: int) -> None:
        with self._lock:
            self._held[study._study_id, trial] = study
            if self._beating != os.getpid():  # a forked child has no thread
                self._beating = os.getpid()
                threading.Thread(target=self._beat, daemon=True, name="lrsearch leases").start()

    def drop(self, study: Study, trial: int) -> None:
        with self._lock:
            self._held.pop((study._study_id, trial), None)

    def holds(self, study: Study, trial: int) -> bool:
        with self._lock:
            return (study._study_id, trial) in self._held

    def held(self) -> list[tuple[Study, int]]:
        with self._lock:
            return [(study, trial) for (_, trial), study in self._held.items()]

    def _beat(self) -> None:
        while True:
            time.sleep(RENEW)
            for study, trial in self.held():
                with suppress(Exception):  # it has just ended, or the storage is away for a while
                    store_notes(study, trial, TrialNotes(lease=time.time() + LEASE))


_HEART = _Heart()
