"""The finalist against a baseline, run by run on the same fresh seeds: how far apart, how sure, and on test data."""

from __future__ import annotations

import math
import re
from statistics import fmean
from typing import Literal, NamedTuple

from ...search import Confirmation, Duel, SearchResult
from ...search.results.paired_tests import FEWEST, interval
from .numbers import together, two_digits

SAME = 0.01
"""An interval that stays within this share of the baseline's value on both sides means "practically the same"."""
NOISY = 0.1
"""An interval wider than this to both sides of its middle means "too noisy to tell"."""

Finding = Literal["better", "worse", "practically the same", "too noisy to tell", "no gain proven"]

_LARGER = re.compile(r"(^|_)(acc|accuracy|f1|auc|auroc|ap|map|miou|iou|dice|bleu|rouge|r2|precision|recall)(_|\d|$)")
_SMALLER = re.compile(r"(^|_)(loss|error|err|mse|rmse|mae|nll|ppl|perplexity|bpc|bpb|wer|cer)(_|$)")


class Paired(NamedTuple):
    """The finalist minus a baseline on equal fresh seeds.

    Attributes:
        metric: What was measured.
        finalist: Its trial.
        baseline: The baseline's trial.
        means: The finalist's mean and the baseline's, over the pairs; NaN without any.
        difference: Mean of finalist minus baseline; NaN if the finalist diverged on a seed.
        low: Lower end of the interval for the true difference.
        high: Upper end.
        runs: ``(seed, difference)`` of the pairs that both ended with a finite value.
        seeds: Pairs that were looked at, with those that diverged.
        larger: Whether larger is better; None if nobody knows.
        share: Whether the metric is a share of 1, such as an accuracy: its differences are told in points.
    """

    metric: str
    finalist: int
    baseline: int
    means: tuple[float, float]
    difference: float
    low: float
    high: float
    runs: tuple[tuple[int, float], ...]
    seeds: int
    larger: bool | None
    share: bool

    @property
    def unit(self) -> str:
        """What `relative` counts: ``%`` of the baseline's mean, or points."""
        return "points" if self.share else "%"

    def relative(self, difference: float) -> float:
        """A difference in per cent of the baseline's mean, or in points; NaN if that mean is 0."""
        if self.share:
            return 100 * difference
        return 100 * difference / abs(self.means[1]) if self.means[1] else math.nan

    @property
    def scale(self) -> float:
        """What a difference is large or small against: the baseline's mean, of a share what it is short of 1."""
        return (1 - self.means[1] or math.nan) if self.share else abs(self.means[1]) or math.nan

    @property
    def favours(self) -> Literal["finalist", "baseline", ""]:
        """Which of the two the mean difference points at."""
        if self.larger is None or not self.difference or math.isnan(self.difference):
            return ""
        return "finalist" if (self.difference > 0) == self.larger else "baseline"

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def amount(self) -> str:
        """``12 % lower``, or ``0.72 points higher``; ``no different`` if they are equal."""
        if not self.difference:
            return "no different"
        word = "higher" if self.difference > 0 else "lower"
        relative = self.relative(self.difference)
        if math.isnan(relative):
            return f"{two_digits(abs(self.difference))} {word}"
        return f"{two_digits(abs(relative))} {self.unit} {word}"

    def reach(self) -> str:
        """The interval: ``2 to 22 %`` in the direction of the difference, or signed if zero lies within it."""
        if not math.isfinite(self.low):
            return "unknown"
        known = not math.isnan(self.relative(0.0))
        ends = [self.relative(v) if known else v for v in (self.low, self.high)]
        unit = f" {self.unit}" if known else ""
        if self.clear:
            near, far = sorted(map(abs, ends))
            return f"{two_digits(near)} to {two_digits(far)}{unit}"
        return f"{two_digits(ends[0], signed=True)} to {two_digits(ends[1], signed=True)}{unit}"

    def said(self) -> str:
        """The difference with its interval: its size only where it is sure that there is one."""
        if self.low == self.high == 0:
            return "no difference"
        if self.clear:
            return f"{self.amount()} (interval {self.reach()})"
        return f"interval of the difference: {self.reach()}"

    def both(self) -> tuple[str, str]:
        """The two means as they stand in one sentence, the finalist's first."""
        first, second = together(*self.means, apart=self.means[0] - self.means[1])
        return first, second


def paired(result: SearchResult, duel: Duel) -> Paired:
    """The duel of the finalist with one baseline, with its runs."""
    confirmation = result.confirmation
    assert confirmation is not None
    assert confirmation.winner is not None
    mine, other = confirmation.judged(confirmation.winner), confirmation.judged(duel.rival)
    met = [s for s in confirmation.contest.judging if s in mine and s in other][: duel.seeds]
    finite = [s for s in met if math.isfinite(mine[s]) and math.isfinite(other[s])]
    means = _means([mine[s] for s in finite], [other[s] for s in finite])
    values = [v for s in finite for v in (mine[s], other[s])]
    return Paired(
        metric=result.metric,
        finalist=confirmation.winner,
        baseline=duel.rival,
        means=means,
        difference=duel.difference,
        low=duel.low,
        high=duel.high,
        runs=tuple((s, mine[s] - other[s]) for s in finite),
        seeds=duel.seeds,
        larger=result.maximize,
        share=_is_share(values, larger=result.maximize),
    )


def finding(word: str, p: Paired) -> Finding:
    """What a duel says; one that is open is split by how much its interval leaves open."""
    if word in ("better", "worse"):
        return "better" if word == "better" else "worse"
    if not math.isfinite(p.low) or math.isnan(p.scale):
        return "no gain proven"
    low, high = p.low / p.scale, p.high / p.scale
    if max(-low, high) <= SAME:
        return "practically the same"
    return "too noisy to tell" if (high - low) / 2 > NOISY else "no gain proven"


def on_test_data(result: SearchResult, duel: Duel) -> tuple[Paired, ...]:
    """Every test metric of the finalist and a baseline on the seeds of their duel; empty if none was measured."""
    confirmation = result.confirmation
    assert confirmation is not None
    assert confirmation.winner is not None
    met = [
        s
        for s in confirmation.contest.judging
        if s in confirmation.judged(confirmation.winner) and s in confirmation.judged(duel.rival)
    ]
    seeds = met[: duel.seeds]
    level = confirmation.contest.looks[-1].level if confirmation.contest.looks else 0.05
    mine, other = _tests(confirmation, confirmation.winner), _tests(confirmation, duel.rival)
    names = dict.fromkeys(name for s in seeds for name in mine.get(s, {}))
    return tuple(
        p
        for name in names
        if (p := _test_pair(name, result, (confirmation.winner, duel.rival), mine, other, seeds, level))
    )


def _test_pair(
    name: str,
    result: SearchResult,
    trials: tuple[int, int],
    mine: dict[int, dict[str, float]],
    other: dict[int, dict[str, float]],
    seeds: list[int],
    level: float,
) -> Paired | None:
    pairs = {s: (mine.get(s, {}).get(name, math.nan), other.get(s, {}).get(name, math.nan)) for s in seeds}
    finite = {s: (a, b) for s, (a, b) in pairs.items() if math.isfinite(a) and math.isfinite(b)}
    if not finite:
        return None
    gaps = [a - b for a, b in finite.values()]
    low, high = interval(gaps, level) if len(gaps) >= FEWEST else (-math.inf, math.inf)
    means = _means([a for a, _ in finite.values()], [b for _, b in finite.values()])
    larger = larger_is_better(name, result)
    share = _is_share([v for pair in finite.values() for v in pair], larger=larger is True)
    runs = tuple(zip(finite, gaps, strict=True))
    return Paired(name, *trials, means, fmean(gaps), low, high, runs, len(pairs), larger, share)


def larger_is_better(name: str, result: SearchResult) -> bool | None:
    """Whether a larger value of a metric is better, by what the search knows of its own and by its name."""
    short = _bare(name)
    if short == _bare(result.metric):
        return result.maximize
    return True if _LARGER.search(short) else False if _SMALLER.search(short) else None


def _bare(name: str) -> str:
    return re.sub(r"^(val|valid|validation|test|eval|dev|train)[_/]", "", name.lower())


def _tests(confirmation: Confirmation, trial: int) -> dict[int, dict[str, float]]:
    """A trial's test metrics by the seeds that judge."""
    judging = confirmation.contest.judging
    return {t.seed: dict(t.test) for t in confirmation.runs if t.confirms == trial and t.seed in judging and t.test}


def _means(mine: list[float], other: list[float]) -> tuple[float, float]:
    return (fmean(mine), fmean(other)) if mine else (math.nan, math.nan)


def _is_share(values: list[float], *, larger: bool) -> bool:
    return larger and bool(values) and all(0 <= v <= 1 for v in values)
