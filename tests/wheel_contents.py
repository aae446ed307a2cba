"""Compare a wheel with the tree: every module and template, and nothing else. Usage: wheel_contents.py WHEEL"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {"tests", "examples", "benchmarks", "docs", ".ci"}
SHIPPED = {".py", ".j2", ".css", ".js", ".npz", ".typed"}


def expected() -> set[str]:
    """The files of the tree that belong into the wheel."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    files = [Path(name) for name in listed if name and (ROOT / name).exists()]
    return {f"lrsearch/{f.as_posix()}" for f in files if f.parts[0] not in OUTSIDE and f.suffix in SHIPPED}


def main(wheel: str) -> int:
    """Print what differs; 0 if nothing does."""
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    for name in sorted(expected() - files):
        print(f"missing in the wheel: {name}")
    for name in sorted(files - expected()):
        print(f"only in the wheel: {name}")
    return int(files != expected())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
