"""Storages under load: trials per second of many workers; time to open, ask and report with many trials.

Usage: uv run python benchmarks/storage.py throughput|size [--storages journal,sqlite,postgres] [--trials N ...]

A trial is a real one (ask, schedule, ten reports, notes, tell) of an objective that trains nothing. PostgreSQL is
started from the system's package; it is left out, with the reason, where there is none.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa

from lrsearch.objectives import Measurement
from lrsearch.run_folder import write_report
from lrsearch.search import load_result, make_pruner, make_sampler, open_storage
from lrsearch.search.notes.study import Settings
from lrsearch.search.storage.lines import written
from lrsearch.search.storage.studies import open_study
from lrsearch.search.trial.run import run_trial
from lrsearch.search.trial.settings import Terms
from lrsearch.spaces import Schedule, default_space, space_to_dict

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres import NoPostgres, postgres

EPOCHS = 10
SPACE = default_space("sgd", EPOCHS)
TERMS = Terms(SPACE, "val_loss", False, EPOCHS, 0, "cpu")
SETTINGS = Settings(
    metric="val_loss",
    maximize=False,
    epochs=EPOCHS,
    seed=0,
    space=space_to_dict(SPACE),
    job={"objective": "dummy", "optimizer": "sgd"},
)
TEMPLATE = 1000
"""Trials that are really run; larger studies repeat them."""
PATIENCE_S = 300
"""Seconds after which a measurement is given up."""


class Dummy:
    """Trains nothing; its loss depends on base_lr."""

    name, optimizer, epochs = "dummy", "sgd", EPOCHS
    steps_per_epoch: int | None = 20
    start_loss: float | None = 100.0

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        """See `Objective.run`."""
        for epoch in range(1, epochs + 1):
            loss = abs(schedule.base_lr - 0.1) + 1 / epoch
            yield Measurement(epoch, {"train_loss": loss, "val_loss": loss}, schedule.base_lr, 0.001)

    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`."""
        return {"objective": self.name}


def create(where: str) -> None:
    """Make the empty study."""
    open_study(open_storage(where), "dummy", SETTINGS, make_sampler("random", 0, SPACE), optuna.pruners.NopPruner())


def work(where: str, seed: int, trials: int, ready: Any) -> None:
    """A worker: opens the study, waits for the others, runs its share."""
    sampler = make_sampler("random", seed, SPACE)
    study = optuna.load_study(
        study_name="dummy", storage=open_storage(where), sampler=sampler, pruner=optuna.pruners.NopPruner()
    )
    ready.wait()
    try:
        for _ in range(trials):
            run_trial(study, Dummy(), TERMS)
    except Exception:
        ready.abort()  # or the others would wait for ever
        raise
    ready.wait()


def rate(where: str, workers: int, trials: int) -> float | None:
    """Trials per second of all workers together, checked to be complete; None if a worker failed."""
    create(where)
    fork = multiprocessing.get_context("fork")  # the imports, done once, take longer than the trials
    ready = fork.Barrier(workers + 1)
    processes = [fork.Process(target=work, args=(where, n, trials // workers, ready)) for n in range(workers)]
    for process in processes:
        process.start()
    ready.wait()
    begun = time.perf_counter()
    with suppress(threading.BrokenBarrierError):
        ready.wait()
    seconds = time.perf_counter() - begun
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        return None
    numbers = [t.number for t in load_result(open_storage(where), "dummy").trials if t.outcome == "complete"]
    assert numbers == list(range(trials // workers * workers)), "a trial is missing"
    return len(numbers) / seconds


def throughput(storages: list[str], trials: int, times: int) -> None:
    """Print the table of trials per second."""
    counts = (1, 4, 8)
    print(f"| storage | {' | '.join(f'{n} workers' for n in counts)} |\n|---|{'---:|' * len(counts)}")
    for kind in storages:
        cells = []
        for workers in counts:
            rates = []
            for _ in range(times):
                with storage(kind) as where:
                    rates.append(rate(where, workers, trials))
            measured = [r for r in rates if r is not None]
            failed = f", {len(rates) - len(measured)} failed" if len(measured) < len(rates) else ""
            shown = (
                f"{statistics.median(measured):.1f} ({min(measured):.1f} to {max(measured):.1f}{failed})"
                if measured
                else "failed"
            )
            cells.append(shown)
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


@contextmanager
def storage(kind: str) -> Iterator[str]:
    """A fresh storage's place; PostgreSQL waits for the disk, as the others do."""
    if kind == "postgres":
        with postgres(durable=True) as url:
            yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        yield f"{folder}/journal.log" if kind == "journal" else f"sqlite:///{folder}/study.db"


def fill(where: str, trials: int) -> None:
    """A study of `trials` trials: the first ones are real, the others copies of them in the storage's own form."""
    create(where)
    study = optuna.load_study(
        study_name="dummy",
        storage=open_storage(where),
        sampler=make_sampler("random", 0, SPACE),
        pruner=optuna.pruners.NopPruner(),
    )
    for _ in range(min(trials, TEMPLATE)):
        run_trial(study, Dummy(), TERMS)
    if "://" in where:
        _copy_rows(where, trials // TEMPLATE)
    else:
        _copy_lines(Path(where), trials // TEMPLATE)


def _copy_lines(journal: Path, times: int) -> None:
    last = journal.read_bytes().splitlines(keepends=True)[-1]
    logs = [log for log in map(json.loads, journal.read_text().splitlines()) if log["op_code"] >= 4]
    with journal.open("ab") as file:
        for n in range(1, times):
            lines = written([_moved(log, n * TEMPLATE) for log in logs], last)
            last = lines.splitlines(keepends=True)[-1]
            file.write(lines)


def _moved(log: dict[str, Any], by: int) -> dict[str, Any]:
    return {**log, "trial_id": log["trial_id"] + by} if "trial_id" in log else log


def _copy_rows(where: str, times: int) -> None:
    engine, tables = sa.create_engine(where), sa.MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for name in ("trials", *(t for t in sorted(tables.tables) if t.startswith("trial_"))):
            table = tables.tables[name]
            (key,) = table.primary_key
            if name == "trial_heartbeats" or not (width := connection.scalar(sa.select(sa.func.max(key)))):
                continue
            own = (
                {"trial_id": TEMPLATE, "number": TEMPLATE}
                if name == "trials"
                else {"trial_id": TEMPLATE, key.name: width}
            )
            for n in range(1, times):
                columns = [c + own[c.name] * n if c.name in own else c for c in table.c]
                connection.execute(table.insert().from_select(list(table.c), sa.select(*columns).where(key <= width)))
            if engine.dialect.name == "postgresql":
                sequence = f"pg_get_serial_sequence('{name}', '{key.name}')"
                connection.execute(sa.text(f"SELECT setval({sequence}, (SELECT max({key.name}) FROM {name}))"))
    engine.dispose()


def costs(where: str, what: str) -> dict[str, float]:
    """Seconds to open and read a study; and to ask with a sampler (first and later), or to write the report."""
    begun = time.perf_counter()
    result = load_result(open_storage(where), "dummy")
    measured = {"trials": float(len(result.trials)), "open": time.perf_counter() - begun}
    if what == "report":
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            path = write_report(result, Path(folder) / "report.html")
            measured |= {"report": time.perf_counter() - begun, "MB": path.stat().st_size / 1e6}
        return measured
    sampler = make_sampler(what, 0, SPACE)
    pruner = make_pruner("auto", SPACE, sampler)
    study = optuna.load_study(study_name="dummy", storage=open_storage(where), sampler=sampler, pruner=pruner)
    asks = []
    for _ in range(6):
        begun = time.perf_counter()
        trial = study.ask()
        SPACE.suggest(trial)
        asks.append(time.perf_counter() - begun)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return measured | {"first": asks[0], "ask": statistics.median(asks[1:]), "most": max(asks[1:])}


def size(storages: list[str], trials: list[int]) -> None:
    """Print the table of costs by the number of trials; each in a process of its own."""
    samplers = ("random", "tpe", "curve")
    print("| storage | trials | open s |", *(f"ask {s} ms (first) |" for s in samplers), "report s | MB |")
    print("|---|---:|" + "---:|" * (len(samplers) + 3))
    for kind in storages:
        for number in trials:
            with storage(kind) as where:
                fill(where, number)
                cells: list[str] = []
                opened: list[float] = []
                for what in (*samplers, "report"):
                    measured = _apart(where, what)
                    opened += [measured["open"]] if measured else []
                    cells += _cells(measured, what)
                print(f"| {kind} | {number:,} | {statistics.median(opened):.2f} | {' | '.join(cells)} |", flush=True)


def _cells(measured: dict[str, float] | None, what: str) -> list[str]:
    if measured is None:
        return [f"over {PATIENCE_S} s"] * (2 if what == "report" else 1)
    if what == "report":
        return [f"{measured['report']:.2f}", f"{measured['MB']:.1f}"]
    return [f"{1000 * measured['ask']:.0f} to {1000 * measured['most']:.0f} ({1000 * measured['first']:.0f})"]


def _apart(where: str, what: str) -> dict[str, float] | None:
    command = [sys.executable, __file__, "costs", "--where", where, "--what", what]
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return None
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("throughput", "size", "costs"))
    parser.add_argument("--storages", default="journal,sqlite,postgres")
    parser.add_argument("--trials", type=int, nargs="+", help="of a round (default 400), or of the studies")
    parser.add_argument("--times", type=int, default=3, help="rounds of throughput (default 3)")
    parser.add_argument("--where", help=argparse.SUPPRESS)
    parser.add_argument("--what", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.command == "costs":
        print(json.dumps(costs(args.where, args.what)))
        return
    chosen = args.storages.split(",")
    try:
        with storage("postgres" if "postgres" in chosen else "journal"):
            pass
    except NoPostgres as missing:
        print(f"PostgreSQL is left out: {missing}", file=sys.stderr)
        chosen.remove("postgres")
    if args.command == "throughput":
        throughput(chosen, (args.trials or [400])[0], args.times)
    else:
        size(chosen, args.trials or [1000, 10_000, 100_000])


if __name__ == "__main__":
    main()
