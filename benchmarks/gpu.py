"""Everything about lrsearch on a GPU in one command, eight minutes at most: is it right, how fast, what bounds it.

    python benchmarks/gpu.py                       # whoever has a CUDA card runs this once and keeps gpu-results/
    python benchmarks/gpu.py --device cpu --quick  # the same code in about a minute, small, without one

It runs from a checkout and needs torch >= 2.11, numpy, scikit-learn, optuna and joblib (which brings what else the
search imports); no plotly, no jinja2, no torchvision. With `--data-dir` and torchvision, Fashion-MNIST is read from
there; without, images of its shape are generated.

Each part has its slice of the time, a process of its own, and is ended when the slice is used up. After every part
``results.json`` and ``results.md`` are written again, so that a run that is cut off is still worth something.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

GRACE_S = 3.0
"""Seconds after its deadline in which a part may end by itself."""
SLICES = {"machine": 12, "tests": 35, "checks": 85, "speed": 95, "compile": 60}
"""Seconds of each part."""
SEARCHES = {
    "search digits-mlp": (30, "digits-mlp", False),
    "search fashion-mlp": (42, "fashion-mlp", False),
    "search fashion-cnn": (42, "fashion-cnn", False),
    "search resnet18": (50, "resnet18", True),
}
"""Seconds, the job, and whether it trains in bfloat16."""
QUICK = {"machine": 5, "tests": 10, "checks": 25, "speed": 8, "compile": 12, "search digits-mlp": 15}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small models, short trials, a minute")
    parser.add_argument("--data-dir", default="data", help="folder with Fashion-MNIST as torchvision keeps it")
    parser.add_argument("--out", default="gpu-results", help="folder of results.json and results.md")
    parser.add_argument("--parts", help="only these, by commas: " + ", ".join([*SLICES, *SEARCHES]))
    args = parser.parse_args()
    if args.device == "cpu":  # before torch: threads of OpenMP do not outlive a fork, and fight over busy cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as links:
        make_importable(Path(links))
        return run_parts(args, out)


def make_importable(links: Path) -> None:
    """Make the checkout importable as ``lrsearch``, here and in every process that is started from here."""
    root = Path(__file__).resolve().parent.parent
    (links / "lrsearch").symlink_to(root, target_is_directory=True)
    places = [str(links), str(root / "benchmarks")]
    sys.path[:0] = places
    os.environ["PYTHONPATH"] = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])


def run_parts(args: argparse.Namespace, out: Path) -> int:
    """Run the parts in turn; 1 if a check failed or a part broke."""
    from gpu_parts.report import markdown

    preload()
    slices = QUICK if args.quick else SLICES | {name: search[0] for name, search in SEARCHES.items()}
    names = args.parts.split(",") if args.parts else list(slices)
    parts: dict[str, dict[str, Any]] = {}
    for name in names:
        begun = time.time()
        state, rows = run_part(name, args, slices[name])
        parts[name] = {"state": state, "seconds": time.time() - begun, "rows": rows}
        (out / "results.json").write_text(json.dumps(parts, indent=1))
        (out / "results.md").write_text(markdown(parts))
        print(f"{name}: {state}, {len(rows)} rows, {time.time() - begun:.0f} s", flush=True)
        if name == "machine" and not rows:
            return 1
    print((out / "results.md").read_text())
    failed = [row for part in parts.values() for row in part["rows"] if row.get("state") == "FAILED"]
    return int(bool(failed) or any(part["state"].startswith("broke") for part in parts.values()))


def preload() -> None:
    """Import what every part needs once, before the processes are forked; nothing here may touch the device."""
    import optuna  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # imports torch._dynamo


def run_part(name: str, args: argparse.Namespace, seconds: float) -> tuple[str, list[dict[str, Any]]]:
    """A part's state and the rows that it gave before it ended or was ended."""
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as file:
        deadline = time.time() + seconds
        process = context.Process(target=work, args=(name, args, deadline, file.name))
        process.start()
        process.join(seconds + GRACE_S)
        state = "whole" if process.exitcode == 0 else f"broke (exit code {process.exitcode})"
        if process.is_alive():
            process.kill()
            process.join()
            state = f"cut off after {seconds + GRACE_S:.0f} s"
        return state, [json.loads(line) for line in file.read().splitlines() if line.endswith("}")]


def work(name: str, args: argparse.Namespace, deadline: float, path: str) -> None:
    """A part, in its own process; every row is written at once."""
    from gpu_parts.context import Context

    from lrsearch.errors import InputError
    from lrsearch.objectives import resolve_device

    try:
        resolve_device(args.device)
    except InputError as error:
        sys.exit(str(error))
    with open(path, "a") as file:

        def add(row: dict[str, Any]) -> None:
            print(json.dumps(row), file=file, flush=True)

        part_of(name)(Context(args.device, args.quick, args.data_dir, deadline, add))


def part_of(name: str) -> Callable[[Any], None]:
    """The function of a part."""
    from gpu_parts import checks, marked, searches, speed

    if name in SEARCHES:
        _, job, bf16 = SEARCHES[name]
        return partial(searches.searches, job, bf16)
    parts = {"machine": speed.machine, "tests": marked.tests, "checks": checks.checks}
    return {**parts, "speed": speed.speeds, "compile": speed.compiled}[name]


if __name__ == "__main__":
    sys.exit(main())
