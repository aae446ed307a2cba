"""Searches on a Ray or Dask cluster: joblib's backends start the workers, and this process leads but trains nothing."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from threading import Thread
from typing import Any

from joblib import Parallel, delayed, parallel_config
from optuna.study import Study

from ...errors import InputError, MissingPartError, StudyError, unknown
from ...objectives import TensorObjective
from ...spaces import Schedule
from ..engines.engine import Engine
from ..notes.study import StudyNotes
from ..plan import Plan
from ..progress import Progress, Silent
from ..results.search import SearchResult
from ..storage.members import POLL_S, Members
from ..storage.opening import open_storage
from ..storage.studies import note_study
from ..trial.settings import Terms
from .runner import OnEnd, Reserve
from .search import opened, search
from .session import Session

BACKENDS = ("ray", "dask")
_NEEDED = {"ray": ("ray", "ray.util.joblib"), "dask": ("dask", "distributed")}
"""The modules that each backend needs."""
TELL_AFTER_S = 60.0
"""When there has been no worker for this many seconds, a person is told."""
GIVE_UP_AFTER_S = 900.0
"""When there has been no worker for this many seconds, the search ends. A cluster may have to start machines."""
ENDED_AFTER_S = 10.0
"""When all workers have ended although work is left, and none comes for this many seconds, the search ends."""
LEAVE_WITHIN_S = 30.0
"""Seconds that workers get to end their trials and leave when the search ends."""

Start = Callable[[Callable[[], None]], Future[None]]
"""Starts all workers, each of which calls the function. The future is done when all workers have ended."""


@dataclass(frozen=True)
class Cluster:
    """Where the workers run.

    Attributes:
        backend: "ray" or "dask".
        address: As ``ray.init`` or ``distributed.Client`` takes it; None for what their environment variables say.
        workers: How many; 0 for one a GPU, or where there is none, a CPU (Ray) or a worker's process (Dask).
    """

    backend: str
    address: str | None = None
    workers: int = 0

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise unknown("backend", self.backend, BACKENDS)


def search_on(
    cluster: Cluster, plan: Plan, progress: Progress | None = None, begun: float | None = None
) -> SearchResult:
    """Run a search on a cluster's workers.

    Args:
        cluster: Where.
        plan: What to do; its storage is a database that the workers reach too.
        progress: Who to tell.
        begun: ``time.monotonic()`` from which a wall-clock budget counts; now by default.

    Raises:
        InputError: Wrong use.
        MissingPartError: Ray or Dask is not installed.
        StudyError: As `search`, or there are no workers left.
    """
    if not plan.storage or "://" not in plan.storage or plan.storage.startswith("sqlite"):
        raise InputError(f"--backend {cluster.backend} needs --storage URL of a database that all its machines reach.")
    if plan.trial_timeout:
        raise InputError(f"--trial-timeout is not available with --backend {cluster.backend}: use its own time limits.")
    if plan.engine == "processes":
        raise InputError(
            f"--engine processes is not available with --backend {cluster.backend}: --jobs are its workers."
        )
    begun, progress = begun or time.monotonic(), progress or Silent()
    with _connected(cluster, plan.device) as (workers, start), opened(plan, progress) as (plan, access):
        members = Members(access.storage, plan.study)
        runner = ClusterRunner(replace(cluster, workers=workers), start, members, progress.note)
        return Session(plan, access, members, runner, begun, progress).run()


class ClusterRunner:
    """Starts members on the cluster and checks that some are there. They run all trials; this process runs none.

    Args:
        cluster: Where.
        start: Starts as many members as `cluster` has workers; ends when they have all left.
        members: The members of the search, this process among them.
        note: Tells a person something in a line.
    """

    leads_only = True

    def __init__(self, cluster: Cluster, start: Start, members: Members, note: Callable[[str], None]) -> None:
        self._cluster, self._start, self._members, self._note = cluster, start, members, note
        self._seen_at, self._told = 0.0, False

    def prove(self, plan: Plan, schedule: Schedule, terms: Terms) -> None:
        """Nothing: each member tries the objective on its own machine."""

    def choose(self, plan: Plan, terms: Terms, trials: float, seconds: float) -> Engine:
        """The cluster."""
        workers = self._cluster.workers
        return Engine("cluster", workers, f"{workers} workers on the {self._cluster.backend.title()} cluster")

    @contextmanager
    def at_work(self, plan: Plan, study: Study) -> Iterator[None]:
        """See `Runner`. The members leave when the block ends, whether or not it raises."""
        self._seen_at, self._told = time.monotonic(), False
        note_study(study, StudyNotes(stop=False))
        self._ended = self._start(partial(_take_part, _for_members(plan)))
        try:
            yield
        except BaseException:
            note_study(study, StudyNotes(stop=True))
            raise
        finally:
            wait([self._ended], LEAVE_WITHIN_S)

    def run(self, study: Study, plan: Plan, terms: Terms, reserve: Reserve, on_end: OnEnd) -> None:
        """Wait a second, and check that there are members to run trials.

        Raises:
            StudyError: There are none, and none will come.
        """
        time.sleep(POLL_S)
        at_work, failures = self._members.later()
        if len(failures) >= self._cluster.workers:
            raise StudyError(f"every worker on the cluster failed; the last one: {failures[-1]}")
        if at_work:
            self._seen_at, self._told = time.monotonic(), False
        else:
            self._wait_on(time.monotonic() - self._seen_at)

    def _wait_on(self, seconds: float) -> None:
        """Go on waiting: there has been no member for this many seconds. Raises `StudyError` if none will come."""
        name = self._cluster.backend.title()
        if seconds > TELL_AFTER_S and not self._told:
            self._told = True
            self._note(f"Waiting for workers on the {name} cluster: none is there yet.")
        if seconds > ENDED_AFTER_S and self._ended.done():
            error = self._ended.exception() or "look at the cluster's logs"
            raise StudyError(f"the workers on the cluster have ended: {' '.join(str(error).split())[:400]}")
        if seconds > GIVE_UP_AFTER_S:
            raise StudyError(f"there has been no worker on the cluster for {GIVE_UP_AFTER_S:g} s: look at its logs.")


def _for_members(plan: Plan) -> Plan:
    """The plan of a worker. It starts no processes of its own: the cluster has given it the resources of one."""
    engine = plan.engine
    if engine == "auto":
        engine = "lanes" if isinstance(plan.objective, TensorObjective) else "single"
    return replace(plan, joins=True, engine=engine, jobs=0, context={})


def _take_part(plan: Plan) -> None:
    """What a worker on the cluster does; if it cannot take part, it tells the other members why."""
    try:
        search(plan)
    except KeyboardInterrupt:  # the process that leads has told it to stop
        pass
    except Exception as error:
        Members(open_storage(plan.where), plan.study).fail(f"{type(error).__name__}: {error}")


@contextmanager
def _connected(cluster: Cluster, device: str) -> Iterator[tuple[int, Start]]:
    """The cluster, as the number of workers and the function that starts them."""
    try:
        for module in _NEEDED[cluster.backend]:
            import_module(module)
    except ImportError:
        raise MissingPartError(
            f"--backend {cluster.backend} needs pip install lrsearch[{cluster.backend}], here and on the cluster."
        ) from None
    connect = {"ray": _ray, "dask": _dask}[cluster.backend]
    with connect(cluster.address, device) as (slots, options):
        workers = cluster.workers or slots

        def train(member: Callable[[], None], ended: Future[None]) -> None:
            try:
                with parallel_config(backend=cluster.backend, **options):
                    Parallel(workers, pre_dispatch="all", batch_size=1)(delayed(member)() for _ in range(workers))
            except Exception as error:
                ended.set_exception(error)
            else:
                ended.set_result(None)

        def start(member: Callable[[], None]) -> Future[None]:
            ended: Future[None] = Future()
            Thread(target=train, args=(member, ended), daemon=True, name="lrsearch cluster").start()
            return ended

        yield workers, start


@contextmanager
def _ray(address: str | None, device: str) -> Iterator[tuple[int, dict[str, Any]]]:
    import ray
    from ray.util.joblib import register_ray

    try:
        if address and ":" in address:
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray itself tries for minutes
        ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        raise _unreachable("Ray", "RAY_ADDRESS", address, error) from None
    try:
        register_ray()
        resources = ray.cluster_resources()
        gpus = 0 if device.startswith("cpu") else int(resources.get("GPU", 0))
        yield gpus or int(resources.get("CPU", 1)), {"ray_remote_args": {"num_gpus": 1} if gpus else {"num_cpus": 1}}
    finally:
        ray.shutdown()


@contextmanager
def _dask(address: str | None, device: str) -> Iterator[tuple[int, dict[str, Any]]]:
    import dask
    from distributed import Client

    try:
        if not (address or dask.config.get("scheduler-address", None)):
            raise OSError("no address")
        client = Client(address)
    except Exception as error:
        raise _unreachable("Dask", "DASK_SCHEDULER_ADDRESS", address, error) from None
    with client:
        yield max(1, len(client.scheduler_info()["workers"])), {}


def _unreachable(name: str, variable: str, address: str | None, error: Exception) -> InputError:
    where = f"at {address}" if address else f"without --address or ${variable}"
    return InputError(f"there is no {name} cluster {where} ({' '.join(str(error).split())[:200]}).")
