"""Nothing that others have named is run, nothing that is secret is shown, and nothing is loaded that was not typed."""

from __future__ import annotations

import ast
import json
import os
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import Page
from results import made_result
from sqlalchemy.exc import OperationalError

import lrsearch
from lrsearch.chosen_objective import make_objective
from lrsearch.cli import main
from lrsearch.errors import InputError, LrsearchError, StudyError
from lrsearch.objectives.loading import _load
from lrsearch.parser import parse
from lrsearch.reports.dashboard.server import make_server
from lrsearch.reports.export import FORMATS, export
from lrsearch.reports.page.page import report_html
from lrsearch.run_folder import locate
from lrsearch.search import Plan, SearchResult, failures, open_storage, redact, search
from lrsearch.search.storage.passwords import scrub

EVIL = (
    '"""',
    "'''",
    "</script>",
    "<!--",
    "]]>",
    "\\",
    "\n",
    "\r",
    "\0",
    "\x0c",
    "\x85",
    "\u2028",
    "\u2029",
    "{{7*7}}",
    "${}",
)
evil = st.lists(st.sampled_from([*EVIL, "import os", "#", '"', "'", "\ud800", "é"]), min_size=1, max_size=6).map(
    "".join
)


def named(text: str) -> SearchResult:
    """A search in which everything that has a name is called `text`."""
    made = made_result(6, name=text, metric=text)
    trials = tuple(
        replace(t, baseline=text if t.baseline else None, reason=text, device=text, params={**t.params, "family": text})
        for t in made.trials
    )
    described = {**made.settings, "objective": text, "optimizer": text, text: text}
    session = {**made.sessions[0], "command": text, "device": text, "why": text, "versions": {text: text}}
    return replace(made, trials=trials, settings=described, sessions=(session,))


@settings(max_examples=60, deadline=None)
@given(evil)
def test_exported_code_has_the_same_statements_whatever_things_are_called(text: str) -> None:
    plain, nasty = named("plain"), named(text)
    for name in ("torch", "lightning", "timm", "transformers"):
        try:
            code = export(nasty.best, nasty, name)
        except InputError:
            continue
        assert ast.dump(ast.parse(code.encode())) == ast.dump(ast.parse(export(plain.best, plain, name).encode()))
    assert json.loads(export(nasty.best, nasty, "json").encode())["study"] == text


@settings(max_examples=15, deadline=None)
@given(evil)
def test_the_page_has_the_same_elements_whatever_things_are_called(text: str) -> None:
    plain, nasty = (Page(report_html(named(name), code=name)) for name in ("plain", text.replace("\0", "0")))
    assert [tag for tag, _ in nasty.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attrs) for _, attrs in nasty.tags] == [sorted(attrs) for _, attrs in plain.tags]
    json.loads(nasty.data)


@pytest.mark.parametrize("field", ["base_lr", "horizon", "warmup", "warmup_start", "family", "interval", "params"])
def test_code_in_a_schedule_of_a_json_file_is_refused(tmp_path: Path, field: str) -> None:
    made = made_result(6)
    facts = json.loads(export(made.best, made, "json"))
    code = "__import__('os').abort()"
    facts["schedule"][field] = {"gamma": code} if field == "params" else code
    path = tmp_path / "best.json"
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError):
        lrsearch.load(path)


class Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["best.json", "journal.log"])
def test_loading_never_unpickles(tmp_path: Path, name: str) -> None:
    path, sprung = tmp_path / name, tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(LrsearchError):
        lrsearch.load(path)
    assert not sprung.exists()


def test_reading_a_run_loads_no_code_and_a_task_none_from_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    job, trap = Path("job.py"), f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n"
    job.write_text("def objective(run):\n    for epoch in range(run.epochs):\n        yield run.schedule.base_lr\n")
    assert main(["run", "job.py:objective", "--budget", "3", "--epochs", "2", "--engine", "single"]) == 0
    for name in ("job", "digits", "objective", "torch_task", "sitecustomize"):
        Path(f"{name}.py").write_text(trap)
    for words in (["report"], ["export"], ["export", "--format", "json"]):
        assert main([words[0], "runs/objective", *words[1:]]) == 0
    assert main(["runs"]) == 0
    lrsearch.load("runs/objective")
    lrsearch.load("runs/objective/best.json")
    assert make_objective("digits", None, None, "cpu", None).name == "digits"
    assert not Path("sprung").exists()
    _load.cache_clear()
    assert main(["run", "job.py:objective", "--study", "other"]) == 2
    assert Path("sprung").exists()  # the trap works


PASSWORDS = ("secret", "se@cret", "se:cret", "se/cret", "s@e:c@ret", "sécret", "se cret")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("way", [str, quote, lambda text: quote(text, safe="")])
def test_passwords_in_urls_are_hidden(password: str, way: Callable[[str], str]) -> None:
    written = way(password)
    for url in (
        f"postgresql+psycopg://me:{written}@host:5432/db",
        f"mysql://:{written}@host/db",
        f"postgresql://host/db?user=me&password={written}&sslmode=on",
        f"postgresql://host/db?sslmode=on&sslpassword={written}",
        f"postgresql://host/db?access_token={written}",
    ):
        if " " in url:
            continue
        for text in (url, f"--storage={url}", f"connection to '{url}' failed"):
            assert "cret" not in redact(text), text
            assert "host" in redact(text)
        said = scrub(f"no such user: {password!r} ({written}, {quote(password)}) at {url}", url)
        assert "cret" not in said


def test_urls_without_a_password_are_shown_whole() -> None:
    for url in ("sqlite:////data/a:b/c.db", "postgresql://me@host:5432/db", "sqlite:///C:/a/b.db", "http://[::1]:80/"):
        assert redact(url) == url
        assert scrub(f"no {url}", url) == f"no {url}"


@pytest.mark.parametrize("password", PASSWORDS[:-1])
def test_a_storage_that_cannot_be_opened_does_not_tell_the_password(password: str) -> None:
    for url in (
        f"postgresql+psycopg://me:{password}@127.0.0.1:1/db",
        f"no+driver://me:{password}@h:x/d?password={password}",
    ):
        with pytest.raises(StudyError) as error:
            open_storage(url)
        assert "cret" not in str(error.value)
        assert error.value.__context__ is None or error.value.__suppress_context__


def test_a_storage_that_fails_later_does_not_tell_the_password() -> None:
    url = "postgresql://me:s%40cret@host/db"
    with pytest.raises(StudyError, match="once it is back") as error, failures(url):
        raise OperationalError("SELECT 1", {}, Exception(f"lost {url}, s@cret"))
    assert "cret" not in str(error.value)


def test_a_password_reaches_no_file_and_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], postgres_url: str
) -> None:
    job = tmp_path / "job.py"
    job.write_text("def objective(run):\n    for epoch in range(run.epochs):\n        yield run.schedule.base_lr\n")
    url = postgres_url.replace(":secret@", ":s%40cret@")
    words = ["run", f"{job}:objective", "--budget", "3", "--epochs", "2", "--out", str(tmp_path), "--storage", url]
    monkeypatch.setattr("sys.argv", ["lrsearch", *words])
    assert main(words) == 0
    monkeypatch.setenv("LRSEARCH_STORAGE", url)
    assert main(["report", str(tmp_path / "objective")]) == 0
    assert main(["export", "objective"]) == 0
    files = [p for p in (tmp_path / "objective").rglob("*") if p.is_file()]
    assert {"report.html", "best.json", "best.py"} <= {p.name for p in files}
    said = capfd.readouterr()
    for text in (*(p.read_text(encoding="utf-8") for p in files), said.out, said.err):
        assert "s%40cret" not in text
        assert "s@cret" not in text
    assert "--storage &#39;postgresql+psycopg://lrsearch:***@" in (tmp_path / "objective" / "report.html").read_text()
    sessions = lrsearch.load("objective", storage=url).sessions
    assert "cret" not in json.dumps(list(sessions))


def test_the_storage_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRSEARCH_STORAGE", "sqlite:///a.db")
    assert vars(parse(["run"]))["storage"] == "sqlite:///a.db"
    assert locate("x") == "sqlite:///a.db"
    assert vars(parse(["run", "--storage", "sqlite:///b.db"]))["storage"] == "sqlite:///b.db"
    monkeypatch.setenv("LRSEARCH_STORAGE", "")
    assert vars(parse(["run"]))["storage"] is None


def test_a_plan_that_is_printed_hides_its_storage(make_plan: Callable[..., Plan]) -> None:
    assert "secret" not in repr(make_plan("3", storage="mysql://me:secret@host/db"))


def test_the_dashboard_listens_on_this_machine_only(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan("3", sampler="random")
    search(plan)
    assert vars(parse(["dashboard", "x"]))["host"] == "127.0.0.1"
    with make_server(plan.where, plan.folder, port=0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"
        others = {str(a[4][0]) for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
        for address in others:
            if address.startswith("127."):
                continue
            with pytest.raises(OSError), socket.create_connection((address, server.server_port), timeout=2):  # noqa: PT011
                pass


def test_every_format_that_is_code_is_among_those_tested() -> None:
    assert {name for name, format in FORMATS.items() if format.suffix == ".py"} <= {
        "torch",
        "lightning",
        "timm",
        "transformers",
    }
