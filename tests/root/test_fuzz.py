"""Nonsense in, one line out: whatever is typed or read, it works or an `LrsearchError` says why.

``LRSEARCH_FUZZ=2500`` sets the number of cases for each property; failures are minimised.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lrsearch
from lrsearch.chosen_objective import make_objective
from lrsearch.cli import main
from lrsearch.commands import FORMATS
from lrsearch.errors import InputError, LrsearchError, StudyError
from lrsearch.families import parameters
from lrsearch.reports.export import export
from lrsearch.search import Budget, Plan, baselines, search
from lrsearch.search.session import runner
from lrsearch.spaces import FAMILIES, ScheduleSpace, default_space, space_from_dict, space_to_dict
from lrsearch.spaces.toml import space_from_toml
from lrsearch.spaces.toml_text import space_to_toml

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("LRSEARCH_FUZZ", "100"))
fuzz = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    derandomize=CASES <= 100,
)

NUMBERS = (
    "0",
    "-1",
    "1",
    "2.5",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "1e9",
    "9" * 400,
    "0x10",
    "1_0",
    "٣",
    "",
    " ",
)
TEXTS = (
    "",
    " ",
    "\0",
    "\n",
    ".",
    "..",
    "/",
    "a/b",
    "-",
    "--",
    "💥",
    "\ud800",
    "%s{}",
    "'\"`$(",
    "x" * 300,
    "</script>",
)
text = st.one_of(
    st.sampled_from([*NUMBERS, *TEXTS]), st.text(max_size=12), st.integers().map(str), st.floats().map(str)
)
json_value = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), text, st.sampled_from(["exp", "nan"])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@fuzz
@given(
    st.one_of(
        text,
        st.integers(),
        st.lists(
            st.tuples(
                st.sampled_from(NUMBERS) | st.integers().map(str), st.sampled_from(["h", "m", "s", "ep", "epochs", "H"])
            )
        ).map(lambda parts: "".join(number + unit for number, unit in parts)),
    )
)
def test_a_budget_is_a_positive_amount_or_refused(given_text: str | int) -> None:
    try:
        budget = Budget.parse(given_text)
    except InputError as error:
        assert_short(str(error))
        return
    assert 0 < budget.amount < 1e12
    assert str(budget)


def toml_text() -> st.SearchStrategy[str]:
    """TOML of the right shape with wrong values, a good one with a hole in it, or no TOML at all."""
    ends = st.sampled_from(
        [
            "0",
            "1",
            "0.5",
            "-1",
            "1e-9",
            "1e300",
            "nan",
            "inf",
            '"50%"',
            '"nan%"',
            '"1e999%"',
            '"x%"',
            "true",
            "[]",
            "1e9",
        ]
    )
    table = st.lists(st.tuples(st.sampled_from(["low", "high", "log", "step", "more"]), ends), unique_by=lambda t: t[0])
    value = st.one_of(
        ends,
        table.map(lambda pairs: "{" + ", ".join(f"{k} = {v}" for k, v in pairs) + "}"),
        st.sampled_from(
            ['["exp"]', "[1]", '["linear", "1-sqrt"]', '"epoch"', '"step"', '["exp", "exp"]', "2026-01-01"]
        ),
        st.tuples(ends, ends, st.sampled_from(["", ", log = true", ", step = 0.1", ", step = 0"])).map(
            lambda t: f"{{low = {t[0]}, high = {t[1]}{t[2]}}}"
        ),
    )
    params = [f"{name}.{p.name}" for name, family in FAMILIES.items() for p in family.params]
    keys = st.sampled_from(
        ["families", "interval", "base_lr", "warmup", "warmup_start", "nonsense", "exp", '""', *params]
    )
    shaped = st.dictionaries(keys, value, max_size=5).map(lambda d: "\n".join(f"{k} = {v}" for k, v in d.items()))
    good = space_to_toml(default_space("sgd", 10, tuple(FAMILIES)))
    torn = st.tuples(
        st.integers(0, len(good)), st.integers(0, 30), st.sampled_from(["", "-", "9", '"', "}", "\0"])
    ).map(lambda t: good[: t[0]] + t[2] + good[t[0] + t[1] :])
    return st.one_of(shaped, torn, st.text())


@fuzz
@given(toml_text(), st.sampled_from([1, 2, 10, 0.5, 1e6]))
def test_a_space_in_toml_gives_schedules_or_is_refused(given_text: str, horizon: float) -> None:
    try:
        space = space_from_toml(given_text, ScheduleSpace(horizon=horizon))
    except InputError as error:
        assert_short(str(error))
        return
    assert space_from_dict(json.loads(json.dumps(space_to_dict(space)))) == space
    try:
        schedules = [*space.sample(np.random.default_rng(0), 5), *baselines(space).values()]
    except InputError as error:  # a corner of the space that no schedule may take
        assert_short(str(error))
        return
    assert all(schedule.base_lr > 0 for schedule in schedules)


@pytest.fixture(scope="module")
def best(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "best.json").read_text())
    return record


@fuzz
@given(st.data())
def test_a_damaged_best_json_is_read_or_refused(best: dict[str, Any], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.json"
        path.write_bytes(data.draw(st.one_of(damaged(best), st.binary(max_size=50), json_value.map(as_bytes))))
        try:
            record = lrsearch.load(path)
            text = export(record, None, data.draw(st.sampled_from(FORMATS)))
        except LrsearchError as error:
            assert_short(str(error))
            return
    assert text


@st.composite
def damaged(draw: st.DrawFn, best: dict[str, Any]) -> bytes:
    """The file with some values replaced or missing, or cut off."""
    made: Any = json.loads(json.dumps(best))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = made
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], (dict, list)) and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.integers(0, 4)):
                at[key] = draw(json_value)
            else:
                del at[key]
            break
    whole = as_bytes(made)
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 5)) == 0 else whole


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


MODULES = {
    "good.py": b"def objective(run):\n    yield 1.0\n\ndef plain(run): return 1\nnumber = 3\n",
    "syntax.py": b"def (:",
    "raises.py": b"raise ValueError('no\\nno')",
    "leaves.py": b"import sys; sys.exit(3)",
    "nul.py": b"\0\0",
    "latin.py": b"# \xff\xfe\nx = 1",
    "base.py": b"class E(BaseException): pass\nraise E",
    "deep.py": b"(" * 5000,
    "lazy.py": b"def __getattr__(name): raise RuntimeError(name)",
    "odd name.py": b"def objective(run):\n    yield 1.0\n",
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    for name, content in MODULES.items():
        (folder / name).write_bytes(content)
    (folder / "folder.py").mkdir()
    return folder


@fuzz
@given(st.data())
def test_an_objective_is_loaded_or_refused(modules: Path, data: st.DataObject) -> None:
    where = st.one_of(
        st.sampled_from([*MODULES, "folder.py", "missing.py"]).map(lambda name: str(modules / name)),
        st.sampled_from(["json", "os.path", "..", ".json", "no.such", "lrsearch", "digits", "json ", "a-b"]),
        text,
    )
    name = st.one_of(st.sampled_from(["objective", "plain", "number", "__doc__", "x.y", "objective:objective"]), text)
    spec = data.draw(st.one_of(st.tuples(where, name).map(":".join), where, text))
    with untouched_imports():
        try:
            made = make_objective(spec, None, 2, "cpu", None)
        except LrsearchError as error:
            assert_short(str(error))
            return
    assert made.name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, for the commands that read one."""
    from bowl import Bowl

    from lrsearch.run_folder import write_outputs

    out = tmp_path_factory.mktemp("runs")
    result = search(Plan(Bowl(), default_space("sgd", 5), Budget.parse("6"), "bowl", str(out), jobs=1, device="cpu"))
    write_outputs(result)
    return out / "bowl"


@fuzz
@given(st.data())
def test_a_command_line_ends_with_an_exit_code_and_a_line(
    run: Path, modules: Path, monkeypatch_module: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        argv = data.draw(command_line(run, modules, Path(folder)))
        code, out, err = typed(argv, folder)
    assert code in (0, 1, 2), (code, err)
    assert "Traceback" not in err
    if code and "usage:" not in err:
        told, mark, error = err.partition("lrsearch: error: ")
        assert mark, err
        assert not told or told.startswith("Study "), "only a search that has begun says more than what was wrong"
        assert_short(error)
    assert code or out or err


@st.composite
def command_line(draw: st.DrawFn, run: Path, modules: Path, folder: Path) -> list[str]:
    """A command with options of its own; most values are of the right kind, the others anything."""
    number, whole = st.sampled_from(NUMBERS) | st.floats().map(str), st.sampled_from(NUMBERS) | st.integers().map(str)
    families = st.lists(st.sampled_from([*FAMILIES, "", "expo"]), max_size=3).map(",".join) | text
    runs = st.sampled_from([str(run)] * 4 + [str(run / "journal.log"), str(run / "best.json"), str(folder)]) | text
    target = st.sampled_from([str(folder / "file"), str(folder), str(folder / "a" / "b.html"), "/dev/null", "/proc/x"])
    storage = st.one_of(st.sampled_from(["redis://x", "://", "no://", "sqlite:////no/such", "mysql://a:b@c:x/d"]), text)
    space = folder / "space.toml"
    space.write_bytes(draw(toml_text()).encode("utf-8", "surrogatepass"))
    study = st.just("bowl") | text
    reading = {"--study": study, "--storage": storage}
    options: dict[str, dict[str, st.SearchStrategy[str] | None]] = {
        "run": {
            "--budget": text, "--epochs": whole, "--families": families, "--space": st.just(str(space)) | text,
            "--interval": st.sampled_from(["step", "epoch", "day"]), "--study": study, "--storage": storage,
            "--engine": st.sampled_from(["auto", "lanes", "processes", "single"]) | text, "--jobs": whole,
            "--device": st.sampled_from(["auto", "cpu", "cuda:99", "meta", "cpu:7"]) | text,
            "--sampler": st.sampled_from(["curve", "tpe", "gp", "random", "qmc"]) | text,
            "--pruner": st.sampled_from(["auto", "median", "halving", "hyperband", "none"]) | text,
            "--metric": text, "--maximize": None, "--seed": whole, "--json": None, "--optimizer": st.just("adamw"),
            "--model": st.just("mlp") | text, "--batch-size": whole, "--data-dir": text, "--subset": number,
            "--bf16": None, "--out": st.just(str(folder)) | target,
            "--backend": st.sampled_from(["ray", "dask", "slurm"]), "--address": st.just("127.0.0.1:9"),
        },
        "report": {**reading, "--output": target},
        "worker": {**reading, "--jobs": whole, "--device": st.just("cpu") | text, "--objective": text},
        "export": {
            **reading, "--format": st.sampled_from(FORMATS), "--trial": whole, "--epochs": number,
            "--steps-per-epoch": whole, "--base-lr": number, "--keep-warmup": None, "--output": target,
        },
        "preview": {
            "--family": st.sampled_from(list(FAMILIES)) | text, "--epochs": number,
            "--interval": st.sampled_from(["step", "epoch"]), "--html": target, "--base-lr": number, "--warmup": number,
            **{f"--{name.replace('_', '-')}": number | text for name in parameters(None)},
        },
        "families": {"--toml": None, "--families": families, "--epochs": whole, "--optimizer": st.just("adamw")},
        "tasks": {},
        "runs": {},
    }  # fmt: skip
    command = draw(st.sampled_from(list(options)))
    tasks = ["digits", "fashion-mnist", "digit", *(f"{modules / name}:objective" for name in MODULES)]
    first = {
        "run": st.sampled_from(tasks) | text,
        "report": runs, "export": runs, "runs": st.just(str(run.parent)) | target | text,
    }.get(command)  # fmt: skip
    argv = [command]
    if first is not None and draw(st.integers(0, 9)):
        argv.append(draw(first))
    argv += {"run": ["--out", str(folder)], "worker": ["--wait", "1s"]}.get(command, [])
    if options[command]:
        most = 5 if command in ("run", "preview") else 2
        for name in draw(st.lists(st.sampled_from(list(options[command])), max_size=most)):
            value = options[command][name]
            argv += [name] if value is None else [f"{name}={draw(value)}"]
    if not draw(st.integers(0, 19)):
        argv.append(draw(text))
    return argv


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    """Searches stop when their first trial would be trained; nothing is opened."""

    def stop(*args: Any, **kwargs: Any) -> NoReturn:
        raise StudyError("here training would begin.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "start", lambda *args: None)
        patch.setattr(runner, "choose_engine", stop)
        yield patch


def typed(argv: list[str], folder: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, encoded as a terminal's are.

    It is typed in `folder`: to ``--storage`` any text is the path of a new journal.
    """
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True) for errors in ("strict", "backslashreplace")
    )
    with redirect_stdout(out), redirect_stderr(err), untouched_imports():
        os.chdir(folder)
        try:
            code = main(argv)
        except SystemExit as left:
            code = int(left.code or 0)
    return code, *(stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[return-value]


@contextmanager
def untouched_imports() -> Iterator[None]:
    """Loading a user's file adds its folder to the path."""
    path, here = list(sys.path), os.getcwd()
    try:
        yield
    finally:
        sys.path[:] = path
        os.chdir(here)


def assert_short(message: str) -> None:
    """One line or two; a value may stand in it."""
    assert message.strip()
    assert message.strip().count("\n") <= 1, message
