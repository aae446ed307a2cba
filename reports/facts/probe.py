"""What the probe found, in sentences."""

from __future__ import annotations

import math

from ...search import SearchResult
from ...search.results.probe import PROBE_EPOCHS, Probe
from .marks import recommended
from .numbers import plural, rate

AGREES = 2.0
"""Standard deviations within which a base_lr is near what the probe expects."""


def probe_sentences(result: SearchResult) -> tuple[str, ...]:
    """What the probe expected, and whether the trials agree; nothing without runs."""
    probe = result.probe
    if probe is None or not probe.points:
        return ()
    return (*found_sentences(probe, result.metric, result.counting.trained(PROBE_EPOCHS)), *_agreement(result))


def found_sentences(probe: Probe, metric: str, length: str = "1 epoch") -> tuple[str, ...]:
    """What a probe found, by itself.

    Args:
        probe: The probe.
        metric: What its runs were measured by.
        length: How long each was.
    """
    rates = [r for r, _ in probe.points]
    ran = (
        f"{plural(len(probe.points), 'constant rate')} from {rate(rates[0])} to {rate(rates[-1])} "
        f"trained for {length} each."
    )
    if probe.scale is None:
        return ran, f"They do not tell the scale of base_lr: {probe.why or 'no two could be told apart'}."
    low, high = probe.scale.range
    told = (
        f"By their {metric} the best base_lr of a whole schedule should lie near {rate(probe.scale.base_lr)}, "
        f"likely between {rate(low)} and {rate(high)}."
    )
    wall = () if probe.wall is None else (f"Training diverged from {rate(probe.wall)} on.",)
    return (ran, told, *wall)


def range_toml(probe: Probe, name: str) -> str:
    """The range that was found, as TOML for ``lrsearch run --space``; empty if there is none."""
    if probe.scale is None:
        return ""
    low, high = (float(f"{r:.2g}") for r in probe.scale.range)
    head = f"# Learning rates found for {name!r} by an epoch at each of {plural(len(probe.points), 'constant rate')}."
    use = "# Search them with: lrsearch run OBJECTIVE --space FILE"
    return f"{head}\n{use}\nbase_lr = {{ low = {low!r}, high = {high!r}, log = true }}\n"


def _agreement(result: SearchResult) -> tuple[str, ...]:
    best = recommended(result)
    scale = result.probe.scale if result.probe else None
    if scale is None or best is None or best.schedule is None:
        return ()
    off = math.log10(best.schedule.base_lr / scale.base_lr)
    best_lr = rate(best.schedule.base_lr)
    if abs(off) <= AGREES * scale.decades:
        return (f"The trials agree: the recommended base_lr is {best_lr}.",)
    where = "above" if off > 0 else "below"
    return (f"The trials found otherwise, and they count: the recommended base_lr is {best_lr}, {where} that.",)
