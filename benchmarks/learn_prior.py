"""Make ``search/sampling/recorded_jobs.npz`` from the recorded tables: what schedules ended at in other jobs.

    uv run python benchmarks/learn_prior.py

The language-model runs are left out: they are another source's. Same tables, same file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality import record

from lrsearch.search.sampling.features import Features, warping
from lrsearch.search.sampling.gaussian_process import fit_kernel
from lrsearch.search.sampling.recorded_jobs import FILE, VERSION

JOBS = (
    "digits-mlp",
    "fashion-overfit",
    "mnist1d-mlp",
    "teacher",
    "text-mlp",
    "digits-plain-sgd",
    "fashion-mlp",
    "fashion-cnn",
    "text-transformer",
    "digits-adamw",
    "mnist1d-cnn",
)
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Parts of the horizon whose losses are learnt from."""
SCHEDULES, ROWS, FITTED = 160, 400, 150
"""Schedules of a table, observations kept of them, and those that the kernel is fitted to."""


def surface(name: str) -> dict[str, NDArray[np.float64]]:
    """One job's part of the file."""
    table, span = record.load(name), record.space(name).base_lr
    features, horizon = Features(table.schedules), table.losses.shape[1]
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(table.schedules))[:SCHEDULES]
    ends = [max(1, round(share * horizon)) for share in SHARES]
    x = np.concatenate([np.stack([features.after(table.schedules[i], e) for i in chosen]) for e in ends])
    losses = np.concatenate(
        [np.where(np.isfinite(table.losses[chosen, e - 1]), table.losses[chosen, e - 1], np.inf) for e in ends]
    )
    z = warping(table.final)(losses)
    fitted, kept = rng.permutation(len(x))[:FITTED], rng.permutation(len(x))[:ROWS]
    kernel = fit_kernel(x[fitted], z[fitted])
    center, scale = features.scaling
    constants = np.array([kernel.amplitude, kernel.noise, math.log(span.low * span.high) / 2])
    return {
        "x": x[kept],
        "z": z[kept],
        "lengths": kernel.lengths,
        "constants": constants,
        "center": center,
        "scale": scale,
    }


def main() -> None:
    surfaces = [surface(name) for name in JOBS]
    stored: dict[str, Any] = {"version": np.array(VERSION), "names": np.array(JOBS)}
    for key in surfaces[0]:
        values = np.stack([s[key] for s in surfaces])
        stored[key] = values.astype(np.float16 if key in "xz" else np.float32)
    np.savez_compressed(FILE, **stored)
    print(f"{FILE.name}: {len(JOBS)} jobs, {FILE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
