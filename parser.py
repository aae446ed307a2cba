"""The command line, made from the fields of `commands`. Importing this costs nothing but argparse."""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field
from typing import Any

from .commands import COMMANDS, Command
from .errors import InputError, closest, unknown
from .options import GROUPS, Option, TaskOptions, options_of, told

_WITH_SCRIPT = ("run", "find", "transfer", "worker")
"""Commands after whose ``--`` a script's own arguments or a command may follow."""
_EXAMPLES = """\
examples:
  lrsearch run --budget 40                                 the built-in digits task, no download
  lrsearch run train.py:objective --budget 2h --epochs 30  your own training job
  lrsearch run --epochs 20 -- torchrun train.py            any command that calls lrsearch.scheduler and report
  lrsearch preview --family cosine --T-max 50 --T-max 150  look at curves first
  lrsearch export runs/digits --format lightning           take the winner home
"""


def parse(argv: Sequence[str] | None = None) -> Command:
    """The options of a command line, the process's own by default; exits with code 2 and the usage if it is wrong.

    Raises:
        InputError: There is no such command or option, a value is wrong, or ``preview`` is to draw a family of the
            user's own that cannot be loaded.
    """
    given, parser = sys.argv[1:] if argv is None else list(argv), make_parser()
    if given and not given[0].startswith("-") and given[0] not in (names := [kind.command for kind in COMMANDS]):
        raise unknown("command", given[0], names)
    given, script = _split(given)
    for argument in given:
        if argument.startswith("--") and argument.partition("=")[2] == "--":  # argparse would take it for a list
            parser.error(f"{argument}: -- is no value.")
    if given[:1] == ["preview"]:  # its options are the families' parameters, which are not known without NumPy
        from .families import parameters

        parser = make_parser(parameters(_value_of("--family", given)))
    known, strange = parser.parse_known_args(given)
    parsed = vars(known)
    kind: type[Command] = parsed.pop("kind")
    if strange:
        raise _unknown_option(strange[0], kind, parsed["parser"].format_usage())
    values = {name.removeprefix("value:"): v for name, v in parsed.items() if name.startswith("value:") and v}
    special = {"arguments": script, "values": values}
    return kind(
        **{f.name: v for f, said in options_of(kind) if (v := _value(f, said, parsed | special)) is not MISSING}
    )


def _unknown_option(word: str, kind: type[Command], usage: str) -> InputError:
    """The error for a word that a command does not take; names the option that is most like it."""
    flag, known = word.partition("=")[0], re.findall(r"--([\w-]+)", usage)
    close = closest(flag.lstrip("-"), known)
    said = f"Did you mean --{close}?" if close else f"See lrsearch {kind.command} --help."
    if not word.startswith("-"):
        return InputError(f"lrsearch {kind.command} takes no argument {flag!r}: see lrsearch {kind.command} --help.")
    if not close and kind.command in _WITH_SCRIPT:
        said = f"See lrsearch {kind.command} --help; the options of a script or a command follow --."
    return InputError(f"lrsearch {kind.command} has no option {flag}. {said}")


def _value(option: Field[Any], said: Option, parsed: dict[str, Any]) -> Any:
    """An option's value; missing if the command line has no such option."""
    if said.parts:
        return TaskOptions(**{name: parsed[name] for name in said.parts})
    return parsed.get(option.name, MISSING)


def _split(given: list[str]) -> tuple[list[str], list[str]]:
    """What is meant for lrsearch, and what after ``--`` is a script's own arguments or a command."""
    if "--" not in given or given[0] not in _WITH_SCRIPT:
        return given, []
    at = given.index("--")
    return given[:at], given[at + 1 :]


def make_parser(family_params: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Every command with its options; ``kind`` of the parsed arguments is the command's dataclass, ``parser`` its own.

    Args:
        family_params: The families' parameters, which are options of ``preview``.
    """
    parser = argparse.ArgumentParser(
        prog="lrsearch",
        description="Find a learning-rate schedule for a PyTorch training job, with evidence.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for kind in COMMANDS:
        sub = commands.add_parser(kind.command, help=kind.__doc__, description=kind.__doc__)
        _add_options(sub, kind)
        if kind.command == "preview":
            _add_values(sub, family_params)
        sub.set_defaults(kind=kind, parser=sub)
    return parser


def _add_options(parser: argparse.ArgumentParser, kind: type[Command]) -> None:
    options: list[tuple[Field[Any], Option]] = []
    for option, said in options_of(kind):
        parts = (part for part in options_of(TaskOptions) if part[0].name in said.parts)
        options += parts if said.parts else [(option, said)] * (said.flag != "")
    for name in GROUPS:
        group: Any = parser
        if name and any(said.group == name for _, said in options) and kind.command == "run":
            group = parser.add_argument_group(name)
        for option, said in options:
            if said.group == name:
                _add_option(group, option, said)


def _add_option(parser: Any, option: Field[Any], said: Option) -> None:
    """An option of the command line, from a field; see `lrsearch.options.option.option` for what types mean."""
    kind, default = str(option.type).partition(" |")[0], option.default
    more: dict[str, Any] = {"help": told(option, said)}
    if said.positional:
        more |= {} if default is MISSING else {"nargs": "?", "default": default}
        parser.add_argument(option.name, **more)
        return
    if default is MISSING and not said.env:
        more["required"] = True
    else:
        more["default"] = (os.environ.get(said.env) if said.env else None) or (None if default is MISSING else default)
    if option.type == "bool":
        more["action"] = "store_true"
    elif kind == "bool":
        more["action"] = argparse.BooleanOptionalAction
    else:
        more |= {"type": _READERS.get(kind.partition(" ")[0]), "metavar": said.metavar}
        if said.choices:
            more["choices"] = said.choices
    parser.add_argument(f"--{said.flag or option.name.replace('_', '-')}", dest=option.name, **more)


def _add_values(parser: argparse.ArgumentParser, family_params: Sequence[str]) -> None:
    more = parser.add_argument_group("values", "each may be given several times; all combinations are drawn")
    for name in ("base_lr", "warmup", "warmup_start", "warmup_shape", *family_params):
        flag = f"--{name.replace('_', '-')}"
        more.add_argument(flag, dest=f"value:{name}", type=_number_or_name, action="append", metavar="X")


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _lengths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"give whole epochs separated by commas, got {text!r}.") from None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


_READERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "Sequence[int]": _lengths,
    "Sequence[str": _names,  # of names or families
    "Sequence[str]": _names,
}
"""How a value is read, by the first word of the option's type; as text if it is not here."""


def _value_of(option: str, given: Sequence[str]) -> str | None:
    """What follows an option; None if it is not given."""
    for word, following in itertools.zip_longest(given, given[1:]):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        from importlib.metadata import version

        print(f"lrsearch {version('lrsearch')}")
        parser.exit()
