"""Searches on real Ray and Dask clusters of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from lrsearch.cli import main
from lrsearch.errors import InputError, MissingPartError, StudyError
from lrsearch.search import Cluster, Plan, SearchResult, Silent, load_result, open_storage, search_on
from lrsearch.search.session import cluster as clusters
from lrsearch.search.session.search import opened
from lrsearch.search.session.session import Session
from lrsearch.search.storage.members import Members

pytestmark = pytest.mark.slow

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
    script = Path(__file__).parents[2] / "cluster_job.py"
    own = {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}  # or uv makes one for each worker if it runs the tests
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1", **own}
    command = [sys.executable, "-W", "ignore", str(script), backend, url, str(out), *more]
    return subprocess.run(command, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=900)


def loaded(url: str, study: str) -> SearchResult:
    return load_result(open_storage(url), study)


@pytest.mark.parametrize("backend", BACKENDS)
def test_digits_is_searched_on_a_cluster_and_what_fails_on_every_worker_is_told(
    backend: str, postgres_url: str, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(FAILS)
    fails = [] if backend == "ray" else ["+", f"{tmp_path}/train.py:objective", "--budget", "4"]
    done = on_cluster(backend, postgres_url, tmp_path, "digits", "--budget", "12", "--jobs", "2", *fails)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ("0 1" if fails else "0"), done.stderr
    assert f"Training trials on the cluster's workers (2 workers on the {backend.title()} cluster" in done.stderr
    result = loaded(postgres_url, "digits")
    assert sum(t.counted for t in (*result.trials, *result.confirming)) == 12
    assert "secret" not in done.stderr + done.stdout
    assert {p.name for p in (tmp_path / "digits").iterdir()} >= {"report.html", "best.json", "best.py"}
    assert "Traceback" not in done.stderr
    if fails:
        assert "every worker on the cluster failed" in done.stderr
        assert "no such data on this machine" in done.stderr


def failed() -> Future[None]:
    future: Future[None] = Future()
    future.set_exception(RuntimeError("tasks need 4 GPUs,\nthere are none"))
    return future


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (failed, "workers on the cluster have ended: tasks need 4 GPUs, there are none"),
        (Future, "there has been no worker on the cluster for 4 s"),
    ],
)
def test_a_cluster_that_gives_no_workers_is_told(
    members: Callable[[], Future[None]], message: str, make_plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {
        "ENDED_AFTER_S": 1.5,
        "TELL_AFTER_S": 0.5,
        "GIVE_UP_AFTER_S": 4,
        "LEAVE_WITHIN_S": 0.1,
    }.items():
        monkeypatch.setattr(clusters, name, seconds)
    plan, progress, notes = make_plan("4"), Silent(), list[str]()
    monkeypatch.setattr(progress, "note", notes.append)
    plan = replace(plan, storage=f"sqlite:///{plan.out}/shared.db")
    with opened(plan, progress) as (plan, access):
        group = Members(access.storage, plan.study)
        runner = clusters.ClusterRunner(Cluster("ray", workers=1), lambda _: members(), group, progress.note)
        session = Session(plan, access, group, runner, time.time(), progress)
        with pytest.raises(StudyError, match=message):
            session.run()
    assert notes[-1] == "Waiting for workers on the Ray cluster: none is there yet."


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--backend", "dask"], "needs --storage URL of a database that all its machines reach"),
        (["--backend", "ray", "--storage", "sqlite:///x.db"], "needs --storage URL"),
        (
            ["--backend", "ray", "--storage", "postgresql://x", "--trial-timeout", "5m"],
            "is not available with --backend",
        ),
        (["--backend", "dask", "--storage", "postgresql://x", "--engine", "processes"], "--jobs are its workers"),
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


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_that_is_not_installed_is_named_with_its_install_line(
    backend: str, make_plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, BACKENDS[backend], None)  # as if it were not there
    plan = make_plan("4", storage="postgresql://nobody@localhost/none")
    with pytest.raises(MissingPartError, match=rf"--backend {backend} needs pip install lrsearch\[{backend}\]"):
        search_on(Cluster(backend, "localhost:1"), plan)
    assert not plan.folder.exists(), "nothing is left behind"
