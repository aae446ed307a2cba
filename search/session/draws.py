"""Which draw of the sampler a trial gets: no two trials get the same, and a resumed search goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial

from ..notes.study import StudyNotes
from ..notes.trial import TrialNotes
from ..storage.studies import note_study
from ..storage.trial_notes import outcome_of

_DRAWN_AGAIN = ("interrupted", "out of budget", "withdrawn")
"""Outcomes after which a trial's draw is free: its schedule was not trained, or a queued trial has the draw now."""


def skipped_numbers(study: Study, *, alone: bool) -> int:
    """By how much the number of a new trial is ahead of its draw.

    Interrupted trials and their repetitions use up numbers, but no draws. All processes that work on a study at a time
    must subtract the same, or two of them would draw the same schedule. So only a process that works `alone` counts
    how many numbers were skipped, and notes it; all others take what is noted.

    Args:
        study: The search's study.
        alone: Whether no other process works on it.
    """
    noted = StudyNotes.read(study.user_attrs).draws
    skipped = noted[-1][1] if noted else 0
    if not alone:
        return skipped
    trials = study.get_trials(deepcopy=False)
    now = len(trials) - _next_draw(trials, noted)
    if now != skipped:
        note_study(study, StudyNotes(draws=(*noted, (len(trials), now))))
    return now


def _next_draw(trials: Sequence[FrozenTrial], noted: Sequence[Sequence[int]]) -> int:
    """The first draw after all that are used; a repetition has the draw of the trial that it repeats."""
    draws: list[int] = []
    for trial in trials:
        ahead = next((skipped for first, skipped in reversed(noted) if first <= trial.number), 0)
        repeats = TrialNotes.read(trial.user_attrs).repeats
        draws.append(trial.number - ahead if repeats is None else draws[repeats])
    return 1 + max((d for d, t in zip(draws, trials, strict=True) if outcome_of(t) not in _DRAWN_AGAIN), default=-1)
