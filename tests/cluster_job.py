"""Searches on one local cluster of two workers, in a process of its own.

``cluster_job.py ray|dask URL FOLDER RUN [+ RUN ...]``: the last line of standard output has the runs' exit codes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

from lrsearch.cli import main


@contextmanager
def dask() -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@contextmanager
def ray() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    backend, storage, out, *more = sys.argv[1:]
    runs = [list(words) for plus, words in groupby(more, lambda word: word == "+") if not plus]
    with {"ray": ray, "dask": dask}[backend]() as address:
        given = ["--backend", backend, "--address", address, "--storage", storage, "--out", out, "--epochs", "3"]
        codes = [main(["run", *words, *given]) for words in runs]
    print(*codes)
