"""The user's own training job: a generator function, loaded from a file or a module and checked as it runs."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cloudpickle

from ..errors import ObjectiveError, unknown
from ..spaces import Schedule
from .objective import Measurement, Run

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

_AFTER = {"step": "optimizer step, and pass their true number as steps_per_epoch", "epoch": "epoch"}
_ORDER = r"Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`"
_WRITE = 'write "def objective(run): ...; yield {\\"train_loss\\": ..., \\"val_loss\\": ...}"'


class UserObjective:
    """A user's generator function as an `Objective`.

    Args:
        spec: ``path/to/train.py:name``, ``package.module:name``, or the function itself.
        optimizer: ``"sgd"`` or ``"adamw"``: which default base_lr range suits the job; None to find out by running
            the job until it asks for its scheduler.
        epochs: Default horizon.
        interval: How often the job steps its scheduler; checked after every epoch.
        device: Where to find out.

    Raises:
        ObjectiveError: The name is missing or is not a generator function.
    """

    start_loss: float | None = None

    def __init__(
        self,
        spec: str | Callable[..., Any],
        optimizer: str | None = None,
        epochs: int = 10,
        interval: str = "step",
        device: str = "cpu",
    ) -> None:
        self.spec = spec if isinstance(spec, str) else None
        self._found_at = _absolute(spec) if isinstance(spec, str) else None
        self._function = None if isinstance(spec, str) else spec
        self.name = spec.rpartition(":")[2] if isinstance(spec, str) else getattr(spec, "__name__", "objective")
        self.epochs = epochs
        self.interval = interval
        self.steps_per_epoch: int | None = None
        _check_generator(self.function, self.name)
        self.optimizer = optimizer or self._find_optimizer(device)

    @property
    def function(self) -> Callable[[Run], Iterator[Any]]:
        """The user's function; loaded again in each process, since a file is not importable by name."""
        if self._function is None:
            assert self._found_at is not None
            self._function = load_function(self._found_at)
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
                    with warnings.catch_warnings():
                        warnings.filterwarnings("error", message=_ORDER)
                        found = next(steps)
                except StopIteration:
                    return
                except UserWarning as warning:
                    if "optimizer.step()" not in str(warning):
                        raise
                    raise ObjectiveError(
                        f"{self.name} calls scheduler.step() before optimizer.step(), which skips the first rate: "
                        "call optimizer.step() first, then scheduler.step()."
                    ) from None
                self._check_steps(run, epoch)
                metrics = _metrics(found, self.name)
                n = run.steps_per_epoch or 1
                if lrs is None:
                    lrs = schedule.curve(n, epochs)
                yield Measurement(epoch, metrics, float(lrs[epoch * n - 1]), time.perf_counter() - start)
        finally:
            steps.close()  # type: ignore[attr-defined]

    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`."""
        return {"objective": self.spec or self.name, "optimizer": self.optimizer}

    def _find_optimizer(self, device: str) -> str:
        """Run the job until it asks for its scheduler; its optimizer's class name tells."""
        steps = self.function(_Probe(Schedule("constant", 1e-6, self.epochs), self.epochs, 0, device))
        try:
            next(steps)
        except _Found as found:
            return "sgd" if "sgd" in found.optimizer.lower() else "adamw"
        except Exception:  # the check before the first trial says what is wrong
            return "sgd"
        finally:
            steps.close()  # type: ignore[attr-defined]
        return "sgd"

    def _check_steps(self, run: Run, epoch: int) -> None:
        """A scheduler stepped once an epoch, though made for every step, would hardly move: say so."""
        self.steps_per_epoch = run.steps_per_epoch
        if run.scheduler_steps is None:
            return
        per_epoch = (run.steps_per_epoch or 1) if self.interval == "step" else 1
        if run.scheduler_steps != epoch * per_epoch:
            raise ObjectiveError(
                f"{self.name} called scheduler.step() {run.scheduler_steps} times in {epoch} epoch(s), not "
                f"{epoch * per_epoch}: with interval {self.interval!r} call it once after every "
                f"{_AFTER[self.interval]}."
            )


class _Found(BaseException):
    """Carries the optimizer's class name out of the user's code, past its ``except Exception``."""

    def __init__(self, optimizer: str) -> None:
        self.optimizer = optimizer


class _Probe(Run):
    """A run that ends as soon as the job asks for its scheduler."""

    def scheduler(self, optimizer: Optimizer, steps_per_epoch: int) -> LRScheduler:
        raise _Found(type(optimizer).__name__)


@lru_cache
def load_function(spec: str) -> Any:
    """What ``file.py:name`` or ``module:name`` names; raises `ObjectiveError`. Loaded once per process."""
    where, _, name = spec.rpartition(":")
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    try:
        return getattr(module, name)
    except AttributeError:
        functions = [n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
        raise unknown(f"function in {where}:", name, functions or ["(none)"], ObjectiveError) from None
    except Exception as error:  # a module may have a __getattr__
        raise ObjectiveError(f"{spec!r} cannot be loaded: {_said(error)}") from error


def _absolute(spec: str) -> str:
    """The same, for processes that run in other folders."""
    where, _, name = spec.rpartition(":")
    return f"{os.path.abspath(where)}:{name}" if where.endswith(".py") else spec


def _load_file(path: Path) -> ModuleType:
    if not os.path.isfile(path):  # unlike Path.is_file, false for a name that is too long
        raise ObjectiveError(f"there is no file {str(path)!r}: give the objective as path/to/train.py:name.")
    sys.path.insert(0, str(path.resolve().parent))  # as running the file would, for its own imports
    module_spec = importlib.util.spec_from_file_location(f"_lrsearch_user_{path.stem}", path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module.__name__] = module
    try:
        module_spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's code raises, SystemExit included
        raise ObjectiveError(f"{path} cannot be loaded: {_said(error)}") from error
    cloudpickle.register_pickle_by_value(module)  # worker processes cannot import it by name
    return module


def _load_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ObjectiveError(f"the module {name!r} cannot be imported: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """An exception of the user's code in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _check_generator(function: Any, name: str) -> None:
    if not inspect.isgeneratorfunction(function):
        what = "a plain function" if inspect.isfunction(function) else f"a {type(function).__name__}"
        raise ObjectiveError(f"{name} is {what}, not a generator: yield the losses after every epoch; {_WRITE}.")


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
