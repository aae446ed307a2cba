"""Scripts that train nothing, and report as a training would: they start in a moment, having no need of PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrsearch.objectives import Command

BODY = """
import json, math, os, sys, time
import lrsearch

schedule = json.load(open(sys.argv[1]))
seed = lrsearch.seed()
"""
LOSS = "(math.log10(schedule['base_lr']) + 1) ** 2 + 1 / (epoch + 1)"
"""A bowl around a base_lr of 0.1."""
REPORTS = f"""
for epoch in range(5):
    print("epoch", epoch, "seed", seed)
    lrsearch.report(train_loss=1, val_loss={LOSS}, test_loss=seed)
"""


def command(folder: Path, body: str = REPORTS, words: Sequence[str] = (), **options: Any) -> Command:
    """A command that runs such a script, which finds its schedule in a file that its first argument names."""
    script = folder / "job.py"
    script.write_text(BODY + body)
    made = Command([sys.executable, str(script), "{schedule}", *words], **{"optimizer": "sgd", "epochs": 5, **options})
    made.by_flags = True
    return made
