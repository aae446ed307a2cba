"""Searches on real Ray and Dask clusters of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lrsearch.cli import main
from lrsearch.errors import InputError
from lrsearch.search import Cluster, SearchResult, load_result, open_storage

BACKENDS = {"ray": "ray", "dask": "distributed"}
FAILS = """
def objective(run):
    import os
    if "SUBMITTER" not in os.environ:
        raise RuntimeError("no such data on this machine")
    yield 1.0
"""


def on_cluster(backend: str, url: str, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip(BACKENDS[backend])
    script = Path(__file__).with_name("cluster_job.py")
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(script), backend, url, str(out), *more]
    return subprocess.run(command, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=300)


def loaded(url: str, study: str) -> SearchResult:
    return load_result(open_storage(url), study)


@pytest.mark.parametrize("backend", BACKENDS)
def test_digits_is_searched_on_a_cluster(backend: str, postgres_url: str, tmp_path: Path) -> None:
    done = on_cluster(backend, postgres_url, tmp_path, "digits", "--budget", "12", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert f"Engine cluster: 2 workers on the {backend.title()} cluster" in done.stderr
    result = loaded(postgres_url, "digits")
    assert sum(t.counted for t in (*result.trials, *result.confirming)) == 12
    assert "secret" not in done.stderr + done.stdout
    assert {p.name for p in (tmp_path / "digits").iterdir()} >= {"report.html", "best.json", "best.py"}


def test_what_fails_on_every_worker_is_told(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(FAILS)
    done = on_cluster("dask", postgres_url, tmp_path, f"{tmp_path}/train.py:objective", "--budget", "4")
    assert done.returncode == 1
    assert "every worker on the cluster failed" in done.stderr
    assert "no such data on this machine" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--backend", "dask"], "needs --storage URL of a database that all its machines reach"),
        (["--backend", "ray", "--storage", "sqlite:///x.db"], "needs --storage URL"),
        (["--backend", "ray", "--storage", "postgresql://x", "--trial-timeout", "5m"], "cannot be had with --backend"),
        (["--address", "tcp://127.0.0.1:1"], "needs a backend"),
    ],
)
def test_wrong_use_is_told(more: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", "--budget", "1", "--out", str(tmp_path), *more]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_backend_is_told() -> None:
    with pytest.raises(InputError, match="unknown backend 'spark'"):
        Cluster("spark")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_a_ray_cluster_that_is_not_there_is_told(
    address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    given = ["--backend", "ray", "--address", address, "--storage", url, "--out", str(tmp_path)]
    assert main(["run", "--budget", "1", *given]) == 2
    assert f"there is no Ray cluster at {address}" in capsys.readouterr().err
