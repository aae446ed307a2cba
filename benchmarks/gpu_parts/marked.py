"""The project's own tests that need a CUDA device, where pytest is installed."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from .context import Context

ROOT = Path(__file__).resolve().parent.parent.parent
OPTIONS = [
    "-m",
    "gpu",
    "--noconftest",
    "-p",
    "no:cacheprovider",
    "-W",
    "default",
    "-o",
    "addopts=--import-mode=importlib",
]
"""The conftest needs more than lrsearch does, and warnings are not what is looked for here."""


def tests(context: Context) -> None:
    """Run them in a process of its own, and keep what pytest says."""
    missing = [name for name in ("pytest", "hypothesis") if find_spec(name) is None]
    why = "left out: needs CUDA" if not context.cuda else f"left out: {missing[0]} is not installed" if missing else ""
    if why:
        context.add({"check": "GPU-marked tests", "state": "left out", "found": why})
        return
    files = [str(f) for f in sorted((ROOT / "tests").rglob("test_*.py")) if "pytest.mark.gpu" in f.read_text()]
    possible = [] if find_spec("torchvision") else ["-k", "not resnet18"]
    words = [sys.executable, "-m", "pytest", "-q", *OPTIONS, *possible, *files]
    begun = time.time()
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=context.left())
    except subprocess.TimeoutExpired:
        context.add({"check": "GPU-marked tests", "state": "cut off", "found": "no time was left"})
        return
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    said = [*lines[:5], *done.stdout.strip().splitlines()[-1:], *done.stderr.strip().splitlines()[-1:]]
    state = "passed" if done.returncode == 0 else "FAILED"
    context.add({"check": "GPU-marked tests", "state": state, "found": "; ".join(said), "seconds": time.time() - begun})
