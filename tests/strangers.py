"""A real journal, which tests make a stranger's, and all that read a study: none may fail, or make its words code."""

from __future__ import annotations

import ast
import gzip
import io
import json
import tempfile
import tokenize
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pages import Page
from rich.console import Console

from lrsearch.errors import LrsearchError
from lrsearch.reports.dashboard.server import prepare
from lrsearch.reports.export import FORMATS, export, read_best, write_best
from lrsearch.reports.images import slide
from lrsearch.reports.page.page import report_html
from lrsearch.reports.terminal.json_output import print_json
from lrsearch.reports.terminal.run_list import print_runs, run_rows
from lrsearch.reports.terminal.summary import print_summary
from lrsearch.run_folder import load
from lrsearch.search import SearchResult

MARK = "STRANGER"
GOLDEN = Path(__file__).parent / "golden" / "journal.log.gz"


@cache
def lines(name: str) -> tuple[str, ...]:
    """The journal of a search: with all that a study can hold, or of its first trials alone."""
    whole = gzip.decompress(GOLDEN.read_bytes()).decode().splitlines()
    return tuple(whole) if name == "whole" else tuple(whole[:110])


def whole() -> list[Any]:
    """The journal with all that a study can hold."""
    return [json.loads(line) for line in lines("whole")]


def look_at_all(logs: list[Any], readers: Iterable[int] | None = None) -> None:
    """Let these readers, by default all, see the study of a journal of these lines; each may refuse it in a line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "golden"
        folder.mkdir()
        text = "".join(json.dumps(log) + "\n" for log in logs)
        (folder / "journal.log").write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            result = load(folder)
        except LrsearchError as error:
            assert_line(error)
            return
        assert isinstance(result, SearchResult)
        for reader in sorted(range(len(READERS)) if readers is None else readers):
            try:
                READERS[reader](result, folder)
            except LrsearchError as error:
                assert_line(error)


def assert_line(error: LrsearchError) -> None:
    assert str(error)
    assert len(str(error)) < 4000 + 2 * len(MARK * 2000)  # a name stands in it, at most twice


def reads_code(result: SearchResult, folder: Path) -> None:
    for name, format in FORMATS.items():
        try:
            code = export(result.best, result, name)
        except LrsearchError as error:
            assert_line(error)
            continue
        if format.suffix == ".py":
            ast.parse(code.encode("utf-8", "surrogatepass") if "\ud800" in code else code)
            tokens = tokenize.generate_tokens(io.StringIO(code).readline)
            assert not [t for t in tokens if MARK in t.string and t.type != tokenize.COMMENT]
        elif name == "json":
            json.loads(code)


def reads_page(result: SearchResult, folder: Path) -> None:
    code = export(result.best, result, "torch") if result.ranking else ""
    page = Page(report_html(result, code=code))
    for tag, attrs in page.tags:
        assert MARK not in tag
        assert not [a for a in attrs if MARK.lower() in a or a.startswith("on")], attrs
        assert not [v for v in attrs.values() if v and v.strip().lower().startswith(("javascript:", "data:text"))]
    assert len(page.all("script")) <= 8
    json.loads(page.data)


def reads_terminal(result: SearchResult, folder: Path) -> None:
    out = io.StringIO()
    print_summary(result, Console(file=out, width=100))
    assert "\x1b" not in out.getvalue()


def reads_json_lines(result: SearchResult, folder: Path) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        print_json(result)
    for line in out.getvalue().splitlines():
        json.loads(line)


def reads_list(result: SearchResult, folder: Path) -> None:
    out = io.StringIO()
    print_runs(run_rows(folder.parent, load), Console(file=out, width=100))
    assert "\x1b" not in out.getvalue()


def reads_slide(result: SearchResult, folder: Path) -> None:
    drawing = ElementTree.fromstring(slide(result))
    for element in drawing.iter():
        assert not element.tag.endswith(("script", "foreignObject"))
        assert not [name for name in element.attrib if MARK in name or name.endswith("href") or name.startswith("on")]


def reads_best(result: SearchResult, folder: Path) -> None:
    write_best(result, folder)
    assert read_best(folder / "best.json").schedule == result.best.schedule


def reads_dashboard(result: SearchResult, folder: Path) -> None:
    prepare(result, str(folder / "journal.log"))


READERS: tuple[Callable[[SearchResult, Path], None], ...] = (
    reads_code,
    reads_page,
    reads_terminal,
    reads_json_lines,
    reads_list,
    reads_slide,
    reads_best,
    reads_dashboard,
)
