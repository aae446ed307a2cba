"""Print docs/cli.md from the parser itself. Usage: uv run python docs/make_cli.py > docs/cli.md"""

from __future__ import annotations

import argparse

from lrsearch.parser import make_parser

HEAD = """# Command line

Made by `docs/make_cli.py` from the parser. Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted (and resumable).
"""


def reference() -> str:
    """Every command with its options, as Markdown."""
    (commands,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    parts = [HEAD]
    for name, parser in commands.choices.items():
        parts.append(f"## lrsearch {name}\n{parser.description}\n")
        rows = [row(a) for a in parser._actions if not isinstance(a, argparse._HelpAction)]
        if name == "preview":
            rows.append("| `--PARAMETER X` | any parameter of a family, see lrsearch families; may be repeated |")
        if rows:
            parts.append("| option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def row(action: argparse.Action) -> str:
    """A table row for an option."""
    name = action.option_strings[-1] if action.option_strings else action.dest.upper()
    value = ""
    if action.option_strings and action.nargs != 0:
        value = " " + ("\\|".join(action.choices) if action.choices else str(action.metavar or action.dest.upper()))
    return f"| `{name}{value}` | {(action.help or 'a value to draw; may be repeated').replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    print(reference(), end="")
