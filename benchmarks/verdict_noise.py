"""How often is "better" said of a schedule that is no better, under noise that is not normal?

    uv run python benchmarks/verdict_noise.py candidates --seeds 9
    uv run python benchmarks/verdict_noise.py chosen
    uv run python benchmarks/verdict_noise.py contests
    uv run python benchmarks/verdict_noise.py horizons

A loss is noise, the same in the mean for the winner and its rival; to measure power the rival is `GAP` units worse, a
unit being the standard deviation of a run's loss where nothing else is said. Nothing is trained, so that 100,000
confirmations take seconds: everything is an array of shape (confirmations, seeds).

``candidates``: ways to test, each with its looks. ``chosen``: the project's own looks and levels with the t-test, for 3
to 20 seeds; a thousand confirmations are also judged by `lrsearch.search.duel`, which has to agree in every one.
``contests``: one study confirmed again and again, with new seeds and equal schedules each time.
``horizons``: a gap followed over three horizons on three seeds, where a seed's gaps have causes in common: how often an
interval misses, and how often "holds" is said of a gap that will be zero.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from verdict_parts import ways
from verdict_parts.noises import NOISES, Array
from verdict_parts.ways import Test

from lrsearch.search.notes.contest import Look
from lrsearch.search.results.paired_tests import ALPHA, contest_level, duel, planned_looks
from lrsearch.search.results.transfer import extrapolated

GAP = 2.0
BEFORE = ((0.45, 0.1), (0.7, 0.2), (1.0, 0.7))
"""The looks until this was measured, as shares of the seeds and of a level of 5 %."""


def finite_pairs(winner: Array, rival: Array) -> tuple[Array, Array]:
    """A rival's divergence counts as the worst finite value of both; a winner's stays infinite."""
    both = np.concatenate([winner, rival], axis=1)
    worst = np.where(np.isfinite(both), both, -np.inf).max(axis=1, keepdims=True)
    return winner, np.where(np.isfinite(rival), rival, worst)


def looks_before(seeds: int) -> list[Look]:
    """The looks until this was measured."""
    levels: dict[int, float] = {}
    for share, spent in BEFORE:
        count = max(3, round(share * seeds))
        levels[count] = levels.get(count, 0.0) + spent * ALPHA
    return [Look(*look) for look in levels.items()]


CANDIDATES: dict[str, tuple[Test, Callable[[int], Sequence[Look]]]] = {
    "t, 5 % in three looks (before)": (ways.student, looks_before),
    "exact sign flips": (lambda w, r: ways.flips(w - r), looks_before),
    "signed ranks": (lambda w, r: ways.signed_ranks(w - r), looks_before),
    "t and signed ranks": (ways.cautious, looks_before),
    "trimmed t (Yuen)": (lambda w, r: ways.trimmed(w - r), looks_before),
    "t, clipped at 3 deviations": (lambda w, r: ways.clipped(w - r), looks_before),
    "t of logarithms": (ways.logs, looks_before),
    "Johnson's t": (lambda w, r: ways.johnson(w - r), looks_before),
    "t with an imagined bad pair": (ways.imagined, looks_before),
    "t, 1.25 % in two looks (chosen)": (ways.student, lambda n: planned_looks(n, contest_level([]))),
}


def said(test: Test, looks: Sequence[Look], winner: Array, rival: Array) -> NDArray[np.bool_]:
    """Whether any look says "better"."""
    hit = np.zeros(len(winner), bool)
    for look in looks:
        w, r = finite_pairs(winner[:, : look.seeds], rival[:, : look.seeds])
        with np.errstate(invalid="ignore"):
            hit |= test(w, r) <= look.level
    return hit


def rates(test: Test, looks: Sequence[Look], seeds: int, times: int) -> dict[str, tuple[float, float]]:
    """By noise, how often "better" is said: of equal schedules, and of one that is `GAP` better."""
    shares = {}
    for name, draw in NOISES.items():
        winner, rival = draw(np.random.default_rng([seeds, len(name)]), (times, seeds))
        wrong, right = (said(test, looks, winner - gap, rival).mean() for gap in (0.0, GAP))
        shares[name] = (float(wrong), float(right))
    return shares


def _table(rows: dict[str, dict[str, tuple[float, float]]], what: str) -> None:
    print(f"| noise | {' | '.join(rows)} |\n|---|{'---:|' * len(rows)}")
    for noise in NOISES:
        cells = [f"{100 * row[noise][0]:.1f} / {100 * row[noise][1]:.0f}" for row in rows.values()]
        print(f"| {noise} | {' | '.join(cells)} |")
    print(f'"better" in % of {what}: false / power for {GAP:g} units\n')


def candidates(args: argparse.Namespace) -> None:
    rows = {name: rates(test, looks(args.seeds), args.seeds, args.times) for name, (test, looks) in CANDIDATES.items()}
    _table(rows, f"{args.times:,} confirmations of {args.seeds} seeds")


def chosen(args: argparse.Namespace) -> None:
    counts = (3, 5, 7, 9, 12, 20)
    for seeds in counts:
        _agrees(seeds)
    level = contest_level([])
    rows = {f"{n} seeds": rates(ways.student, planned_looks(n, level), n, args.times) for n in counts}
    _table(rows, f"{args.times:,} confirmations")
    _worse(args.times)


def _agrees(seeds: int) -> None:
    """Compare with the project's own verdict, one confirmation at a time."""
    looks = planned_looks(seeds, contest_level([]))
    for name, draw in NOISES.items():
        for gap in (0.0, GAP):
            winner, rival = draw(np.random.default_rng(seeds), (100, seeds))
            mine = said(ways.student, looks, winner - gap, rival)
            theirs = [r == "better" for r in _duels(winner - gap, rival, looks)]
            if list(mine) != theirs:
                raise SystemExit(f"the project's own verdict differs: {name}, {seeds} seeds, gap {gap:g}.")


def _duels(winner: Array, rival: Array, looks: Sequence[Look]) -> list[str]:
    order = range(winner.shape[1])
    return [
        duel(0, dict(enumerate(w)), dict(enumerate(r)), order, looks).result
        for w, r in zip(winner.tolist(), rival.tolist(), strict=True)
    ]


def _worse(times: int) -> None:
    """ "Worse", said by the project's own verdict, which treats a winner's divergence in its own way."""
    few = max(1000, times // 50)
    for seeds in (3, 9):
        looks = planned_looks(seeds, contest_level([]))
        shares = {}
        for name, draw in NOISES.items():
            winner, rival = draw(np.random.default_rng(seeds), (few, seeds))
            shares[name] = 100 * _duels(winner, rival, looks).count("worse") / few
        print(f'"worse" of equal schedules, {seeds} seeds, % of {few:,}:', {k: round(v, 1) for k, v in shares.items()})


def contests(args: argparse.Namespace) -> None:
    """One study confirmed up to ten times: how often was "better" said at least once?"""
    seeds = args.seeds
    for name in ("normal", "winner skewed, 3 times as strong", "winner spikes in 1 run of 10"):
        rng = np.random.default_rng(0)
        before, now = np.zeros(args.times, bool), np.zeros(args.times, bool)
        spent: list[float] = []
        shown: list[Any] = []
        for contest in range(1, 11):
            winner, rival = NOISES[name](rng, (args.times, seeds))
            before |= said(ways.student, looks_before(seeds), winner, rival)
            now |= said(ways.student, planned_looks(seeds, contest_level(spent)), winner, rival)
            spent.append(contest_level(spent))
            if contest in (1, 2, 5, 10):
                shown.append(f"{contest}: {100 * before.mean():.1f} -> {100 * now.mean():.1f}")
        print(
            f'{name}, {seeds} seeds, "better" at least once in so many contests, %, before -> now: {"; ".join(shown)}'
        )


def horizons(args: argparse.Namespace) -> None:
    """The gap is -2, -1 and 0 units at 1, 2 and 4 times the search's horizon: 1 unit behind at 8 times."""
    few = args.times // 20
    for common in (0.0, 0.8, 0.95):
        rng = np.random.default_rng(0)
        missed = held = 0
        for _ in range(few):
            seeds, noise = rng.standard_normal(3) * common**0.5, rng.standard_normal((3, 3)) * (1 - common) ** 0.5
            lines = [[(float(x), x - 2 + seeds[i] + noise[i, x]) for x in range(3)] for i in range(3)]
            missed += not (ends := extrapolated(lines, 3.0)[1:])[0] < 1 < ends[1]
            held += extrapolated(lines, 2.0)[2] < 0
        print(
            f'correlation {common}: missed {100 * missed / few:.1f} %, "holds" of a gap of 0 {100 * held / few:.1f} %'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("candidates", "chosen", "contests", "horizons"))
    parser.add_argument("--seeds", type=int, default=9)
    parser.add_argument("--times", type=int, default=100_000)
    args = parser.parse_args()
    {"candidates": candidates, "chosen": chosen, "contests": contests, "horizons": horizons}[args.what](args)


if __name__ == "__main__":
    main()
