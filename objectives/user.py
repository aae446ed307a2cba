"""The user's own training job: a generator function, loaded from a file or a module and checked as it runs."""

from __future__ import annotations

import inspect
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ObjectiveError
from ..spaces import Schedule
from .loading import absolute, arguments_of, load_function
from .objective import Measurement, Run
from .optimizer import TrainedOptimizer, range_name

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

_ORDER = r"Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`"
"""PyTorch's guess, wrong where a GradScaler skips the first step; `Run.check` counts instead."""
_WRITE = 'write "def objective(run): ...; yield {"train_loss": ..., "val_loss": ...}"'


class UserObjective:
    """A user's generator function as an `Objective`.

    Args:
        spec: ``path/to/train.py:name``, ``package.module:name``, or the function itself.
        optimizer: ``"sgd"`` or ``"adamw"``: which default base_lr range suits the job; None to find out by running
            the job until it asks for its scheduler.
        epochs: Default horizon.
        device: Where to find out.
        arguments: What the script finds in ``sys.argv`` after its own name, as it is loaded and as it trains.

    Raises:
        ObjectiveError: The name is missing or is not a generator function of one argument.
    """

    start_loss: float | None = None

    def __init__(
        self,
        spec: str | Callable[..., Any],
        optimizer: str | None = None,
        epochs: int = 10,
        device: str = "cpu",
        arguments: Sequence[str] = (),
    ) -> None:
        self.spec = spec if isinstance(spec, str) else None
        self.arguments = tuple(arguments)
        self._found_at = absolute(spec) if isinstance(spec, str) else None
        self._function = None if isinstance(spec, str) else spec
        self.name = spec.rpartition(":")[2] if isinstance(spec, str) else getattr(spec, "__name__", "objective")
        self.epochs = epochs
        self.steps_per_epoch: int | None = None
        self.trained_optimizer: TrainedOptimizer | None = None
        _check_generator(self.function, self.name)
        self.optimizer = optimizer or self._find_optimizer(device)

    @property
    def function(self) -> Callable[[Run], Iterator[Any]]:
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

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        """See `Objective.run`; raises `ObjectiveError` where the user's code breaks the contract."""
        run = Run(schedule, epochs, seed, device, test)
        steps = self.function(run)
        lrs: Any = None
        try:
            for epoch in range(1, epochs + 1):
                start = time.perf_counter()
                try:
                    found = self._next(steps)
                except StopIteration:
                    return
                run.check(self.name, epoch)
                self.steps_per_epoch = None if run.steps_per_epoch is None else round(run.steps_per_epoch)
                self.trained_optimizer = run.optimizer
                metrics = _metrics(found, self.name)
                n = run.steps_per_epoch or 1
                if lrs is None:
                    lrs = schedule.curve(n, epochs)
                yield Measurement(epoch, metrics, float(lrs[round(epoch * n) - 1]), time.perf_counter() - start)
        finally:
            steps.close()  # type: ignore[attr-defined]

    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`."""
        given = {"arguments": list(self.arguments)} if self.arguments else {}
        return {"objective": self.spec or self.name, "optimizer": self.optimizer, **given}

    def _next(self, steps: Iterator[Any]) -> Any:
        """What the job yields next; its script finds its own arguments."""
        with warnings.catch_warnings(), arguments_of(self._found_at, self.arguments):
            warnings.filterwarnings("ignore", message=_ORDER)
            return next(steps)

    def _find_optimizer(self, device: str) -> str:
        """Run the job until it asks for its scheduler; its optimizer's class name tells."""
        probe = _Probe(Schedule("constant", 1e-6, self.epochs), self.epochs, 0, device)
        steps = self.function(probe)
        try:
            self._next(steps)
        except (Exception, _Found):  # the check before the first trial says what is wrong
            pass
        finally:
            steps.close()  # type: ignore[attr-defined]
        return probe.kind


class _Found(BaseException):
    """Ends the job once its optimizer is known; passes through its ``except Exception``."""


class _Probe(Run):
    """A run that ends as soon as the job asks for its scheduler, or with its first epoch if another thread asks."""

    kind = "sgd"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._thread = threading.get_ident()

    def scheduler(self, optimizer: Optimizer, steps_per_epoch: float) -> LRScheduler:
        self.kind = range_name(type(optimizer).__name__)
        if threading.get_ident() == self._thread:
            raise _Found
        return super().scheduler(optimizer, steps_per_epoch)


def _check_generator(function: Any, name: str) -> None:
    if not inspect.isgeneratorfunction(function):
        what = "a plain function" if inspect.isfunction(function) else f"a {type(function).__name__}"
        raise ObjectiveError(f"{name} is {what}, not a generator: yield the losses after every epoch; {_WRITE}.")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise ObjectiveError(
            f"{name}{inspect.signature(function)} must take one argument, the run: {_WRITE}."
        ) from None


def _metrics(found: Any, name: str) -> dict[str, float]:
    """A yielded number counts as val_loss; a mapping must hold numbers (or one-element tensors) by name."""
    pairs = found if isinstance(found, Mapping) else {"val_loss": found}
    metrics: dict[str, float] = {}
    for key, value in pairs.items():
        try:
            if isinstance(value, (str, bytes)):
                raise TypeError
            metrics[str(key)] = float(value.detach() if hasattr(value, "detach") else value)
        except (TypeError, ValueError):
            raise ObjectiveError(f"{name} yielded {value!r} as {key}, which is not a number: {_WRITE}.") from None
    if not metrics:
        raise ObjectiveError(f"{name} yielded no metric: {_WRITE}.")
    return metrics
