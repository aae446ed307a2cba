"""A search's storage, opened to work on it: locked, put right after kills, its failures in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from .journal import mend
from .leases import GRACE_S, await_workers, recover
from .opening import failures, open_storage
from .run_folder import only_one, run_folder


@dataclass(frozen=True)
class Access:
    """A storage to work on.

    Attributes:
        storage: Optuna's storage.
        grace: Seconds for which a trial that nobody has signed is left alone; 0 where no other process can sign it.
        recovered: How many trials were running whose process is dead; all but those killed too often are queued again.
    """

    storage: BaseStorage
    grace: float
    recovered: int


@contextmanager
def open_access(
    where: str, folder: Path, studies: Sequence[str], note: Callable[[str], None], *, shared: bool
) -> Iterator[Access]:
    """Open a search's storage; no other session of it can use the run folder meanwhile.

    Args:
        where: A URL, or the journal's path.
        folder: The run folder; see `run_folder`.
        studies: Names of the studies to be worked on, those that exist: what dead processes left there is recovered.
        note: Tells a person something in a line.
        shared: Whether other processes may work on the storage, too.

    Raises:
        InputError: The folder cannot be written.
        StudyError: Another session uses the folder, or the storage fails, now or while it is used.
    """
    with run_folder(folder), only_one(folder), _only_one_of_its_links(where, folder), failures(where):
        if cut := mend(where):
            note(cut)
        storage = open_storage(where)
        if not shared:
            await_workers(storage)
        grace = GRACE_S if shared else 0.0
        yield Access(storage, grace, sum(_recovered(storage, name, grace, alone=not shared) for name in studies))


def _only_one_of_its_links(where: str, folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of the folder, too, that a journal lies in to which the run folder only has a link."""
    place = Path(os.path.realpath(where)).parent
    if "://" in where or not os.path.islink(where) or place == folder.resolve():
        return nullcontext()
    return only_one(place)


def _recovered(storage: BaseStorage, name: str, grace: float, *, alone: bool) -> int:
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return 0
    return len(recover(study, grace, alone=alone))
