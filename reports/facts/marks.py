"""Which trials of a search stand out, in one vocabulary: recommended, finalist, lowest in the search, baseline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ...search import SearchResult, TrialRecord

Mark = Literal["recommended", "finalist", "lowest_in_search", "baseline"]
"""What a trial can be, in the order of what matters:

- ``recommended``: the trial to use, `SearchResult.best`.
- ``finalist``: the searched trial that met the baselines on fresh seeds, `Confirmation.winner`.
- ``lowest_in_search``: first of `SearchResult.ranking`, the highest one where larger is better. Often a lucky run.
- ``baseline``: a schedule that was trained for comparison, tuned or not.
"""


def recommended(result: SearchResult) -> TrialRecord | None:
    """The trial to use: what the confirmation recommends, else the lowest in the search; None if none is complete."""
    return result.best if result.ranking else None


def finalist(result: SearchResult) -> TrialRecord | None:
    """The searched trial that was judged on fresh seeds; None if there is none yet."""
    number = result.confirmation.winner if result.confirmation else None
    return None if number is None else result.trial(number)


def lowest_in_search(result: SearchResult) -> TrialRecord | None:
    """The complete trial with the best value in the search itself; None if none is complete."""
    return result.ranking[0] if result.ranking else None


def all_marks(result: SearchResult) -> dict[int, tuple[Mark, ...]]:
    """The trials that stand out, by number, and what they are."""
    named: list[tuple[Mark, TrialRecord | None]] = [
        ("recommended", recommended(result)),
        ("finalist", finalist(result)),
        ("lowest_in_search", lowest_in_search(result)),
        *(("baseline", t) for t in result.baselines),
    ]
    by_trial: dict[int, tuple[Mark, ...]] = {}
    for mark, trial in named:
        if trial is not None:
            by_trial[trial.number] = (*by_trial.get(trial.number, ()), mark)
    return by_trial


def marks(result: SearchResult, trial: TrialRecord) -> tuple[Mark, ...]:
    """What a trial is; empty for one that does not stand out."""
    return all_marks(result).get(trial.number, ())


def word(mark: Mark, result: SearchResult) -> str:
    """The mark for people."""
    if mark == "lowest_in_search":
        return "highest in the search" if result.maximize else "lowest in the search"
    return mark


def words(marks: Iterable[Mark], result: SearchResult) -> str:
    """Marks for people: ``recommended, baseline``; empty for none."""
    return ", ".join(word(mark, result) for mark in marks)


def label(result: SearchResult, trial: TrialRecord) -> str:
    """A trial's marks for people; empty for one that does not stand out."""
    return words(marks(result, trial), result)


def title(trial: TrialRecord) -> str:
    """How a trial is called: by its baseline's name, else by its family."""
    return trial.baseline or (trial.schedule.family if trial.schedule else "no schedule")
