"""An option is one field of a dataclass: name, type, default, help and check stand once; all else is made from it."""

from __future__ import annotations

import functools
import inspect
import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ParamSpec, TypeVar

from ..errors import InputError, unknown

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

Rule = tuple[Callable[[Any], bool], str]
"""Whether a value is right, and what to say of one that is not, as in "must be at least 1"."""


@dataclass(frozen=True)
class Option:
    """What a field says of itself beside its name, type and default.

    Attributes:
        help: What it is, in a few words; the default is added to it.
        in_python: What else `lrsearch.run` and the like take for it.
        group: Heading under which the command's help lists it.
        metavar: What the help calls its value.
        choices: The only values that the command line takes.
        names: The only values there are; a wrong one is answered with the closest.
        rule: What else must hold of a value that is given.
        flag: Its name on the command line where that is not the field's; "" for an option of Python alone.
        positional: Whether the command line takes it without a name.
        env: The environment variable that the command line takes its default from.
        parts: The fields of `TaskOptions` that are the command's options, where this field holds those.
        noted: Whether a session keeps it in the study.
        here: Whether it concerns this process alone, so that others which help with a search may differ.
    """

    help: str
    in_python: str = ""
    group: str = ""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    rule: Rule | None = None
    flag: str | None = None
    positional: bool = False
    env: str | None = None
    parts: tuple[str, ...] = ()
    noted: bool = True
    here: bool = False


def option(default: Any, help: str, *, secret: bool = False, **more: Any) -> Any:
    """A field that is an option.

    Its type says how the command line reads it: by its first word, ``int``, ``float``, ``bool`` (a flag that takes no
    value), ``Sequence[str]`` and ``Sequence[int]`` (with commas between), or else as text.

    Args:
        default: The default; ``...`` for an option that must be given.
        help: What it is.
        secret: Whether it may hold a password: it is neither shown nor kept.
        more: Fields of `Option`.
    """
    said = Option(help, **{"noted": not secret, **more})
    return field(default=MISSING if default is ... else default, repr=not secret, metadata={"option": said})


@dataclass(frozen=True)
class Options:
    """A command's options, checked when made; raises `InputError`."""

    def __post_init__(self) -> None:
        for name, said in options_of(type(self)):
            if (value := getattr(self, name.name)) is not None:
                _check(name.name, value, said)


def options_of(kind: type[Any]) -> Iterator[tuple[Field[Any], Option]]:
    """The options among a dataclass's fields."""
    for entry in fields(kind):
        if "option" in entry.metadata:
            yield entry, entry.metadata["option"]


def _check(name: str, value: Any, said: Option) -> None:
    if said.names:
        if not isinstance(value, str):
            raise InputError(f"{name} is a name, one of {', '.join(said.names)}; got {value!r}.")
        if value not in said.names:
            raise unknown(name, value, said.names)
    if said.rule:
        holds, text = said.rule
        try:
            right = holds(value)
        except (TypeError, ValueError, OverflowError):  # of another type
            right = False
        if not right:
            raise InputError(f"{name} {text}, got {value!r}.")


def keywords(kind: type[Any], options: Any) -> dict[str, Any]:
    """The options that `kind` has, out of an object that has them and perhaps more, by name."""
    return {entry.name: getattr(options, entry.name) for entry, _ in options_of(kind)}


def notes(options: Any) -> dict[str, Any]:
    """What a session keeps of its options, by name, as JSON can hold it."""
    kept = (entry.name for entry, said in options_of(type(options)) if said.noted)
    return {name: _plain(getattr(options, name)) for name in kept}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Sequence):
        return [_plain(part) for part in value]
    return str(getattr(value, "name", value))


def shared(kind: type[Any], noted: Any) -> dict[str, Any]:
    """Of what a session has kept, what also holds for other processes that help with its search."""
    return {f.name: noted[f.name] for f, said in options_of(kind) if not said.here and f.name in noted}


def told(entry: Field[Any], said: Option) -> str:
    """An option's help, with its default."""
    text = said.help.replace("NAMES", _listed(said.names))
    if entry.default in (MISSING, None, "", 0, ()) or "(default" in text:
        return text.replace("DEFAULT", str(entry.default))
    return f"{text} (default {entry.default})"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)


def takes(kind: Callable[P, T]) -> Callable[[Callable[[T], R]], Callable[P, R]]:
    """Make a function of a dataclass of options one of its fields as keywords: their types, defaults and documentation.

    >>> @dataclass(frozen=True)
    ... class Greeting(Options):
    ...     name: str = option("you", "who is greeted")
    >>> @takes(Greeting)
    ... def greet(options: Greeting) -> str:
    ...     return f"Hello {options.name}"
    >>> greet(name="world")
    'Hello world'
    """

    def decorate(function: Callable[[T], R]) -> Callable[P, R]:
        signature = inspect.signature(kind)

        @functools.wraps(function)
        def called(*args: P.args, **keywords: P.kwargs) -> R:
            signature.bind(*args, **keywords)  # raises a TypeError that does not speak of the dataclass
            return function(kind(*args, **keywords))

        returned = inspect.signature(function).return_annotation
        called.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
        called.__doc__ = _documented(function.__doc__ or "", kind)
        called.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()} | {"return": returned}
        return called

    return decorate


def _documented(text: str, kind: Any) -> str:
    """A docstring with its arguments filled in, before what it says of the result and of errors."""
    head, *rest = inspect.cleandoc(text).split("\n\n")
    described = "\n".join(_argument(entry, said) for entry, said in _in_order(kind))
    return "\n\n".join([head, f"Args:\n{described}", *rest])


def _in_order(kind: Any) -> list[tuple[Field[Any], Option]]:
    """As in the signature: first what needs no name."""
    by_name = {entry.name: (entry, said) for entry, said in options_of(kind)}
    return [by_name[name] for name in inspect.signature(kind).parameters]


def _argument(entry: Field[Any], said: Option) -> str:
    sentence = told(entry, said)
    whole = f"{entry.name}: {sentence[0].upper()}{sentence[1:]}. {said.in_python}".strip()
    return textwrap.fill(whole, 110, initial_indent=" " * 4, subsequent_indent=" " * 8)
