"""A real MariaDB server for a test, from the system's own package: what it refuses, MySQL refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mariadb() -> Iterator[str]:
    """Start a server in a temporary folder, on a Unix socket; yields Optuna's URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="lrsearch-my-"))  # not pytest's folder: a socket's path has 107 bytes
    folder.chmod(0o755)
    user = "mysql" if os.geteuid() == 0 else ""
    if user:
        shutil.chown(folder, user)
    data, socket = folder / "data", folder / "socket"
    common = ["--no-defaults", f"--datadir={data}", *([f"--user={user}"] if user else [])]
    install = [str(shutil.which("mariadb-install-db")), *common, "--auth-root-authentication-method=normal"]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    options = [f"--socket={socket}", "--skip-networking", f"--pid-file={folder}/pid"]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen([str(shutil.which("mariadbd")), *common, *options], stdout=log, stderr=log)
    try:
        _made(socket)
        yield f"mysql+pymysql://root@localhost/lrsearch?unix_socket={socket}"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _made(socket: Path) -> None:
    """Wait for the server, and make the database."""
    import pymysql

    for attempt in range(300):
        try:
            with pymysql.connect(user="root", unix_socket=str(socket)) as connection:
                connection.cursor().execute("CREATE DATABASE lrsearch")
            return
        except pymysql.err.OperationalError:
            if attempt == 299:
                raise
            time.sleep(0.1)


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """Optuna's URL of an empty database; skips where there is no MariaDB."""
    pytest.importorskip("pymysql")
    if not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
        pytest.skip("MariaDB is not installed (apt-get install mariadb-server)")
    with mariadb() as url:
        yield url
