"""optuna-dashboard on a run: what we add to the study, and the server."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.simple_server import make_server as make_wsgi_server

from ...errors import InputError
from ...search import DashboardNotes, FolderStore, SearchResult, TrialRecord, failures, open_storage
from ...search.storage.opening import reason
from ...search.storage.studies import CONFIRMATION
from ...spaces import Counting
from .guard import App, guarded
from .texts import confirmation_note, lr_and_loss, noted, study_note, trial_csv, trial_note, trial_svg

ARTIFACTS = "artifacts"
PLOT = "lr-and-loss"
PORTS = 20
"""How many ports are tried, from the one asked for on."""


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
    study = DashboardNotes(where, result.name)
    best = noted(result)
    ranks = {t.number: rank for rank, t in enumerate(result.ranking, 1)}
    notes = [trial_note(result, record, ranks[record.number]) for record in best]
    summary, figure = study_note(result), lr_and_loss(result)
    state = hashlib.sha256(json.dumps([summary, notes, figure]).encode()).hexdigest()
    if study.state == state:
        return False
    for record, text in zip(best, notes, strict=True):
        study.note(text, record.number)
    study.note(summary)
    if result.confirmation is not None:
        DashboardNotes(where, result.name + CONFIRMATION).note(confirmation_note(result))
    if result.folder is not None:
        _add_files(study, result, best, FolderStore(Path(result.folder) / ARTIFACTS))
    if figure is not None:
        study.plot(_drawn(figure), PLOT)
    study.finish(state)
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
        StudyError: The storage cannot be opened or written.
    """
    print("Preparing the notes for the dashboard ...", file=sys.stderr, flush=True)
    with failures(where):
        prepare(result, where)
    with make_server(where, result.folder, host, port) as server, errors_in_lines(where):
        taken = "" if port in (server.server_port, 0) else f" (port {port} is taken)"
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
    app = _app(open_storage(where), None if folder is None else Path(folder) / ARTIFACTS, host)
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
    """The URL of our note on a study, from which its other pages can be reached."""
    host = str(server.server_address[0])
    shown = "127.0.0.1" if host == "0.0.0.0" else host
    return f"http://{shown}:{server.server_port}{DashboardNotes(where, name).page}"


@contextmanager
def errors_in_lines(where: str) -> Iterator[None]:
    """Tell of requests that fail, as when a database is away, in a line each, and once for one reason.

    optuna-dashboard logs tracebacks, and its pages ask again every few seconds.

    Args:
        where: The storage: a URL or a journal's path.
    """
    told = set[str]()

    def one_line(record: logging.LogRecord) -> bool:
        said = reason(error, where) if (error := sys.exc_info()[1]) else record.getMessage().partition("\n")[0]
        fresh = said not in told
        told.add(said)
        record.msg, record.args = f"lrsearch: the dashboard could not answer a request: {said}", ()
        return fresh

    log = logging.getLogger("optuna_dashboard._bottle_util")
    log.addFilter(one_line)
    try:
        yield
    finally:
        log.removeFilter(one_line)


class Server(ThreadingMixIn, WSGIServer):
    """A thread per request, so that a slow page does not hold up the others."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line each."""


def _ports(port: int) -> range:
    return range(port, port + 1) if port == 0 else range(port, min(port + PORTS, 65536))


def _app(storage: Any, artifacts: Path | None, host: str) -> App:
    from optuna_dashboard import wsgi

    app: App = wsgi(storage) if artifacts is None else wsgi(storage, artifact_store=FolderStore(artifacts))
    return guarded(app, host)


def _drawn(figure: dict[str, Any]) -> Any:
    import plotly.graph_objects as go

    drawn = go.Figure(figure)
    drawn.layout.template = None
    return drawn


def _add_files(study: DashboardNotes, result: SearchResult, records: Sequence[TrialRecord], store: FolderStore) -> None:
    """Write the trials' curves into the artifact folder; a trial's files keep their names, so they are replaced."""
    for record in records:
        for title, mimetype, text in _files(record, result.counting):
            name = f"{result.name}/{record.number}/{title}".encode("utf-8", "backslashreplace").decode()
            key = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
            store.write(key, BytesIO(text.encode("utf-8", "backslashreplace")))
            study.file(record.number, key, title, mimetype)


def _files(record: TrialRecord, counting: Counting) -> Iterator[tuple[str, str, str]]:
    """Names, types and contents."""
    yield f"trial_{record.number}_lr_and_loss.svg", "image/svg+xml", trial_svg(record, counting)
    yield f"trial_{record.number}_{counting.units}.csv", "text/csv", trial_csv(record, counting)
