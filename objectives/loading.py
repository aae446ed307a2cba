"""Loading a user's function from a file or a module, as if the script had been started with arguments of its own."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from ..errors import ObjectiveError, unknown


def load_function(spec: str, arguments: Sequence[str] = ()) -> Any:
    """What ``file.py:name`` or ``module:name`` names; loaded once per process.

    Args:
        spec: What to load.
        arguments: What the script finds in ``sys.argv`` after its own name, e.g. ``("--wd", "0.1")``.

    Raises:
        ObjectiveError: There is no such file, module or name, or its code raised.
    """
    return _load(spec, tuple(arguments))


@contextmanager
def arguments_of(spec: str | None, arguments: Sequence[str]) -> Iterator[None]:
    """``sys.argv`` as the script of `spec` would find it, had it been started alone; as it is for a bare function."""
    before = sys.argv
    if spec is not None:
        sys.argv = [spec.rpartition(":")[0], *arguments]
    try:
        yield
    finally:
        sys.argv = before


@lru_cache
def _load(spec: str, arguments: tuple[str, ...]) -> Any:
    where, _, name = spec.rpartition(":")
    with arguments_of(spec, arguments):
        module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    try:
        return getattr(module, name)
    except AttributeError:
        functions = [n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
        raise unknown(f"function in {where}:", name, functions or ["(none)"], ObjectiveError) from None
    except Exception as error:  # a module may have a __getattr__
        raise ObjectiveError(f"{spec!r} cannot be loaded: {_said(error)}") from error


def absolute(spec: str) -> str:
    """The same, for processes that run in other folders."""
    where, _, name = spec.rpartition(":")
    return f"{os.path.abspath(where)}:{name}" if where.endswith(".py") else spec


def same_objective(one: str, other: str) -> bool:
    """Whether two specs may name the same function: paths to one file, ``./a/train.py`` and ``train.py`` for example.

    A file is known by as much of its path as both tell: the folder in which a spec was typed is not known.
    """
    (first, name), (second, other_name) = (_parts(spec) for spec in (one, other))
    shared = min(len(first), len(second))
    return name == other_name and shared > 0 and first[-shared:] == second[-shared:]


def _parts(spec: str) -> tuple[tuple[str, ...], str]:
    """A file's path in parts, without those that lead to where one is, and the function's name."""
    where, _, name = spec.rpartition(":")
    if not where.endswith(".py"):
        return (where,), name
    parts = os.path.normpath(where).replace(os.sep, "/").split("/")
    return tuple(part for part in parts if part != ".."), name


def _load_file(path: Path) -> ModuleType:
    if not os.path.isfile(path):  # unlike Path.is_file, false for a name that is too long
        raise ObjectiveError(f"there is no file {str(path)!r}: give the objective as path/to/train.py:name.")
    sys.path.insert(0, str(path.resolve().parent))  # as running the file would, for its own imports
    module_spec = importlib.util.spec_from_file_location(_module_name(path), path)
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


def _module_name(path: Path) -> str:
    """The file's own name where it is free, so that processes which the script starts can import it; else another."""
    if path.stem not in sys.modules:
        importlib.invalidate_caches()
        spec = importlib.util.find_spec(path.stem) if path.stem.isidentifier() else None
        if spec and spec.origin and os.path.realpath(spec.origin) == os.path.realpath(path):
            return path.stem
    return f"_lrsearch_user_{path.stem}"


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
    if isinstance(error, SystemExit):
        started = " ".join(sys.argv) or "nothing"
        return f"it called sys.exit({error.code!r}); it was started as {started!r}, give it arguments after --"
    return " ".join(f"{type(error).__name__}: {error}".split())
