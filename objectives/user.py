"""The user's own training job: a generator, or a function that reports, loaded from a file or a module and checked."""

from __future__ import annotations

import inspect
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import ObjectiveError
from ..redaction import redact_words
from ..spaces import IN_EPOCHS, Counting, Schedule
from ..spaces.groups import as_optimizers, leading
from .current_run import as_current
from .loading import absolute, arguments_of, load_function
from .numbers import numbers_of
from .objective import Measurement
from .optimizer import TrainedOptimizer, range_name, unwrapped
from .reports import AfterTraining, Reports, TrialEnded
from .run import Run

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

_ORDER = r"Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`"
"""PyTorch's guess, wrong where a GradScaler skips the first step; `Run.check` counts instead."""
_WRITE = 'write "def objective(run): ...; yield {"train_loss": ..., "val_loss": ...}"'
_REPORT = "call run.report(epoch, val_loss=...) with numbers"
_NOTHING = object()


class UserObjective:
    """A user's function as an `Objective`: a generator that yields after every epoch, or one that calls `Run.report`.

    Args:
        spec: ``path/to/train.py:name``, ``package.module:name``, or the function itself.
        optimizer: ``"sgd"`` or ``"adamw"``: which default base_lr range suits the job; None to find out by running
            the job until it asks for its scheduler.
        epochs: Default horizon.
        device: Where to find out.
        arguments: What the script finds in ``sys.argv`` after its own name, as it is loaded and as it trains.
        counting: What its trainings are counted in; `epochs` are then their reports.

    Raises:
        ObjectiveError: The name is missing or is not a function of one argument.
    """

    start_loss: float | None = None

    def __init__(
        self,
        spec: str | Callable[..., Any],
        optimizer: str | None = None,
        epochs: int = 10,
        device: str = "cpu",
        arguments: Sequence[str] = (),
        counting: Counting = IN_EPOCHS,
    ) -> None:
        self.spec = spec if isinstance(spec, str) else None
        self.arguments = tuple(arguments)
        self._found_at = absolute(spec) if isinstance(spec, str) else None
        self._function = None if isinstance(spec, str) else spec
        self.name = spec.rpartition(":")[2] if isinstance(spec, str) else getattr(spec, "__name__", "objective")
        self.epochs, self.counting = epochs, counting
        self.steps_per_epoch: int | None = None
        self.trained_optimizer: TrainedOptimizer | None = None
        _check_function(self.function, self.name)
        self.optimizer = optimizer or self._find_optimizer(device)

    @property
    def function(self) -> Callable[[Run], Any]:
        """The user's function; loaded again in each process, since a file is not importable by name."""
        if self._function is None:
            assert self._found_at is not None
            self._function = load_function(self._found_at, self.arguments)
        return self._function

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self.spec is not None:
            state["_function"] = None
        return state

    @property
    def owns_loop(self) -> bool:
        """Whether it is a plain function, which reports what it trains, and no generator."""
        return not inspect.isgeneratorfunction(self.function)

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        """See `Objective.run`; a job that owns its loop has trained to the end before the first measurement.

        Raises:
            ObjectiveError: The user's code breaks the contract.
        """
        if self.owns_loop:
            kept: list[Measurement] = []

            def keep(measurement: Measurement) -> bool:
                kept.append(measurement)
                return True

            with suppress(AfterTraining):
                self.train(schedule, keep, epochs=epochs, seed=seed, device=device, test=test)
            yield from kept
            return
        run = Run(schedule, epochs, seed, device, test, self.counting)
        steps, clock = self.function(run), _Clock()
        try:
            for epoch in range(1, epochs + 1):
                with self._as_started(run):
                    metrics = next(steps, _NOTHING)
                if metrics is _NOTHING:
                    return
                yield self._measured(run, epoch, metrics, clock.lap())
                clock.lap()
        finally:
            steps.close()

    def train(
        self,
        schedule: Schedule,
        report: Callable[[Measurement], bool],
        *,
        epochs: int,
        seed: int,
        device: str,
        test: bool = False,
    ) -> None:
        """Let a job that owns its loop train until `report`, called after every epoch, says no; in this thread.

        Raises:
            AfterTraining: The job failed once it had reported every epoch.
        """
        run, clock = Run(schedule, epochs, seed, device, test, self.counting), _Clock()

        def tell(epoch: int, metrics: Mapping[str, Any]) -> bool:
            go_on = report(self._measured(run, epoch, metrics, clock.lap())) and epoch < epochs
            clock.lap()
            return go_on

        self._fit(run, Reports(self.name, tell, self.counting))

    def _fit(self, run: Run, reports: Reports) -> None:
        """Call the user's function; what went wrong in a report is raised here, even if the user's code caught it."""
        run.report_to(reports)
        try:
            with self._as_started(run):
                given = self.function(run)
        except TrialEnded:
            pass
        except (Exception, SystemExit) as error:
            if not reports.over:  # else it may be how the job ends where it is told to
                raise
            if reports.done == run.reports_due and not reports.failure and getattr(error, "code", True):
                raise AfterTraining from error
        else:
            if inspect.isgenerator(given):
                raise ObjectiveError(f"{self.name} returned a generator: write yield in the function itself.")
        if reports.failure:
            raise reports.failure

    def _measured(self, run: Run, epoch: int, metrics: Any, seconds: float) -> Measurement:
        """An epoch's measurement, once it is known that the job followed its schedule."""
        run.check(self.name, epoch)
        self.steps_per_epoch = None if run.steps_per_epoch is None else round(run.steps_per_epoch)
        self.trained_optimizer = run.optimizer
        remedy = _REPORT if self.owns_loop else _WRITE
        measurement = Measurement(epoch, numbers_of(metrics, self.name, remedy), run.lr_after(epoch), seconds)
        run.react(measurement.metrics)
        return measurement

    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`."""
        given = {"arguments": redact_words(self.arguments)} if self.arguments else {}
        return {"objective": self.spec or self.name, "optimizer": self.optimizer, **given}

    @contextmanager
    def _as_started(self, run: Run) -> Iterator[None]:
        """The user's code runs as if its script had been started alone."""
        with warnings.catch_warnings(), arguments_of(self._found_at, self.arguments), as_current(run):
            warnings.filterwarnings("ignore", message=_ORDER)
            yield

    def _find_optimizer(self, device: str) -> str:
        """Run the job until it asks for its scheduler; its optimizer's class name tells."""
        schedule = Schedule("constant", 1e-6, self.counting.at(self.epochs), unit=self.counting.unit)
        probe = _Probe(schedule, self.epochs, 0, device, counting=self.counting)
        with suppress(Exception, _Found):  # the check before the first trial says what is wrong
            if self.owns_loop:
                self._fit(probe, Reports(self.name, lambda epoch, metrics: probe.end(), self.counting))
            else:
                with closing(self.function(probe)) as steps, self._as_started(probe):
                    next(steps)
        return probe.kind


class _Clock:
    """Wall time from lap to lap."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self._last = self._last, time.perf_counter()
        return self._last - before


class _Found(BaseException):
    """Ends the job once its optimizer is known; passes through its ``except Exception``."""


class _Probe(Run):
    """A run that ends as soon as the job asks for its scheduler, or with its first epoch if another thread asks."""

    kind = "sgd"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._thread = threading.get_ident()

    def scheduler(
        self, optimizer: Optimizer | Sequence[Optimizer], steps_per_epoch: float | None = None
    ) -> LRScheduler:
        self.kind = range_name(type(unwrapped(leading(as_optimizers(optimizer)))).__name__)
        self.end()
        return super().scheduler(optimizer, steps_per_epoch)

    def end(self) -> bool:
        """End the job; in another thread, which nobody may be waiting for, it is only told not to go on."""
        if threading.get_ident() == self._thread:
            raise _Found
        return False


def _check_function(function: Any, name: str) -> None:
    if not callable(function):
        raise ObjectiveError(f"{name} is of type {type(function).__name__}, not a function: {_WRITE}.")
    try:
        signature = inspect.signature(function)
        signature.bind(None)
    except ValueError:  # of a function that was not written in Python
        return
    except TypeError:
        raise ObjectiveError(f"{name}{signature} must take one argument, the run: {_WRITE}.") from None
