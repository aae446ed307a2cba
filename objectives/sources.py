"""What code a job consists of: its own files by name, each with a fingerprint that comments do not change."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_INSTALLED = {"site-packages", "dist-packages"}


def file_sources(spec: str) -> dict[str, str]:
    """Fingerprints of a script and of all that it imports from beside it, directly or not.

    Files that are read, installed packages and imports whose names are computed do not count; nor do comments,
    docstrings and layout.

    Args:
        spec: ``path/to/train.py:name``, or ``package.module:name`` once that is imported.

    Returns:
        Fingerprints by the file's path, relative to the folder that the imports begin at.
    """
    where = spec.rpartition(":")[0]
    if where.endswith(".py"):
        first = Path(os.path.abspath(where))
        return _follow(first, first.parent)
    module = importlib.util.find_spec(where)
    if module is None or not module.origin or not os.path.isfile(module.origin):
        return {}
    first = Path(module.origin)
    root = first.parents[where.count(".") + (first.name == "__init__.py")]
    sources = _follow(first, root)
    if _INSTALLED.isdisjoint(root.parts):
        return sources
    package = where.partition(".")[0]  # beside it lies all that is installed
    return {name: text for name, text in sources.items() if name.split("/")[0] in (package, f"{package}.py")}


def function_sources(function: Callable[..., Any]) -> dict[str, str]:
    """Fingerprints of a function and of its module's functions, classes, numbers and strings that it uses, by name.

    The rest of the module may be what starts the search, so it does not count.
    """
    module = vars(sys.modules.get(function.__module__, object))
    prints: dict[str, str] = {}
    todo = [function]
    while todo:
        part = todo.pop()
        try:
            text = textwrap.dedent(inspect.getsource(part))
        except (OSError, TypeError):  # typed into an interpreter, or not written in Python
            continue
        tree = _parse(text)
        prints[part.__qualname__] = _fingerprint(text, tree)
        for name in (
            {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} & set(module) - set(prints) if tree else ()
        ):
            if _is_part(module[name], function.__module__):
                todo.append(module[name])
            elif isinstance(module[name], (bool, int, float, str)):
                prints[name] = _fingerprint(repr(module[name]), None)
    return prints


def _is_part(thing: Any, module: str) -> bool:
    return (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module


def _follow(first: Path, root: Path) -> dict[str, str]:
    """Fingerprints of a file and of those that it imports from under `root`."""
    prints: dict[str, str] = {}
    todo = [first]
    while todo:
        path = todo.pop()
        name = path.relative_to(root).as_posix()
        if name not in prints:
            text = path.read_bytes()
            tree = _parse(text)
            prints[name] = _fingerprint(text, tree)
            imported = _imports(tree, path.relative_to(root).parts[:-1]) if tree else ()
            todo.extend(file for module in imported for file in _files(module, root))
    return prints


def _imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The parts of the name of everything that may be an imported module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield from ((*base, alias.name) for alias in node.names)


def _files(module: tuple[str, ...], root: Path) -> Iterator[Path]:
    """The files under `root` that importing a module runs."""
    for length in range(1, len(module) + 1):
        path = root.joinpath(*module[:length])
        yield from (f for f in (path / "__init__.py", path.with_name(f"{path.name}.py")) if os.path.isfile(f))


def _parse(text: str | bytes) -> ast.AST | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _fingerprint(text: str | bytes, tree: ast.AST | None) -> str:
    """Of what the code does; of its text where it cannot be parsed."""
    raw = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(repr(_shape(tree)).encode() if tree else raw).hexdigest()[:16]


def _shape(node: Any) -> Any:
    """A syntax tree without places, strings that nothing is done with, and fields that some Pythons leave out."""
    if isinstance(node, ast.AST):
        fields = ((name, _shape(value)) for name, value in ast.iter_fields(node) if name != "kind")
        return type(node).__name__, [pair for pair in fields if pair[1] not in (None, [])]
    if isinstance(node, list):
        return [_shape(part) for part in node if not _is_docstring(part)]
    return None if node is None else repr(node)


def _is_docstring(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
