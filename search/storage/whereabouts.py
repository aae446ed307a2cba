"""Where the study of a run folder lies if that is not its own journal: a note in the folder, without passwords."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from .passwords import HIDDEN, redact
from .run_folder import unwritable

WHEREABOUTS = "storage.json"
_SQLITE = "sqlite:///"


class Whereabouts(NamedTuple):
    """A study's storage, as a URL without its password, and its name there."""

    storage: str
    study: str

    @property
    def complete(self) -> bool:
        """Whether the URL can be used as it is."""
        return HIDDEN not in self.storage

    def matches(self, url: str) -> bool:
        """Whether this is that URL, passwords apart."""
        return redact(_anywhere(url)) == self.storage


def note_whereabouts(folder: Path, storage: str | None, study: str) -> None:
    """Note in a run folder where its study lies; None is for its own journal.

    Raises:
        InputError: The folder cannot be written.
    """
    try:
        if storage is None:
            (folder / WHEREABOUTS).unlink(missing_ok=True)
            return
        here = Whereabouts(redact(_anywhere(storage)), study)
        (folder / WHEREABOUTS).write_text(json.dumps(here._asdict(), indent=1), encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from None


def whereabouts(folder: Path) -> Whereabouts | None:
    """What `note_whereabouts` noted there."""
    try:
        noted = json.loads((folder / WHEREABOUTS).read_text(encoding="utf-8"))
        return Whereabouts(str(noted["storage"]), str(noted["study"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _anywhere(url: str) -> str:
    """The URL with the path of a file made absolute, so that it holds in other folders, too."""
    if "://" not in url:
        return os.path.abspath(url)
    path = url.removeprefix(_SQLITE)
    return _SQLITE + os.path.abspath(path) if url.startswith(_SQLITE) and path[:1] not in ("", "/", ":", "?") else url
