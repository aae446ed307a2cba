"""Training jobs that go wrong in the second baseline, which falls linearly, after its first epoch, and only there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from lrsearch.objectives import Run

Job = Callable[[Run], Iterator[Any]]


def strikes(fault: Job) -> Job:
    """The job with the fault in it."""

    def job(run: Run) -> Iterator[Any]:
        for epoch in range(run.epochs):
            if run.schedule.family == "linear" and epoch:
                yield from fault(run)
                return
            yield (run.schedule.base_lr - 0.1) ** 2 + 1 / (epoch + 1)

    job.__name__ = fault.__name__
    return job


@strikes
def raises(run: Run) -> Iterator[Any]:
    yield 1 // 0


@strikes
def exits(run: Run) -> Iterator[Any]:
    yield sys.exit(3)


@strikes
def memory(run: Run) -> Iterator[Any]:
    raise MemoryError("no room for 99 GiB")
    yield


@strikes
def cuda_memory(run: Run) -> Iterator[Any]:
    raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    yield


@strikes
def text(run: Run) -> Iterator[Any]:
    yield "0.3"


@strikes
def nothing(run: Run) -> Iterator[Any]:
    yield {}


@strikes
def nan(run: Run) -> Iterator[Any]:
    yield float("nan")


@strikes
def short(run: Run) -> Iterator[Any]:
    yield 0.5


@strikes
def long(run: Run) -> Iterator[Any]:
    yield from [0.5] * 99


@strikes
def stubborn(run: Run) -> Iterator[Any]:
    try:
        yield float("inf")
    finally:
        raise OSError("cannot clean up")


@strikes
def forks(run: Run) -> Iterator[Any]:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    yield 0.7
    yield 0.6


@strikes
def prints(run: Run) -> Iterator[Any]:
    print("{}" * 1000, flush=True)
    os.write(1, b"straight to the file\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    yield 0.7
    yield 0.6


@strikes
def dies(run: Run) -> Iterator[Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield


@strikes
def leaves(run: Run) -> Iterator[Any]:
    os._exit(7)
    yield


@strikes
def hangs(run: Run) -> Iterator[Any]:
    time.sleep(600)
    yield


def never_starts(run: Run) -> Iterator[Any]:
    time.sleep(600)
    yield


def pushed(job: Job) -> Callable[[Run], None]:
    """The same job as a plain function, which reports."""

    def push(run: Run) -> None:
        with closing(job(run)) as epochs:  # type: ignore[type-var]
            for epoch, reported in enumerate(epochs):
                if not run.report(epoch, **(reported if isinstance(reported, dict) else {"val_loss": reported})):
                    return

    push.__name__ = job.__name__
    return push


def __getattr__(name: str) -> Callable[[Run], None]:
    """``push_x`` is the job x in that form."""
    if not name.startswith("push_"):
        raise AttributeError(name)
    return pushed(globals()[name.removeprefix("push_")])


_KEPT: list[bytes] = []


def keep(megabytes: int) -> int:
    """Take memory for as long as this process lives; its process id."""
    _KEPT.append(b"x" * (megabytes * 2**20))
    time.sleep(1.1)  # loky looks once a second
    return os.getpid()
