"""Writing Python: expressions, calls, dictionaries, and comments that say where the numbers came from."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from ...search import SearchResult, TrialRecord
from ..facts.fresh_seeds import standing
from ..facts.transfer import caution
from ..facts.verdict import expected
from ._source import Source, lrsearch_version

WIDTH = 88
"""Longest line, as Black and Ruff have it."""


def quoted(text: str, limit: int = 60) -> str:
    """Text from elsewhere as a Python string literal on one line, shortened: safe in code and in comments."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return repr("".join(c if c.isprintable() else " " for c in short))


def tidy(expression: str) -> str:
    """The same expression without needless brackets, factors and bounds."""
    plain = ast.unparse(ast.parse(expression, mode="eval"))
    plain = re.sub(r"(?<![\w.])1 \* (steps_per_epoch)", r"\1", plain)
    return re.sub(r"max\(1, (round\(([^() ]+) \* steps_per_epoch\))\)", _without_bound, plain)


def _without_bound(match: re.Match[str]) -> str:
    """More than half an epoch has at least one step."""
    return match[1] if float(match[2]) > 0.5 else match[0]


def names(texts: Iterable[str]) -> set[str]:
    """The variable names that expressions use."""
    return {node.id for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def call(head: str, arguments: Iterable[str], indent: int = 4) -> str:
    """``head(arguments)`` indented, on one line where it fits, else one argument per line."""
    words, pad = list(arguments), " " * indent
    line = f"{pad}{head}({', '.join(words)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{pad}{head}(", *(f"{pad}    {a}," for a in words), f"{pad})"])


def mapping(name: str, values: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    """A dictionary under `name`, one entry per line, with a comment for some entries."""
    notes = notes or {}
    lines = [f"    {_entry(k, v)},{f'  # {notes[k]}' if k in notes else ''}" for k, v in values.items()]
    return "\n".join([f"{name} = {{", *lines, "}"])


def _entry(key: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return f'"{key}": "{value}"' if isinstance(value, str) else f'"{key}": {value!r}'
    inner = [_entry(k, v) for k, v in value.items()]
    line = f'"{key}": {{{", ".join(inner)}}}'
    if len(line) + 5 <= WIDTH:
        return line
    return "\n".join([f'"{key}": {{', *(f"        {i}," for i in inner), "    }"])


def title(source: Source, what: str) -> str:
    """The docstring's first line; holds nothing that anybody else has named."""
    family = source.schedule.family
    article = "An" if family[0] in "aeiou" else "A"
    end = f"schedule {what}, found by lrsearch {lrsearch_version()}."
    long = f"{article} {family} learning-rate {end}"
    return long if len(long) + 3 <= WIDTH else f"A learning-rate {end}"


def provenance(source: Source) -> str:
    """Comment lines: the schedule in words, its study and trial, what it reached, against what."""
    lines = [_sentence(source.schedule.describe())]
    if source.schedule != source.record.schedule and source.record.schedule is not None:
        lines.append(_sentence(f"made from the trial's {source.record.schedule.describe()}"))
    known = expected(source.result, source.record) if source.result else None
    if known is not None and known.seeds and known.text:
        lines.append(quoted(known.text, 1000)[1:-1])
    lines.append(_origin(source))
    if source.result is not None:
        lines += _against(source.result, source.record)
        said = [standing(source.result, source.record), caution(source.result, source.schedule.horizon)]
        lines += [quoted(sentence, 1000)[1:-1] for sentence in said if sentence]
    return "\n".join(wrapped for line in lines for wrapped in _comment(line))


def _origin(source: Source) -> str:
    record, result = source.record, source.result
    trial = f"Trial {record.number}"
    if record.baseline:
        trial += f", the baseline {quoted(record.baseline)}"
    if result is None:
        return f"{trial}."
    job = quoted(str(result.settings.get("objective", "unknown")))
    value = "no value" if record.value is None else f"{quoted(result.metric)[1:-1]} {record.value:.4g}"
    ended = "" if record.outcome == "complete" else f" ({record.outcome})"
    end = f"{value}{ended} in the search, after {result.counting.trained(record.epochs)}"
    return f"{trial} of the study {quoted(result.name)} on {job}: {end}."


def _against(result: SearchResult, record: TrialRecord) -> list[str]:
    """Baselines other than the trial, with their values."""
    others = [t for t in result.baselines if t.number != record.number]
    shown = [f"{quoted(t.baseline or '')[1:-1]} {_value(t)}" for t in others]
    return [f"Baselines in the search: {', '.join(shown)}."] if shown else []


def _value(record: TrialRecord) -> str:
    done = record.outcome == "complete" and record.value is not None
    return f"{record.value:.4g}" if done else record.outcome


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
