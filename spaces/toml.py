"""Search spaces read from TOML: what a person edits, and what a study keeps."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from .beside import MULTIPLIER, Value, check_beside, for_groups, for_job, multiplier_name
from .counting import IN_EPOCHS, Counting
from .families import FAMILIES, Choice, Range, get_family, record
from .space import ScheduleSpace
from .toml_text import space_to_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Chosen = Callable[[Sequence[str]], Iterable[str]]
T = TypeVar("T")

_TOP = {
    "families",
    "epochs",
    "steps",
    "interval",
    "base_lr",
    "warmup",
    "warmup_start",
    "warmup_shape",
    "params",
    "groups",
}


def params_from(table: Any) -> tuple[dict[str, Range | Choice], dict[str, Value]]:
    """The ranges and the usual values of a table ``{"weight_decay": {"low": 1e-6, "high": 0.1, "log": True}}``.

    A list is one of choices, and a `Range` or a `Choice` is one itself.

    Raises:
        InputError: A range is none.
    """
    if not isinstance(table, dict):
        raise InputError(f"[params] must be a table of ranges, got {table!r}.")
    beside: dict[str, Range | Choice] = {}
    usual: dict[str, Value] = {}
    for name, value in table.items():
        key, rest = f"params.{name}", dict(value) if isinstance(value, dict) else value
        if isinstance(rest, (list, tuple)):
            rest = {"choices": list(rest)}
        if isinstance(rest, dict) and "default" in rest:
            usual[name] = _plain_value(key, rest.pop("default"))
        if isinstance(rest, dict) and "choices" in rest:
            if len(rest) > 1 or not isinstance(rest["choices"], (list, tuple)):
                raise InputError(f"{key} is choices = [...], or low and high; got {value!r}.")
            options = [_plain_value(key, option) for option in rest["choices"]]
            beside[name] = Choice(tuple(o if isinstance(o, str) else json.dumps(o) for o in options))
        elif isinstance(rest, dict):
            beside[name] = _range(key, rest, None)
        elif isinstance(rest, (Range, Choice)):
            beside[name] = rest
        else:
            raise InputError(f"{key} is {{ low, high }} or {{ choices = [...] }}, got {value!r}.")
    return beside, check_beside(beside, usual)


def _read_groups(tables: Any) -> tuple[dict[str, Range | Choice], dict[str, Value]]:
    """The ranges and the usual values of the multipliers of ``[groups.NAME]``; raises `InputError`."""
    if not isinstance(tables, dict):
        raise InputError(f"groups has a table for each param group, as [groups.head], got {tables!r}.")
    ranges: dict[str, Range | Choice] = {}
    usual: dict[str, Value] = {}
    for group, table in tables.items():
        key = multiplier_name(group)
        if not MULTIPLIER.fullmatch(key):
            raise InputError(f"a param group's name here has letters, digits, _ and - alone, got {group!r}.")
        if not isinstance(table, dict) or set(table) != {"multiplier"}:
            raise InputError(f"[groups.{group}] has a multiplier of base_lr, and nothing else; got {table!r}.")
        value = dict(table["multiplier"]) if isinstance(table["multiplier"], dict) else table["multiplier"]
        if isinstance(value, dict) and "default" in value:
            usual[key] = _number(f"{key}.default", value.pop("default"), None)
        ranges[key] = _range(key, value, None)
    return ranges, usual


def _plain_value(key: str, value: Any) -> Value:
    """A number, or a word that cannot be taken for one."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise InputError(f"{key} takes numbers and words, got {value!r}.")


def space_from_toml(text: str, base: ScheduleSpace, chosen: Chosen = list) -> ScheduleSpace:
    """`base` with what the TOML `text` says in place; raises `InputError` naming the key.

    Args:
        text: The TOML.
        base: What it leaves open.
        chosen: The families' names, from what ``families`` lists.
    """
    data = _parse(text)
    _check_length(data, base)
    families = tuple(chosen(_names("families", data["families"]))) if "families" in data else base.families
    known = {f: {p.name: p for p in get_family(f).params} for f in families}
    beside, usual = params_from(data["params"]) if "params" in data else (for_job(base.beside), for_job(base.usual))
    shares, usual_shares = for_groups(base.beside), for_groups(base.usual)
    if "groups" in data:
        shares, usual_shares = _read_groups(data["groups"])
    if strange := [k for k in data if k not in _TOP and k not in known]:
        raise InputError(
            f"unknown key {strange[0]!r} in the space; choose from: {', '.join(sorted(_TOP | set(known)))}."
        )
    ranges: dict[str, Range | Choice] = {}
    for family in families:
        table = data.get(family, {})
        if not isinstance(table, dict):
            raise InputError(f"[{family}] must be a table of ranges, got {table!r}.")
        for name, value in table.items():
            if name not in known[family]:
                raise InputError(f"{family} has no parameter {name!r}; it has: {', '.join(known[family])}.")
            length = known[family][name].unit == "epochs"
            ranges[f"{family}.{name}"] = _range(f"{family}.{name}", value, base.horizon if length else None)
    base_lr = _range("base_lr", data["base_lr"], None) if "base_lr" in data else base.base_lr
    warmup = _range("warmup", data["warmup"], base.horizon) if "warmup" in data else base.warmup
    for key, searched in (("base_lr", base_lr), ("warmup", warmup)):
        if isinstance(searched, Choice):
            raise InputError(f"{key} takes low and high, got a list of names.")
    assert isinstance(base_lr, Range)
    assert not isinstance(warmup, Choice)
    return replace(
        base,
        families=families,
        base_lr=base_lr,
        warmup=warmup,
        ranges=ranges,
        interval=data.get("interval", base.interval),
        warmup_start=_number("warmup_start", data.get("warmup_start", base.warmup_start), None),
        warmup_shape=data.get("warmup_shape", base.warmup_shape),
        beside={**beside, **shares},
        usual={**usual, **usual_shares},
    )


def _check_length(data: Mapping[str, Any], base: ScheduleSpace) -> None:
    """Raise `InputError` unless the space was made for the trials' length, counted as theirs is."""
    own = f"{base.counting.unit}s"
    other = "epochs" if own == "steps" else "steps"
    unit = other if other in data and own not in data else own
    made_for = _number(unit, data.get(unit, base.horizon), None)
    if unit != own or made_for != base.horizon:
        raise InputError(
            f"the space was made for {made_for:.10g} {unit}, and trials have {base.horizon:.10g}"
            f"{f' {own}' if unit != own else ''}: "
            f"pass --{unit} {made_for:.10g}, or make one with: lrsearch families --toml --{own} {base.horizon:.10g}"
        )


def read_space(path: str | PathLike[str], base: ScheduleSpace, chosen: Chosen = list) -> ScheduleSpace:
    """The space in a TOML file, on top of `base`; `chosen` as for `space_from_toml`."""
    return _of_file(path, lambda text: space_from_toml(text, base, chosen))


def read_usual(path: str | PathLike[str]) -> dict[str, Value]:
    """The usual values of the ``[params]`` and ``[groups]`` in a TOML file; raises `InputError`."""

    def usual(text: str) -> dict[str, Value]:
        data = _parse(text)
        return {**params_from(data.get("params", {}))[1], **check_beside(*_read_groups(data.get("groups", {})))}

    return _of_file(path, usual)


def _of_file(path: str | PathLike[str], read: Callable[[str], T]) -> T:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read the space {str(path)!r}: {error}. "
            "Write a starter file with: lrsearch families --toml > my.toml"
        ) from None
    try:
        return read(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def space_to_dict(space: ScheduleSpace) -> dict[str, Any]:
    """A JSON-ready dictionary that `space_from_dict` reads back."""
    counting = {} if space.counting == IN_EPOCHS else {"every": space.counting.every}
    return {"horizon": space.horizon, "toml": space_to_toml(space), **counting}


def space_from_dict(data: Mapping[str, Any]) -> ScheduleSpace:
    """The space of `space_to_dict`; families of the user's own are known by what stands there of them."""
    for name, kinds in {"toml": (str,), "horizon": (int, float), "every": (int,)}.items():
        if type(value := data.get(name, 1 if name == "every" else None)) not in kinds:
            raise InputError(f"the stored space has {name} = {str(value)[:80]!r}: another program has changed it.")
    tables = _parse(data["toml"])
    for name in tables.get("families", ()):
        if name not in FAMILIES:
            record(name, {key: _range(key, value, None) for key, value in tables.get(name, {}).items()})
    counting = Counting("step", data["every"]) if "every" in data else IN_EPOCHS
    return space_from_toml(data["toml"], ScheduleSpace(horizon=data["horizon"], counting=counting))


def _parse(text: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the space is not valid TOML: {error}.") from None
    return data


def _range(key: str, value: Any, horizon: float | None) -> Range | Choice:
    if isinstance(value, list):
        return Choice(tuple(_names(key, value)))
    if not isinstance(value, dict):
        fixed = _number(key, value, horizon)
        return Range(fixed, fixed)
    if not {"low", "high"} <= set(value) or not set(value) <= {"low", "high", "log", "step"}:
        raise InputError(f"{key} needs low and high, and may have log or step; got {', '.join(value) or 'nothing'}.")
    if not isinstance(value.get("log", False), bool):
        raise InputError(f"{key}: log must be true or false, got {value['log']!r}.")
    low, high = (_number(f"{key}.{end}", value[end], horizon) for end in ("low", "high"))
    step = _number(f"{key}.step", value["step"], horizon) if "step" in value else None
    try:
        wide = Range(low, high, value.get("log", False), step)
        return Range(low, high) if low == high else wide  # a fixed value has no scale
    except InputError as error:
        raise InputError(f"{key}: {error}") from None


def _number(key: str, value: Any, horizon: float | None) -> float:
    if isinstance(value, str) and horizon is not None and value.endswith("%"):
        try:
            return float(value[:-1]) / 100 * horizon
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        also = ' or text like "50%"' if horizon is not None else ""
        raise InputError(f"{key} must be a number{also}, got {value!r}.")
    return float(value)


def _names(key: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise InputError(f"{key} must be a list of names, got {value!r}.")
    return value
