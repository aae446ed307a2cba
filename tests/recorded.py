"""Run a script, and write down every rate that its optimizers step with: recorded.py FILE SCRIPT [ARGUMENT ...]."""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook


def main(file: str, script: str, *arguments: str) -> None:
    rank = os.environ.get("RANK", "0")

    def note(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with open(f"{file}.{rank}", "a", encoding="utf-8") as out:
            out.write(f"{float(optimizer.param_groups[0]['lr'])!r}\n")

    register_optimizer_step_pre_hook(note)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
