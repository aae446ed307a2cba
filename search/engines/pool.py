"""Worker processes that can die: each stands alone, so that one which is killed takes no other with it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.util import Finalize
from queue import Empty
from typing import Any, Generic, TypeVar

import psutil
from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor

from ...errors import InputError

Result = TypeVar("Result")
Work = TypeVar("Work")

IDLE_S = 300
"""Seconds after which a process without work ends."""
_THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA", "NUMEXPR")
_SIGNS = re.compile(r"\{([^{}]*)\}")


class WorkerDied(Exception):
    """A worker process was killed or ended itself; the message says how, as far as known."""


class Worker(Generic[Work, Result]):
    """A worker process, started when it is first needed and replaced when it has died.

    joblib's own pools end all their processes when one dies; this is a pool of one.

    Args:
        jobs: How many there are: each gets its share of the threads.
        begin: What a process does first, with the process id of its parent.

    Attributes:
        item: What its work was started with; None while it has none.
        begun: ``time.monotonic()`` when its work was handed over.
        pid: Process id of the one that has, or had, the work.
    """

    def __init__(self, jobs: int, begin: Callable[[int], None]) -> None:
        self.jobs, self.begin = jobs, begin
        self.item: Work | None = None
        self.begun, self.pid = 0.0, 0
        self._pool: ProcessPoolExecutor | None = None
        self._future: Future[Result] | None = None

    @property
    def done(self) -> bool:
        """Whether its work has ended, or it has."""
        return self._future is not None and (self._future.done() or self._deserted)

    @property
    def _deserted(self) -> bool:
        """Whether loky's thread that watches the process has ended: its work would never be done."""
        watching = None if self._pool is None else self._pool._executor_manager_thread
        return watching is not None and not watching.is_alive()

    def start(self, work: Callable[[Work], Result], item: Work) -> None:
        """Hand it work."""
        self.item, self.begun = item, time.monotonic()
        if self._pool is None or self._deserted:
            self._pool = self._process()
        try:
            self._future = self._pool.submit(work, item)
        except BrokenProcessPool:  # it was killed while it had none
            self._pool = self._process()
            self._future = self._pool.submit(work, item)
        self.pid = next(iter(self._pool._processes), 0)

    def _process(self) -> ProcessPoolExecutor:
        share = str(max(1, cpu_count() // self.jobs))
        names = [f"{name}_NUM_THREADS" for name in _THREADS]
        env = {n: os.environ.get(n, share) for n in names}
        return ProcessPoolExecutor(1, timeout=IDLE_S, env=env, initializer=self.begin, initargs=(os.getpid(),))

    def wait(self, seconds: float) -> bool:
        """Wait for its work to end, for at most this many seconds; whether it has ended."""
        wait([self._future] if self._future is not None else [], timeout=seconds)
        return self.done

    def result(self) -> Result:
        """What its work returned; afterwards it is free.

        Raises:
            WorkerDied: It died; `start` begins a new one.
            InputError: It cannot load the work: code that can be imported here cannot be imported there.
        """
        assert self._future is not None
        try:
            if not self._future.done() and self._deserted:
                self._abandon()
                raise WorkerDied("what watched it has ended")
            return self._future.result()
        except BrokenProcessPool as error:
            self._pool = None
            if "un-serialize" in str(error):
                raise InputError(_unloadable(error)) from None
            signs = _SIGNS.search(str(error))
            raise WorkerDied(signs[1] if signs else "it ended without a word") from None
        finally:
            self.item = self._future = None

    def _abandon(self) -> None:
        """End the process of a pool that cannot be shut down any more."""
        pool, self._pool = self._pool, None
        for pid in list(pool._processes) if pool is not None else ():
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()

    def kill(self) -> None:
        """End the process and those it started, at once."""
        pool, self._pool = self._pool, None
        self.item = self._future = None
        if pool is not None:
            with suppress(Empty):  # loky's thread would look for work that it has just thrown away
                while True:
                    pool._work_ids.get_nowait()
            pool.shutdown(kill_workers=True)


def _unloadable(error: BrokenProcessPool) -> str:
    reason = str(error.__cause__).strip(' \n"').splitlines()[-1]  # of loky's quoted traceback
    return (
        f"a worker process cannot load the objective ({reason}): put it into a module that can be imported from the "
        "present folder, or run trials in this process, with --engine single."
    )


class WorkerPool(Generic[Work, Result]):
    """A fixed number of workers."""

    def __init__(self, jobs: int, begin: Callable[[int], None]) -> None:
        self.workers: list[Worker[Work, Result]] = [Worker(jobs, begin) for _ in range(jobs)]

    @property
    def busy(self) -> list[tuple[Worker[Work, Result], Work]]:
        """Those with work, and what it was started with."""
        return [(w, w.item) for w in self.workers if w.item is not None]

    @property
    def free(self) -> list[Worker[Work, Result]]:
        """Those without."""
        return [w for w in self.workers if w.item is None]

    def wait(self, seconds: float) -> list[tuple[Worker[Work, Result], Work]]:
        """Those whose work has ended; waits for the first of them, up to this many seconds."""
        futures: list[Future[Any]] = [w._future for w, _ in self.busy if w._future is not None]
        wait(futures, timeout=seconds, return_when="FIRST_COMPLETED")
        return [(w, item) for w, item in self.busy if w.done]


def worker_pool(jobs: int, begin: Callable[[int], None]) -> WorkerPool[Any, Any]:
    """The pool of that size: kept from one call to the next, since a process takes seconds to import torch."""
    if not _KEPT or len(_KEPT[0].workers) != jobs:
        dismiss()
        _KEPT.append(WorkerPool(jobs, begin))
        Finalize(None, dismiss, exitpriority=100)  # or a multiprocessing child waits for its idle workers as it ends
    return _KEPT[0]


def dismiss() -> None:
    """End the pool that was kept."""
    while _KEPT:
        for worker in _KEPT.pop().workers:
            worker.kill()


_KEPT: list[WorkerPool[Any, Any]] = []
