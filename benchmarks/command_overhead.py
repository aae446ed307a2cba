"""What the command form costs a trial beyond the start of its own script: python benchmarks/command_overhead.py

A script with the two lines of lrsearch is run as a trial, and the same script without them by hand, in turns. It trains
nothing and imports NumPy and what PyTorch imports of Python's library; so what is left is the supervisor, the imports
of lrsearch, and three reports with their answers. Python may keep its compiled modules, as it does unless
PYTHONDONTWRITEBYTECODE is set. Wall time depends on what else the machine does, its least value less; processor
time hardly does.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from lrsearch.objectives import Command
from lrsearch.spaces import Schedule

BEFORE = "import sys, numpy, base64, dataclasses, difflib, inspect, json, pathlib, pickle, pkgutil, socket, threading\n"
PLAIN = f"{BEFORE}for epoch in range(3): pass\n"
REPORTS = f"{BEFORE}import lrsearch\nfor epoch in range(3): lrsearch.report(val_loss=epoch)\n"


def cost(run: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of wall time and of processor time, this process and all that it started."""
    before, begun = _busy(), time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - begun), 1e3 * (_busy() - before)


def _busy() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        plain, reports = Path(folder) / "plain.py", Path(folder) / "reports.py"
        plain.write_text(PLAIN)
        reports.write_text(REPORTS)
        job = Command([sys.executable, str(reports), "{schedule}"], "sgd", 3)
        job.by_flags = True
        by_hand = [sys.executable, str(plain)]
        schedule = Schedule("cosine", 0.1, 3)

        def trial() -> None:
            assert len(list(job.run(schedule, epochs=3, seed=0, device="cpu"))) == 3

        pairs = []
        for turn in range(runs + 1):
            pair = cost(lambda: subprocess.run(by_hand, check=True)), cost(trial)
            if turn:  # the first one reads files that are not in memory yet
                pairs.append(pair)
    for name, kind in (("wall time", 0), ("processor time", 1)):
        both = [[pair[who][kind] for pair in pairs] for who in (0, 1)]
        more = median(within[kind] - alone[kind] for alone, within in pairs)
        print(
            f"{name}: {median(both[0]):.0f} ms by hand, {median(both[1]):.0f} ms as a trial; median difference "
            f"{more:.0f} ms; least {min(both[0]):.0f} and {min(both[1]):.0f} ms, n = {runs}"
        )


if __name__ == "__main__":
    main()
