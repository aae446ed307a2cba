"""Families of the user's own: a function of progress with a decorator, loaded from a file, checked as it is loaded."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from .families import (
    BUILT_IN,
    FAMILIES,
    Array,
    Choice,
    Expr,
    Family,
    Param,
    Range,
    Stage,
    check_names,
    lambda_lr,
    register,
)
from .schedule import Schedule

GRID = np.linspace(0.0, 1.0, 101)
CORNERS = 64
"""Combinations of the smallest, middle and largest values that a new family is checked at, at most."""
TOLERANCE = 1e-6
"""By how much rounding may carry a share beyond 1."""

Shape = Callable[..., Any]
Values = Mapping[str, float | str]


def family(**ranges: Range | Choice) -> Callable[[Shape], Family]:
    """Make a schedule family of a function of progress.

    The function takes the progress ``x``, from 0 at the end of the warm-up to 1 at the horizon, and the parameters;
    it returns the share of base_lr there: 1 at ``x = 0``, and between 0 and 1 throughout. Its text becomes part of
    exported code, so it uses modules, numbers and what it defines itself, and no other function of its file.

    >>> @family(knee=Range(0.2, 0.8), height=Range(0.1, 0.9))
    ... def two_slopes(x, knee, height):
    ...     return 1 - (1 - height) * x / knee if x < knee else height * (1 - x) / (1 - knee)

    Args:
        ranges: What to search for each parameter: a `Range` of numbers or a `Choice` of names.

    Raises:
        InputError: The function is no family; the message says where and why.
    """
    return lambda function: make_family(function, ranges)


def make_family(function: Shape, ranges: Mapping[str, Range | Choice]) -> Family:
    """The family of a function of progress; raises `InputError` as `family` says."""
    name = getattr(function, "__name__", "?")
    _check_signature(name, function, ranges)
    needs = _source(name, function)
    scope: dict[str, Any] = {"__name__": "lrsearch.own"}
    for need in needs:
        exec(need, scope)
    shape = scope[name]
    for values in _samples(ranges):
        shares = _pointwise(name, shape, GRID, values)
        _check_shares(name, values, GRID, shares)
        _check_start(name, values, shares[0])
    whole = all(_takes_arrays(shape, values) for values in _samples(ranges))
    evaluate = _at_once if whole else _pointwise

    def lr(t: Array, base_lr: float, decay: int, p: Mapping[str, Any]) -> Array:
        values, x = {key: p[key] for key in ranges}, np.minimum(t / decay, 1.0)
        shares = evaluate(name, shape, x, values)
        _check_shares(name, values, x, shares)
        return base_lr * shares

    def stages(decay: Expr, p: Mapping[str, Expr]) -> tuple[Stage, ...]:
        given = "".join(f", {key}={p[key].text}" for key in ranges)
        return (lambda_lr(f"float({name}(progress{given}))", *needs, length=decay),)

    doc = inspect.getdoc(function) or "a family of your own"
    params = tuple(_param(key, searched) for key, searched in ranges.items())
    return Family(name, doc.splitlines()[0], inspect.getsourcefile(function) or "", params, lr, stages)


def add_family(family: Any, where: str) -> str:
    """Check and register a family of the user's own, in place of an older one of that name; returns the name.

    Raises:
        InputError: It is no family, has a built-in one's name, or draws no learning rates.
    """
    if not isinstance(family, Family):
        raise InputError(f"{where} is no schedule family: put @lrsearch.family(...) above the function.")
    if family.name in BUILT_IN:
        raise InputError(f"{where}: there is a family {family.name!r} already: choose another name.")
    before = FAMILIES.pop(family.name, None)
    register(family)
    try:
        _check_curve(family)
    except Exception:
        del FAMILIES[family.name]
        if before:
            register(before)
        raise
    return family.name


def _check_curve(family: Family) -> None:
    curve = Schedule(family.name, 1.0, 10).curve(10)
    _check_shares(family.name, {}, np.linspace(0, 1, 100), curve)
    if not family.rises:
        _check_start(family.name, {}, curve[0])


def _param(name: str, searched: Range | Choice) -> Param:
    choice = isinstance(searched, Choice)
    return Param(
        name,
        "choice" if choice else "factor",
        f"{name} of your own family",
        search=lambda epochs: searched,
        usual=lambda decay: searched.options[0] if isinstance(searched, Choice) else searched.middle,
        valid=searched,
    )


def _check_signature(name: str, function: Shape, ranges: Mapping[str, Range | Choice]) -> None:
    if not inspect.isfunction(function) or not name.isidentifier():
        raise InputError(f"a family is a function with a name, got {function!r}.")
    if name in BUILT_IN:
        raise InputError(f"there is a family {name!r} already: give the function another name.")
    takes = list(inspect.signature(function).parameters)
    if takes[1:] != list(ranges) or not takes:
        given = ", ".join(["x", *ranges])
        raise InputError(f"{name} takes ({', '.join(takes)}), but its ranges need ({given}): let them agree.")
    for key, searched in ranges.items():
        if not isinstance(searched, (Range, Choice)):
            raise InputError(f"{name}: {key} must be a Range or a Choice, got {searched!r}.")
    check_names(name, ranges)


def _source(name: str, function: Shape) -> tuple[str, ...]:
    """Import lines and constants that the function uses, then the function without its decorator."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
        node = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.name == name)
    except (OSError, TypeError, SyntaxError, StopIteration):
        raise InputError(f"the source of {name} cannot be read: write it as a function in a file.") from None
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    used = sorted({n.id for n in ast.walk(_undecorated(node)) if isinstance(n, ast.Name)})
    around = {**inspect.getclosurevars(function).nonlocals, **function.__globals__}
    needs = [_need(name, key, around[key]) for key in used if key in around and key != name]
    return (*sorted(needs, key=lambda n: "import " not in n), "\n".join(lines) + "\n")


def _undecorated(node: ast.FunctionDef) -> ast.FunctionDef:
    node.decorator_list = []
    return node


def _need(name: str, key: str, value: Any) -> str:
    """The line that defines a name which the function uses."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" + (f" as {key}" if key != value.__name__ else "")
    if isinstance(value, (int, float, str)):
        return f"{key} = {value!r}"
    module = getattr(value, "__module__", None)
    if module in ("math", "numpy", "builtins") and getattr(value, "__name__", "") == key:
        return f"from {module} import {key}"
    raise InputError(
        f"{name} uses {key!r}, which exported code would not have: define it inside the function, "
        "or use modules and numbers only."
    )


def _samples(ranges: Mapping[str, Range | Choice]) -> Iterator[Values]:
    """Combinations of the smallest, middle and largest values."""
    values: list[tuple[float | str, ...]] = []
    for searched in ranges.values():
        values.append(
            searched.options if isinstance(searched, Choice) else (searched.low, searched.middle, searched.high)
        )
    for combination in itertools.islice(itertools.product(*values), CORNERS):
        yield dict(zip(ranges, combination, strict=True))


def _pointwise(name: str, shape: Shape, x: Array, values: Values) -> Array:
    shares = []
    for point in x.tolist():
        try:
            shares.append(float(shape(point, **values)))
        except Exception as error:  # whatever a user's code raises
            said = f"{type(error).__name__}: {error}"
            raise InputError(f"{name} fails at {_at(point, values)}: {said}. It must return a number.") from None
    return np.array(shares)


def _at_once(name: str, shape: Shape, x: Array, values: Values) -> Array:
    return np.asarray(shape(x, **values), dtype=np.float64)


def _takes_arrays(shape: Shape, values: Values) -> bool:
    """Whether the function gives the same for an array as for its numbers one by one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            at_once = _at_once("", shape, GRID, values)
        return at_once.shape == GRID.shape and bool(np.array_equal(at_once, _pointwise("", shape, GRID, values)))
    except Exception:  # it takes numbers only
        return False


def _check_shares(name: str, values: Values, x: Array, shares: Array) -> None:
    """Raise `InputError` unless the shares of base_lr at `x` are one for each, finite, and between 0 and 1."""
    if shares.shape != x.shape:
        raise InputError(f"{name} must return one share for each x, got the shape {shares.shape} for {x.shape}.")
    wrong = np.flatnonzero(~((shares >= 0) & (shares <= 1 + TOLERANCE)))
    if len(wrong):
        share, at = shares[wrong[0]], _at(float(x[wrong[0]]), values)
        raise InputError(f"{name} must stay between 0 and 1, shares of base_lr, got {share:g} at {at}.")


def _check_start(name: str, values: Values, share: float) -> None:
    if abs(share - 1) > TOLERANCE:
        raise InputError(
            f"{name} must be 1 at x=0, where the warm-up has reached base_lr, got {share:g} at {_at(0.0, values)}: "
            "divide by that."
        )


def _at(x: float, values: Values) -> str:
    return ", ".join([f"x={x:.4g}", *(f"{k}={v if isinstance(v, str) else f'{v:.4g}'}" for k, v in values.items())])
