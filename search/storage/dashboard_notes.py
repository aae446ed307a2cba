"""What optuna-dashboard shows of ours beside a study: notes, a plot, and files of trials.

Everything is a system attribute of the study or a file in the run folder's ``artifacts``: no trial is changed, so it is
safe while a search is running. Optuna refuses artifacts for trials that have ended; the dashboard also finds them under
the study, which is where it keeps those uploaded in the browser.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import optuna
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import Trial

from ...errors import StudyError
from .opening import open_storage

KEPT = "*Written by lrsearch. Text below this line is yours and is kept.*"
_STATE = "lrsearch:dashboard"


class DashboardNotes:
    """The notes of one study.

    Args:
        where: Its storage: a URL or a journal's path.
        name: The study's name.

    Raises:
        StudyError: The storage cannot be opened.
    """

    def __init__(self, where: str, name: str) -> None:
        self._storage = open_storage(where)
        self._study = optuna.load_study(study_name=name, storage=self._storage)
        self._ids = {t.number: t._trial_id for t in self._study.get_trials(deepcopy=False)}

    @property
    def page(self) -> str:
        """The path of the study's page of notes."""
        return f"/dashboard/studies/{self._study._study_id}/note"

    @property
    def state(self) -> str | None:
        """What `finish` was told last; None before."""
        noted: str | None = self._storage.get_study_system_attrs(self._study._study_id).get(_STATE)
        return noted

    def finish(self, state: str) -> None:
        """Remember that everything is written, in this state."""
        self._storage.set_study_system_attr(self._study._study_id, _STATE, state)

    def note(self, text: str, trial: int | None = None) -> None:
        """Save our note on the study, or on a trial, above what people have written below it."""
        from optuna_dashboard import get_note, save_note

        target = self._study if trial is None else Trial(self._study, self._ids[trial])
        before = str(get_note(target))
        ours, mark, theirs = before.partition(KEPT)
        below = theirs if mark else f"\n\n{ours}" if ours else ""
        after = f"{text}\n\n{KEPT}{below}"
        if after != before:
            save_note(target, after)

    def plot(self, figure: Any, name: str) -> None:
        """Replace a Plotly figure; the storage keeps old versions, so do this only when it has changed."""
        from optuna_dashboard import save_plotly_graph_object

        save_plotly_graph_object(self._study, figure, graph_object_id=name)

    def file(self, trial: int, key: str, name: str, mimetype: str) -> None:
        """Tell the dashboard of a file of a trial that lies in the `FolderStore` under `key`."""
        facts = {"artifact_id": key, "filename": name, "mimetype": mimetype, "encoding": None}
        attribute = f"dashboard:artifacts:{self._ids[trial]}:{key}"
        self._storage.set_study_system_attr(self._study._study_id, attribute, json.dumps(facts))


class FolderStore:
    """Files in a folder, as an Optuna artifact store that follows no link.

    A run folder may come from somebody else, who could have put links to other files into it.

    Args:
        folder: The folder, made if it is not there.

    Raises:
        StudyError: The folder is a link, or cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if folder.is_symlink():
            raise StudyError(f"{str(folder)!r} is a link to another folder: remove it, and open the dashboard again.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"the folder {str(folder)!r} cannot be made ({error.strerror}).") from None

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The file's content; raises Optuna's `ArtifactNotFound` for what is not a file of the folder itself."""
        try:
            return os.fdopen(os.open(self._path(artifact_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except (OSError, ValueError):
            raise ArtifactNotFound(f"no artifact {artifact_id!r}") from None

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write a fresh file, which takes the place of whatever has that name."""
        path = self._path(artifact_id)
        fresh, name = tempfile.mkstemp(dir=self._folder, prefix=".artifact-")
        try:
            with os.fdopen(fresh, "wb") as file:
                shutil.copyfileobj(content_body, file)
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise

    def remove(self, artifact_id: str) -> None:
        """Remove a file of the folder, or a link itself."""
        try:
            os.unlink(self._path(artifact_id))
        except FileNotFoundError:
            raise ArtifactNotFound(f"no artifact {artifact_id!r}") from None

    def _path(self, artifact_id: str) -> Path:
        if not artifact_id or Path(artifact_id).name != artifact_id:
            raise ValueError(f"an artifact's id is a plain file name, got {artifact_id!r}.")
        return self._folder / artifact_id
