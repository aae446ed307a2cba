"""A run's folder: finding it, reading its search, writing what comes of it."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, StudyError
from .options import STORAGE
from .search import JOURNAL, Plan, SearchResult, damage, failures, folder_name, load_result, open_storage, whereabouts

if TYPE_CHECKING:
    from os import PathLike

_log = logging.getLogger(__name__)


def _drawn(result: SearchResult) -> str:
    from .reports.notebook import result_html

    return result_html(result)


SearchResult.drawn = _drawn


def load(path: str | PathLike[str], study: str | None = None, storage: str | None = None) -> Any:
    """Read a search again: a `SearchResult` from a run folder or a journal, a `TrialRecord` from ``best.json``.

    Args:
        path: A run folder, a ``journal.log``, a ``best.json``, or a study's name under ``runs/``.
        study: The study's name where a storage holds several.
        storage: An Optuna URL; by default where the run folder says, or $LRSEARCH_STORAGE if there is no such folder.

    Raises:
        InputError: There is no such run.
        StudyError: The storage cannot be read.
    """
    from .reports.export import read_best

    where = Path(path)
    if where.suffix == ".json":
        return read_best(where)
    folder = _folder(path)
    if stored := elsewhere(path, storage):
        noted = whereabouts(folder)
        name = noted.study if noted and noted.matches(stored) else where.name
        with failures(stored):
            return load_result(open_storage(stored), study or name, str(folder) if os.path.isdir(folder) else None)
    journal = Path(locate(path))
    if cut := damage(str(journal)):
        _log.warning("%s", cut)
    return load_result(open_storage(str(journal)), study, str(journal.parent))


def locate(path: str | PathLike[str], storage: str | None = None) -> str:
    """Where a run's study is stored: the URL given, where its folder says, its journal, or $LRSEARCH_STORAGE.

    Raises:
        InputError: There is no such run, or a password is needed.
    """
    if storage is not None:
        return storage
    folder, fallback = _folder(path), os.environ.get(STORAGE)
    if noted := whereabouts(folder):
        if noted.complete:
            return noted.storage
        if fallback and noted.matches(fallback):
            return fallback
        raise InputError(f"the study of {str(folder)!r} lies in {noted.storage}: give that URL in ${STORAGE}.")
    journal = folder if os.path.isfile(folder) else folder / JOURNAL
    if fallback and not os.path.isfile(journal):
        return fallback
    if not os.path.isfile(journal):  # unlike Path.is_file, false for a name that is too long
        beside = "" if Path(path).name == JOURNAL else f" (looked for {str(_meant(path, journal))!r})"
        raise InputError(
            f"there is no run at {str(path)!r}{beside}: give a run folder, "
            "or --storage URL with the study's name; lrsearch runs lists those here."
        )
    return str(journal)


def _meant(path: str | PathLike[str], journal: Path) -> Path:
    """The journal that a person will have meant by a path; else by a study's name."""
    return Path(path) / JOURNAL if os.path.dirname(path) else journal


def elsewhere(path: str | PathLike[str], storage: str | None) -> str | None:
    """Where a run's study is stored if that is not its folder's own journal; see `locate`."""
    where = locate(path, storage)
    return where if storage is not None or "://" in where or whereabouts(_folder(path)) else None


def _folder(path: str | PathLike[str]) -> Path:
    """The run folder that a path or a study's name means, whether or not it is there."""
    return Path(path) if os.path.exists(path) else Path("runs") / folder_name(str(path))


def write_outputs(result: SearchResult) -> None:
    """Write into the run folder the report and, if a trial is complete, code, JSON and the space to search next.

    Raises:
        StudyError: The disk is full, or the folder cannot be written; older files are as they were.
    """
    from .reports.export import write_best
    from .reports.export.wider_space import write_wider_space

    assert result.folder is not None
    folder = Path(result.folder)
    try:
        _write_report(result, folder / "report.html")
        if result.ranking:
            write_best(result, folder)
            write_wider_space(result)
    except OSError as error:
        raise StudyError(
            f"the run folder {str(folder)!r} cannot be written ({error.strerror}): every trial is kept; "
            f"once that is mended: lrsearch report {folder}"
        ) from None


def write_report(result: SearchResult, path: Path) -> Path:
    """Write the HTML report, with the winner's code in it; raises `InputError` if it cannot be written there."""
    try:
        return _write_report(result, path)
    except OSError as error:
        raise InputError(
            f"the report {str(path)!r} cannot be written ({error.strerror}): choose another place with --output."
        ) from None


def _write_report(result: SearchResult, path: Path) -> Path:
    from .reports.export import export
    from .reports.page import page

    code = export(result.best, result, "torch") if result.ranking else ""
    return page.write_report(result, path, code=code)


def write_what_there_is(plan: Plan) -> SearchResult | None:
    """Write the outputs of a search that was stopped, as far as that can be done; returns it with any trial."""
    result = None
    with suppress(StudyError, OSError):  # what stopped the search may stop this as well
        result = load_result(open_storage(plan.where), plan.study, str(plan.folder))
        if result.trials:
            write_outputs(result)
    return result if result and result.trials else None
