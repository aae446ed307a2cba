"""A real PostgreSQL server for a test or a benchmark, from the system's own package."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BINARIES = Path("/usr/lib/postgresql")  # Debian's place; elsewhere they are on the PATH
_SERVER_USER = "postgres"  # the server refuses to run as root


class NoPostgres(Exception):
    """There is no PostgreSQL here; the message says what is missing."""


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[str]:
    """Start a server in a temporary folder, on a Unix socket; yields Optuna's URL of its empty database.

    Args:
        durable: Whether commits wait for the disk, as they do in production.

    Raises:
        NoPostgres: The binaries or an unprivileged user are missing.
    """
    binaries, as_user = _binaries(), _as_user()
    folder = Path(tempfile.mkdtemp(prefix="lrsearch-pg-"))  # not pytest's folder: a socket's path has 107 bytes
    if as_user:
        shutil.chown(folder, _SERVER_USER)
    pg_ctl = [*as_user, str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-s", "-w"]
    options = f"-k {folder} -c listen_addresses='' -c max_connections=200 -c fsync={'on' if durable else 'off'}"
    try:
        _call([*pg_ctl, "-o", "-A trust -U lrsearch", "initdb"], folder)
        _call([*pg_ctl, "-o", options, "-l", str(folder / "log"), "start"], folder)
        try:
            yield f"postgresql+psycopg://lrsearch:secret@/postgres?host={folder}"
        finally:
            _call([*pg_ctl, "-m", "immediate", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server for all tests; skips where there is none."""
    pytest.importorskip("psycopg")
    try:
        with postgres() as url:
            yield url
    except NoPostgres as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Optuna's URL of a fresh database; skips where there is no PostgreSQL."""
    import psycopg

    name = f"lrsearch_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    return postgres_server.replace("/postgres?", f"/{name}?")


def _binaries() -> Path:
    installed = sorted(_BINARIES.glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("pg_ctl")
    if not installed and not on_path:
        raise NoPostgres("PostgreSQL is not installed (apt-get install postgresql)")
    return installed[-1].parent if installed else Path(str(on_path)).parent


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    runuser = shutil.which("runuser")
    if runuser is None or not _user_exists():
        raise NoPostgres(f"PostgreSQL does not run as root, and there is no user {_SERVER_USER!r} to run it")
    return [runuser, "-u", _SERVER_USER, "--"]


def _user_exists() -> bool:
    import pwd

    return any(entry.pw_name == _SERVER_USER for entry in pwd.getpwall())


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"{command[-1]} of PostgreSQL failed: {done.stderr.strip()}")
