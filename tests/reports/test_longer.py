"""What runs over longer horizons say: of either length, of base_lr, and of training longer at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from results import contested

from lrsearch.reports.facts.cautions import cautions
from lrsearch.reports.facts.transfer import longer
from lrsearch.search import SearchResult, TrialRecord

FINALIST, RIVAL = 18, 0


def followed(values: Mapping[tuple[int, float], float], rival: float = 0.6) -> SearchResult:
    """A search followed to 20 and 40 epochs: the finalist's values by horizon and factor, NaN for a divergence."""
    result = contested(0.05)
    schedule, other = result.trial(FINALIST).schedule, result.trial(RIVAL).schedule
    assert schedule is not None
    assert other is not None
    runs: list[TrialRecord] = []
    for seed in (3, 4, 5):
        for (horizon, factor), value in values.items():
            made = schedule.stretched(horizon).rescaled(float(f"{factor * schedule.base_lr:.4g}"))
            ends = {"outcome": "diverged", "value": math.inf} if math.isnan(value) else {"value": value + 0.001 * seed}
            runs.append(replace(result.trial(FINALIST), schedule=made, seed=seed, confirms=FINALIST, **ends))
        for horizon in {h for h, _ in values}:
            made = other.stretched(horizon)
            value = rival + 0.01 * (seed * horizon * 7 % 3)
            runs.append(replace(result.trial(RIVAL), schedule=made, seed=seed, confirms=RIVAL, value=value))
    return replace(result, transfer=tuple(replace(t, number=i) for i, t in enumerate(runs)))


def said(result: SearchResult, epochs: float | None = None) -> str:
    section = longer(result, epochs)
    assert section is not None
    return " ".join(section.sentences)


STEADY = {(h, f): 0.5 + 0.1 * (f != 1) for h in (20, 40) for f in (1.0, 0.5, 2.0)}


def test_the_report_answers_for_the_longest_length_measured_as_the_terminal_did() -> None:
    assert "At 40 epochs, against constant (trial 0), the finalist should stay ahead" in said(followed(STEADY))
    assert "At 80 epochs" in said(followed(STEADY), 80)
    assert said(followed(STEADY), 40) == said(followed(STEADY))


def test_half_and_double_worse_everywhere_means_keep_it() -> None:
    assert "Keep base_lr: half and double were worse at every length." in said(followed(STEADY))
    assert "collapses" not in said(followed(STEADY))


def test_a_collapse_at_twice_the_rate_is_said_with_its_values() -> None:
    steep = STEADY | {(20, 2.0): 2.3, (40, 2.0): math.nan}
    assert "Double it and training collapses (2.304 at 20, diverged at 40 epochs)." in said(followed(steep))
    kinds = [c.text for c in cautions(followed(steep)) if c.kind == "diverges"]
    assert kinds == ["At 2 times this base_lr it diverges."]


def test_twice_the_rate_that_leads_at_every_length_is_recommended_not_called_staying() -> None:
    leading = STEADY | {(20, 2.0): 0.3, (40, 2.0): 0.3}
    text = said(followed(leading))
    assert "Take 2 times its base_lr, which did best at every length (0.304 against 0.504 at 20 epochs" in text


def test_a_drift_is_told_with_its_direction() -> None:
    drifting = STEADY | {(20, 2.0): 0.3, (40, 0.5): 0.3}
    assert "the lower the base_lr that did best (2 times at 20, 0.5 times at 40 epochs): try less" in said(
        followed(drifting)
    )


def test_longer_that_is_worse_is_said() -> None:
    worse = STEADY | {(40, 1.0): 0.55}
    assert "Longer is not better here: val_loss 0.504 at 20 epochs, 0.554 at 40." in said(followed(worse))
    better = STEADY | {(20, 1.0): 0.4, (40, 1.0): 0.3}
    assert "Longer is not better" not in said(followed(better))


def test_an_open_ranking_is_either_could_win() -> None:
    assert "either could win: predicted difference in val_loss" in said(followed(STEADY, rival=0.505), 640)
