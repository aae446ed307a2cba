"""Where a command's metrics are, if its script does not report them: in a file, in its output by a pattern, as JSON."""

from __future__ import annotations

import csv
import glob
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...errors import InputError, ObjectiveError

Fill = Callable[[str], str]
"""Puts a trial's values into a text with template fields."""


class Reader(Protocol):
    """Reads one trial's metrics as they come."""

    def read(self, *, last: bool) -> list[dict[str, float]]:
        """The metrics of the epochs since the last look; with `last`, nothing more will come."""

    def nothing(self) -> str:
        """Why there was nothing to read, in a line."""


class Source(Protocol):
    """Where metrics are, for every trial."""

    def reader(self, log: Path, fill: Fill) -> Reader:
        """The reader of one trial, made before its command starts."""

    def __str__(self) -> str:
        """The option that asks for it."""


@dataclass(frozen=True)
class MetricFile:
    """A column of a table that the command writes, as CSV, as TSV, or as JSON lines; each row is an epoch.

    Args:
        path: The file, with template fields and wild cards; of several that fit, the newest.
        metric: The column that ranks trials; other columns with numbers are kept, too.
    """

    path: str
    metric: str

    @classmethod
    def parse(cls, text: str) -> MetricFile:
        """Of ``FILE:COLUMN``; raises `InputError`."""
        path, colon, metric = text.rpartition(":")
        if not (path and colon and metric):
            raise InputError(f"--metric-file is FILE:COLUMN, as summary.csv:eval_loss, got {text!r}.")
        return cls(path, metric)

    def reader(self, log: Path, fill: Fill) -> Reader:
        """See `Source.reader`."""
        return _FileReader(fill(self.path), self.metric)

    def __str__(self) -> str:
        return f"--metric-file {self.path}:{self.metric}"


@dataclass(frozen=True)
class MetricPattern:
    """A regular expression that is looked for in every line of the output; each match is an epoch.

    Args:
        pattern: It has one group, the number; or named groups, a number each.
        metric: What the number of an unnamed group is called.
    """

    pattern: str
    metric: str

    def __post_init__(self) -> None:
        try:
            compiled = re.compile(self.pattern)
        except re.error as error:
            raise InputError(f"--metric-regex {self.pattern!r} is no regular expression: {error}.") from None
        if not compiled.groups or (compiled.groups > 1 and len(compiled.groupindex) < compiled.groups):
            raise InputError(
                f"--metric-regex {self.pattern!r} needs one group for the number, as val_loss=(\\S+), or named groups, "
                "as (?P<val_loss>\\S+)."
            )

    def reader(self, log: Path, fill: Fill) -> Reader:
        """See `Source.reader`."""
        return _PatternReader(_Tail(log), re.compile(self.pattern), self.metric)

    def __str__(self) -> str:
        return f"--metric-regex {self.pattern}"


@dataclass(frozen=True)
class MetricJson:
    """Lines of the output that are JSON objects with the metric in them; each is an epoch.

    Args:
        metric: The name to look for.
    """

    metric: str

    def reader(self, log: Path, fill: Fill) -> Reader:
        """See `Source.reader`."""
        return _JsonReader(_Tail(log), self.metric)

    def __str__(self) -> str:
        return "--metric-json"


def source_of(said: str, metric: str) -> Source:
    """The source that says so of itself, where `metric` ranks trials."""
    option, _, rest = said.partition(" ")
    if option == "--metric-file":
        return MetricFile.parse(rest)
    return MetricPattern(rest, metric) if option == "--metric-regex" else MetricJson(metric)


class _Tail:
    """The lines that are added to a file, from its present end on; a carriage return ends one, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = os.path.getsize(path) if path.exists() else 0
        self._rest = ""

    def lines(self, *, last: bool) -> list[str]:
        """The whole lines that were added since; with `last`, what is left counts as one."""
        with open(self._path, "rb") as file:
            file.seek(self._at)
            written = file.read()
        self._at += len(written)
        *lines, self._rest = re.split(r"[\r\n]+", self._rest + written.decode("utf-8", "replace"))
        if last:
            lines, self._rest = [*lines, self._rest], ""
        return [line for line in lines if line.strip()]


class _PatternReader:
    def __init__(self, tail: _Tail, pattern: re.Pattern[str], metric: str) -> None:
        self._tail, self._pattern, self._metric = tail, pattern, metric

    def read(self, *, last: bool) -> list[dict[str, float]]:
        return [self._numbers(m) for line in self._tail.lines(last=last) for m in self._pattern.finditer(line)]

    def _numbers(self, match: re.Match[str]) -> dict[str, float]:
        texts = match.groupdict() or {self._metric: match[1]}
        return {name: _number(text, match[0]) for name, text in texts.items() if text is not None}

    def nothing(self) -> str:
        return f"no line of its output has {self._pattern.pattern!r}, the --metric-regex"


class _JsonReader:
    def __init__(self, tail: _Tail, metric: str) -> None:
        self._tail, self._metric = tail, metric
        self._seen: set[str] = set()

    def read(self, *, last: bool) -> list[dict[str, float]]:
        rows = [row for line in self._tail.lines(last=last) if (row := _object(line)) is not None]
        self._seen.update(name for row in rows for name in row)
        return [_plain_numbers(row, self._metric) for row in rows if self._metric in row]

    def nothing(self) -> str:
        if self._seen:
            return f"its JSON lines have no {self._metric!r}, only {_listed(self._seen)}: choose one with --metric"
        return "no line of its output is a JSON object, which --metric-json looks for"


class _FileReader:
    """Reads the rows that a file gains; those that it had before the trial began are another training's."""

    def __init__(self, path: str, metric: str) -> None:
        self._path, self._metric = path, metric
        self._old = {name: (os.stat(name).st_mtime_ns, Path(name).read_bytes()) for name in self._files()}
        self._rows = 0
        self._columns: set[str] = set()

    def _files(self) -> list[str]:
        return [f for f in glob.glob(self._path, recursive=True) if os.path.isfile(f)]

    def read(self, *, last: bool) -> list[dict[str, float]]:
        dated = [(os.path.getmtime(f), f) for f in self._files()]
        if not dated:
            return []
        newest = max(dated)[1]
        (changed, old), text = self._old.get(newest, (0, b"")), Path(newest).read_bytes()
        if text == old and not (last and os.stat(newest).st_mtime_ns != changed):
            return []
        if not last and not text.endswith(b"\n"):
            text = text[: text.rfind(b"\n") + 1]
        appended = len(text) > len(old) and text.startswith(old)
        before = len(_table(old.decode("utf-8", "replace"))) if appended else 0
        rows = _table(text.decode("utf-8", "replace"))[before:]
        new, self._rows = rows[self._rows :], max(self._rows, len(rows))
        self._columns.update(name for row in rows for name in row)
        if new and not any(self._metric in row for row in rows):
            raise ObjectiveError(
                f"{newest} has no column {self._metric!r}, only {_listed(self._columns)}: name one in --metric-file."
            )
        return [_plain_numbers(row, self._metric) for row in new if row.get(self._metric) not in (None, "")]

    def nothing(self) -> str:
        return f"it wrote no row into {self._path!r}, the --metric-file"


def _table(text: str) -> list[dict[str, Any]]:
    """The rows of a table with a header, or of JSON lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    if lines[0].lstrip().startswith("{"):
        return [row for line in lines if (row := _object(line)) is not None]
    separator = max(",\t;", key=lines[0].count)
    return [
        {k.strip(): v for k, v in row.items() if isinstance(k, str)}
        for row in csv.DictReader(lines, delimiter=separator)
    ]


def _object(line: str) -> dict[str, Any] | None:
    """The JSON object that a line is, if it is one."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _plain_numbers(row: dict[str, Any], metric: str) -> dict[str, float]:
    """The numbers of a row; the metric has to be one."""
    numbers = {metric: _number(row[metric], f"{metric}: {row[metric]!r}")}
    for name, value in row.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            continue
    return numbers


def _number(value: Any, where: str) -> float:
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value.strip(" ,;:%)]}'\"") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        raise ObjectiveError(f"{value!r} is not a number, in {where!r}.") from None


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
