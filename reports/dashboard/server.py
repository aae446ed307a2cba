"""optuna-dashboard on a run: what we add to the study, and the server.

Everything added is a system attribute of the study or a file in the run folder's ``artifacts``: no trial is changed,
so it is safe while a search is running. Optuna refuses artifacts for trials that have ended; the dashboard also finds
them under the study, which is where it keeps those uploaded in the browser.
"""

from __future__ import annotations

import errno
import hashlib
import json
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.simple_server import make_server as make_wsgi_server

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import Trial

from ...errors import InputError
from ...search import SearchResult, TrialRecord, open_storage
from .texts import lr_and_loss, noted, study_note, trial_csv, trial_note, trial_svg

ARTIFACTS = "artifacts"
PLOT = "lr-and-loss"
KEPT = "*Written by lrsearch. Text below this line is yours and is kept.*"
PORTS = 20
"""How many ports are tried, from the one asked for on."""
_STATE = "lrsearch:dashboard"


def prepare(result: SearchResult, where: str) -> bool:
    """Add notes, the lr and loss figure and the best trials' curves to a study.

    Args:
        result: The search as it stands.
        where: Its storage: a URL or a journal's path.

    Returns:
        Whether anything was written; nothing is if the study has not changed since the last time.

    Raises:
        StudyError: The storage cannot be opened.
    """
    storage = open_storage(where)
    study = optuna.load_study(study_name=result.name, storage=storage)
    best = noted(result)
    ranks = {t.number: rank for rank, t in enumerate(result.ranking, 1)}
    notes = [trial_note(result, record, ranks[record.number]) for record in best]
    summary, figure = study_note(result), lr_and_loss(result)
    state = hashlib.sha256(json.dumps([summary, notes, figure]).encode()).hexdigest()
    if storage.get_study_system_attrs(study._study_id).get(_STATE) == state:
        return False
    for record, text in zip(best, notes, strict=True):
        _note(Trial(study, _trial_id(study, record)), text)
    _note(study, summary)
    if result.folder is not None:
        _add_files(study, best, Path(result.folder) / ARTIFACTS)
    if figure is not None:
        _plot(study, figure)
    storage.set_study_system_attr(study._study_id, _STATE, state)
    return True


def serve(result: SearchResult, where: str, *, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Open a run in optuna-dashboard until Ctrl-C, at the next free port if `port` is taken.

    Args:
        result: The search as it stands; the dashboard follows it while it runs.
        where: Its storage: a URL or a journal's path.
        host: Address to listen on.
        port: First port to try.

    Raises:
        InputError: No port is free, or the address cannot be used.
        StudyError: The storage cannot be opened.
    """
    prepare(result, where)
    with make_server(where, result.folder, host, port) as server:
        taken = "" if server.server_port in (port, 0) else f" (port {port} is taken)"
        print(
            f"Dashboard: {address(server, where, result.name)}{taken}; stop it with Ctrl-C.",
            file=sys.stderr,
            flush=True,
        )
        if host not in ("127.0.0.1", "localhost", "::1"):
            print("Everybody who reaches this address can change and delete studies.", file=sys.stderr, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def make_server(where: str, folder: str | Path | None, host: str = "127.0.0.1", port: int = 8080) -> Server:
    """A dashboard that listens but does not serve yet, at the first free port from `port` on; 0 takes any.

    Raises:
        InputError: No port is free, or the address cannot be used.
        StudyError: The storage cannot be opened.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port must be between 0 and 65535, got {port}.")
    app = _app(open_storage(where), None if folder is None else Path(folder) / ARTIFACTS)
    for candidate in _ports(port):
        try:
            return make_wsgi_server(host, candidate, app, server_class=Server, handler_class=_Quiet)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InputError(
                    f"the dashboard cannot listen on {host}:{candidate} ({error.strerror or error}): "
                    "choose another --port, above 1023, or another --host."
                ) from None
    raise InputError(f"the ports {port} to {_ports(port)[-1]} on {host} are all taken: choose another --port.")


def address(server: WSGIServer, where: str, name: str) -> str:
    """The URL of a study's page."""
    host = str(server.server_address[0])
    study = open_storage(where).get_study_id_from_name(name)
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{server.server_port}/dashboard/studies/{study}"


class Server(ThreadingMixIn, WSGIServer):
    """A thread per request, so that a slow page does not hold up the others."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line each."""


def _ports(port: int) -> range:
    return range(port, port + 1) if port == 0 else range(port, min(port + PORTS, 65536))


def _app(storage: BaseStorage, artifacts: Path | None) -> Any:
    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import wsgi

    if artifacts is None:
        return wsgi(storage)
    artifacts.mkdir(parents=True, exist_ok=True)
    return wsgi(storage, artifact_store=FileSystemArtifactStore(artifacts))


def _note(target: Study | Trial, text: str) -> None:
    """Save our note above what the user has written below it."""
    from optuna_dashboard import get_note, save_note

    before = str(get_note(target))
    ours, mark, theirs = before.partition(KEPT)
    after = f"{text}\n\n{KEPT}{theirs if mark else _below(ours)}"
    if after != before:
        save_note(target, after)


def _below(text: str) -> str:
    return f"\n\n{text}" if text else ""


def _plot(study: Study, figure: dict[str, Any]) -> None:
    """Replace our figure; the storage keeps old versions, so this is done only when it has changed."""
    import plotly.graph_objects as go
    from optuna_dashboard import save_plotly_graph_object

    drawn = go.Figure(figure)
    drawn.layout.template = None
    save_plotly_graph_object(study, drawn, graph_object_id=PLOT)


def _add_files(study: Study, records: Sequence[TrialRecord], folder: Path) -> None:
    """Write the trials' curves into the artifact folder; a trial's files keep their names, so they are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    storage = study._storage
    for record in records:
        trial = _trial_id(study, record)
        for name, mimetype, text in _files(record):
            key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{study.study_name}/{record.number}/{name}"))
            (folder / key).write_text(text, encoding="utf-8")
            facts = {"artifact_id": key, "filename": name, "mimetype": mimetype, "encoding": None}
            storage.set_study_system_attr(study._study_id, f"dashboard:artifacts:{trial}:{key}", json.dumps(facts))


def _files(record: TrialRecord) -> Iterator[tuple[str, str, str]]:
    """Names, types and contents."""
    yield f"trial_{record.number}_lr_and_loss.svg", "image/svg+xml", trial_svg(record)
    yield f"trial_{record.number}_epochs.csv", "text/csv", trial_csv(record)


def _trial_id(study: Study, record: TrialRecord) -> int:
    trials = study.get_trials(deepcopy=False)
    return next(t._trial_id for t in trials if t.number == record.number)
