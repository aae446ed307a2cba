"""optuna-dashboard on our studies: what we add is there, is written once, and disturbs nobody."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import optuna
import pytest
from bowl import Slow
from schedules import make_record, make_result

from lrsearch.errors import InputError, StudyError
from lrsearch.reports.dashboard.server import (
    ARTIFACTS,
    PORTS,
    Server,
    address,
    errors_in_lines,
    make_server,
    prepare,
    serve,
)
from lrsearch.reports.dashboard.texts import lr_and_loss, study_note, trial_csv, trial_note, trial_svg
from lrsearch.search import Plan, SearchResult, load_result, open_storage, search
from lrsearch.search.storage.dashboard_notes import KEPT
from lrsearch.spaces import Schedule

pytestmark = pytest.mark.filterwarnings("ignore:Some regimes for parameter:UserWarning")  # the dashboard's importances
CHROMIUM = "/usr/bin/chromium"
NASTY = "<script>alert(1)</script> | `x` [y](z)\n# w"


@pytest.fixture
def run(digits_run: SearchResult, tmp_path: Path) -> SearchResult:
    """A copy of a real run, for adding things to."""
    assert digits_run.folder is not None
    folder = shutil.copytree(digits_run.folder, tmp_path / "digits")
    return read(folder)


def read(folder: Path) -> SearchResult:
    return load_result(open_storage(str(folder / "journal.log")), None, str(folder))


def journal(result: SearchResult) -> str:
    return f"{result.folder}/journal.log"


def get_study(result: SearchResult, where: str | None = None) -> optuna.Study:
    return optuna.load_study(study_name=result.name, storage=open_storage(where or journal(result)))


def user_attrs(where: str) -> dict[str, Any]:
    studies = open_storage(where).get_all_studies()
    return studies[0].user_attrs if studies else {}


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server answers in a thread."""
    thread = threading.Thread(
        target=server.serve_forever, args=(0.01,), daemon=True
    )  # it looks so often whether to stop
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def get(server: Server, path: str) -> Any:
    """What the dashboard's API answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}") as answer:
        return json.loads(answer.read())


@pytest.mark.slow
def test_preparing_adds_a_note_a_plot_and_files(run: SearchResult) -> None:
    assert prepare(run, journal(run))
    with serving(make_server(journal(run), run.folder, port=0)) as server:
        study = get(server, "/api/studies/0")
        best = next(t for t in study["trials"] if t["number"] == run.best.number)
        assert study["note"]["body"].startswith("## lrsearch\n\n**")
        assert [plot["id"] for plot in study["plotly_graph_objects"]] == ["lr-and-loss"]
        assert "build_scheduler" in best["note"]["body"]
        names = {a["filename"]: a for a in best["artifacts"]}
        assert set(names) == {f"trial_{run.best.number}_{x}" for x in ("lr_and_loss.svg", "epochs.csv")}
        for name, artifact in names.items():
            url = f"http://127.0.0.1:{server.server_port}/artifacts/0/{best['trial_id']}/{artifact['artifact_id']}"
            with urllib.request.urlopen(url) as answer:
                text = trial_csv(run.best) if name.endswith("csv") else trial_svg(run.best)
                assert answer.read().decode() == text


def test_preparing_twice_writes_once(run: SearchResult) -> None:
    size = os.path.getsize(journal(run))
    assert prepare(run, journal(run))
    grown = os.path.getsize(journal(run))
    assert grown - size < 60_000
    assert not prepare(run, journal(run))
    assert os.path.getsize(journal(run)) == grown
    assert read(Path(str(run.folder))).trials == run.trials


def test_a_study_that_went_on_gets_new_ones(make_plan: Callable[..., Plan]) -> None:
    first = search(make_plan("6"))
    prepare(first, journal(first))
    study = get_study(first)
    before = study._storage.get_study_system_attrs(0)
    second = search(make_plan("20"))
    assert prepare(second, journal(second))
    after = get_study(second)._storage.get_study_system_attrs(0)
    assert before["dashboard:note_str:0"] != after["dashboard:note_str:0"]
    plots = {key.split(":")[2] for key in after if key.startswith("dashboard:plot_data:")}
    assert plots == {"lr-and-loss"}


def test_text_that_users_add_to_a_note_is_kept(run: SearchResult) -> None:
    from optuna_dashboard import get_note, save_note

    study = get_study(run)
    save_note(study, "my own words")
    prepare(run, journal(run))
    note = get_note(get_study(run))
    assert note == f"{study_note(run)}\n\n{KEPT}\n\nmy own words"
    save_note(get_study(run), note + " and more")
    changed = replace(run, trials=run.trials[:-1])
    prepare(changed, journal(run))
    assert get_note(get_study(run)).endswith(f"{KEPT}\n\nmy own words and more")


def test_a_study_without_a_complete_trial(make_plan: Callable[..., Plan]) -> None:
    result = search(make_plan("1"))
    nothing = replace(result, trials=())
    assert prepare(nothing, journal(result))
    assert lr_and_loss(nothing) is None
    assert "no answer yet" in study_note(nothing)


def test_diverged_trials_do_not_break_the_dashboard(make_plan: Callable[..., Plan]) -> None:
    result = search(make_plan("12", sampler="random", pruner="none"))
    assert "diverged" in result.counts()
    prepare(result, journal(result))
    with serving(make_server(journal(result), result.folder, port=0)) as server:
        assert len(get(server, "/api/studies/0")["trials"]) >= 12


def test_a_database_works_too(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/studies.db"
    result = search(make_plan("5", storage=where))
    assert prepare(result, where)
    assert not prepare(result, where)
    with serving(make_server(where, result.folder, port=0)) as server:
        study = get(server, f"/api/studies/{get_study(result, where)._study_id}")
        assert study["plotly_graph_objects"]
        assert sum(len(t["artifacts"]) for t in study["trials"]) == 2 * min(5, len(result.ranking))


def test_names_from_a_study_stay_text() -> None:
    record = make_record(Schedule("exp", 0.1, 5), baseline=NASTY, metrics={f"{NASTY}\x00 loss": (1.0, 2.0)})
    result = make_result(record, name=NASTY, objective=NASTY, metric=f"{NASTY}\x00 loss")
    for note in (study_note(result), trial_note(result, record, 1).partition("```")[0]):
        assert "<script>" not in note.replace("\\<script\\>", "")
        assert "\n# w" not in note
    assert not list(ElementTree.fromstring(trial_svg(record)).iter("script"))
    assert "<script>" not in json.dumps(lr_and_loss(result))
    assert trial_csv(record).startswith("epoch,lr,")


@pytest.mark.slow
def test_a_search_goes_on_undisturbed(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    alone = search(make_plan("8", objective=Slow(), study="alone"))
    plan = make_plan("8", objective=Slow(), study="watched")
    watched: list[SearchResult] = []
    thread = threading.Thread(target=lambda: watched.append(search(plan)))
    thread.start()
    while not Path(plan.where).exists() or "settings" not in user_attrs(plan.where):
        time.sleep(0.05)
    seen = set()
    with serving(make_server(plan.where, plan.folder, port=0)) as server:
        while thread.is_alive():
            prepare(read(plan.folder), plan.where)
            seen.add(len(get(server, "/api/studies/0")["trials"]))
            time.sleep(0.1)
    thread.join()
    assert len(seen) > 1
    assert [t.params for t in watched[0].trials] == [t.params for t in alone.trials]
    assert watched[0].counts() == alone.counts()


def test_a_taken_port_is_left_for_the_next_one(run: SearchResult) -> None:
    with make_server(journal(run), run.folder, port=0) as first:
        port = first.server_port
        with make_server(journal(run), run.folder, port=port) as second:
            assert port < second.server_port <= port + PORTS
            assert second.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"port": 70000}, "port must be"),
        ({"host": "203.0.113.1"}, "cannot listen"),
        ({"host": "no.such.host"}, "cannot"),
    ],
)
def test_an_address_that_cannot_be_used(run: SearchResult, where: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_server(journal(run), run.folder, **where)


def test_the_last_port_is_taken(run: SearchResult) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 65535))
        holder.listen()
        with pytest.raises(InputError, match=r"65535 on 127\.0\.0\.1 are all taken"):
            make_server(journal(run), run.folder, port=65535)


def test_a_storage_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be opened"):
        prepare(make_result(), f"{tmp_path}/no/such/journal.log")


def test_a_database_that_may_only_be_read_is_told_in_a_line(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    result = search(make_plan("4", storage=f"sqlite:///{tmp_path}/db"))
    with pytest.raises(StudyError, match="attempt to write a readonly database"):
        serve(result, f"sqlite:///file:{tmp_path}/db?mode=ro&uri=true", port=0)


def test_a_database_that_fails_later_is_told_in_a_line_and_once(
    make_plan: Callable[..., Plan], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/db"
    result = search(make_plan("4", storage=url))
    with make_server(url, result.folder, port=0) as server, errors_in_lines(url):
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with sqlite3.connect(tmp_path / "db") as database:
            database.execute("DROP TABLE studies")
        database.close()
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as failed:
                urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/api/studies")
            failed.value.close()
        server.shutdown()
    assert [r.getMessage() for r in caplog.records] == [
        "lrsearch: the dashboard could not answer a request: (sqlite3.OperationalError) no such table: studies"
    ]


def test_a_link_in_a_strangers_folder_is_replaced_and_never_followed(run: SearchResult, tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine.txt", tmp_path / "strange"
    mine.write_text("mine")
    shutil.copytree(str(run.folder), folder, ignore=shutil.ignore_patterns(ARTIFACTS))
    strange = load_result(open_storage(str(folder / "journal.log")), run.name, str(folder))
    prepare(strange, journal(strange))
    files = list((folder / ARTIFACTS).iterdir())
    assert files
    for file in files:
        file.unlink()
        file.symlink_to(mine)
    with serving(make_server(journal(strange), folder, port=0)) as server:
        study = get_study(strange)._study_id
        for file in files:
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/artifacts/{study}/{file.name}")
            assert error.value.code == 404
            error.value.close()
    study_attrs = open_storage(journal(strange))
    study_attrs.set_study_system_attr(study_attrs.get_study_id_from_name(run.name), "lrsearch:dashboard", "old")
    assert prepare(strange, journal(strange))
    assert mine.read_text() == "mine"
    assert not any(file.is_symlink() for file in files)


def test_an_artifact_folder_that_is_a_link_is_refused(run: SearchResult, tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "strange"
    elsewhere.mkdir()
    shutil.copytree(str(run.folder), folder, ignore=shutil.ignore_patterns(ARTIFACTS))
    (folder / ARTIFACTS).symlink_to(elsewhere)
    with pytest.raises(StudyError, match="is a link to another folder"):
        make_server(journal(run), folder, port=0)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        ("GET", {}, True),
        ("GET", {"Host": "localhost:{port}"}, True),
        ("GET", {"Host": "[::1]:{port}"}, True),
        ("GET", {"Host": "rebound.example"}, False),
        ("GET", {"Host": "rebound.example:{port}"}, False),
        ("GET", {"Host": ""}, False),
        ("PUT", {"Origin": "http://127.0.0.1:{port}"}, True),
        ("PUT", {}, True),
        ("PUT", {"Origin": "http://elsewhere.example"}, False),
        ("DELETE", {"Origin": "null"}, False),
        ("POST", {"Origin": "http://localhost:{port}"}, False),
    ],
)
def test_only_its_own_address_and_pages_may_talk_to_it(
    run: SearchResult, method: str, headers: dict[str, str], allowed: bool
) -> None:
    with serving(make_server(journal(run), run.folder, port=0)) as server:
        sent = {name: value.format(port=server.server_port) for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request(method, "/api/no-such-page", headers=sent)
        assert (connection.getresponse().status != 403) == allowed
        connection.close()


@pytest.mark.slow
def test_serving_ends_with_ctrl_c(run: SearchResult) -> None:
    code = (
        "import sys; from lrsearch.search import *; folder = sys.argv[1];"
        "from lrsearch.reports.dashboard.server import serve;"
        "where = folder + '/journal.log'; serve(load_result(open_storage(where), None, folder), where, port=0)"
    )
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # what runs the tests may ignore it
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(run.folder)], stderr=subprocess.PIPE, text=True, preexec_fn=heard
    )
    assert server.stderr is not None
    assert server.stderr.readline() == "Preparing the notes for the dashboard ...\n"
    line = server.stderr.readline()
    assert line.startswith("Dashboard: http://127.0.0.1:")
    url = line.split()[1].rstrip(";")
    assert urllib.request.urlopen(url).status == 200
    server.send_signal(signal.SIGINT)
    assert server.wait(300) == 0
    assert server.stderr.read() == ""
    server.stderr.close()


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of the system's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        opened = browser.new_page(viewport={"width": 1400, "height": 2000})
        opened.set_default_timeout(120_000)
        yield opened
        browser.close()


@pytest.mark.slow
@pytest.mark.browser
def test_the_pages_show_our_plot_notes_and_files(run: SearchResult, page: Any) -> None:
    prepare(run, journal(run))
    errors: list[str] = []
    outside: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    with serving(make_server(journal(run), run.folder, port=0)) as server:
        home = f"http://127.0.0.1:{server.server_port}/"
        page.on("request", lambda q: None if q.url.startswith((home, "data:", "blob:")) else outside.append(q.url))
        note = address(server, journal(run), run.name)
        url = note.removesuffix("/note")
        page.goto(url)
        plot = page.locator("[id='user-defined-plot:lr-and-loss']")
        plot.locator("text=learning rate").first.wait_for(timeout=120_000)
        assert plot.locator(".legendtext").all_text_contents()[0].startswith("recommended, trial")
        page.goto(note)
        page.locator("text=than the best baseline").or_(page.locator("text=beat this baseline")).first.wait_for()
        page.goto(f"{url}/trials?numbers={run.best.number}")
        page.locator("text=complete trials in the search itself").first.wait_for()
        page.locator("text=build_scheduler").first.wait_for()
        picture = page.locator("img[src*='/artifacts/']")
        picture.first.wait_for()
        assert picture.first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert not errors
    assert not outside
