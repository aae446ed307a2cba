"""`Notes`: dataclasses that are read from Optuna's attributes and written to them, checked by their annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache, partial
from types import UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ...errors import StudyError

N = TypeVar("N", bound="Notes")
Parse = Callable[[Any], Any]


class Notes:
    """Base of frozen dataclasses whose fields are stored under their own names.

    What is None or empty is not stored.
    """

    REST: ClassVar[str] = ""
    """The field that holds all attributes which no other field is named after, if there is one."""

    @classmethod
    def read(cls: type[N], attrs: Mapping[str, Any]) -> N:
        """The notes among these attributes; other attributes are left aside.

        Raises:
            StudyError: A value has another type than its field, or one is missing: lrsearch has not written it.
        """
        if not isinstance(attrs, Mapping):
            raise _foreign(f"holds {str(attrs)[:80]!r} where notes stand")
        parsers, required = _schema(cls)
        known = {name: _checked(name, attrs[name], parse) for name, parse in parsers.items() if name in attrs}
        if cls.REST:
            known[cls.REST] = {name: value for name, value in attrs.items() if name not in parsers}
        if missing := required - known.keys():
            raise _foreign(f"has no {min(missing)!r}")
        return cls(**known)

    def to_attrs(self) -> dict[str, Any]:
        """The attributes to store, ready for JSON; `read` gives equal notes back."""
        rest = {} if not self.REST else _plain(getattr(self, self.REST))
        own = {name: _plain(getattr(self, name)) for name in _schema(type(self))[0]}
        return {**rest, **{name: value for name, value in own.items() if value not in (None, "", [], {})}}


def _schema(cls: Any) -> tuple[dict[str, Parse], frozenset[str]]:
    """What reads each attribute, by name, and the names of those that must be there."""
    return _computed(cls)


@cache
def _computed(cls: Any) -> tuple[dict[str, Parse], frozenset[str]]:
    hints, own = get_type_hints(cls), fields(cls)
    required = frozenset(f.name for f in own if f.default is MISSING and f.default_factory is MISSING)
    return {f.name: _parser(hints[f.name]) for f in own if f.name != cls.REST}, required


def _checked(name: str, value: Any, parse: Parse) -> Any:
    try:
        return parse(value)
    except (TypeError, ValueError, OverflowError):
        raise _foreign(f"holds {name} = {str(value)[:80]!r}") from None


def _foreign(what: str) -> StudyError:
    return StudyError(f"the study {what}, which lrsearch does not write: another program has changed it.")


def _parser(hint: Any) -> Parse:
    """What turns a value of JSON into one of this annotation; it raises `TypeError`, `ValueError` or
    `OverflowError` if it is neither.

    Reading is done often, and for thousands of trials, so annotations are looked at once.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin in (Union, UnionType):
        parse = _parser(inner[0])
        return lambda value: None if value is None else parse(value)
    if origin is Literal:
        return lambda value: inner[inner.index(value)]
    if origin is tuple:
        parse = _parser(inner[0])
        return lambda value: tuple(parse(v) for v in _of((list, tuple), value))
    if origin is Mapping and inner[1] is Any:
        return partial(_of, (Mapping,))
    if origin is Mapping:
        parse = _parser(inner[1])
        return lambda value: {k: parse(v) for k, v in _of((Mapping,), value).items()}
    if issubclass(hint, Notes):
        return lambda value: hint.read(_of((Mapping,), value))
    if issubclass(hint, tuple):  # a NamedTuple
        each = [_parser(part) for part in get_type_hints(hint).values()]
        return lambda value: hint(*(parse(v) for parse, v in zip(each, _of((list, tuple), value), strict=True)))
    return _number if hint is float else partial(_of, (hint,))


def _of(kinds: tuple[type, ...], value: Any) -> Any:
    """The value, if it is of one of these types; a truth value is no number."""
    if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
        return value
    raise TypeError


def _number(value: Any) -> Any:
    """The value, if it is a number; `OverflowError` for an integer that is none to a processor."""
    float(_of((float, int), value))
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Notes):
        return value.to_attrs()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value
