"""How a trial ends in storage, and how one that was interrupted is queued again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ..notes.trial import TrialNotes
from .stopwatch import Moment, older
from .trial_notes import AnyTrial, outcome_of, store_notes

NOTHING = TrialNotes()


def end_interrupted(study: Study, trial: AnyTrial, reason: str, more: TrialNotes = NOTHING) -> bool:
    """End a trial that was stopped through no fault of its own, and queue its parameters again.

    One that has no schedule yet was stopped while it was being proposed: it will simply be proposed again.

    Args:
        study: Its study.
        trial: The trial.
        reason: Why it was stopped.
        more: Notes that the queued trial gets besides those that this one came with.

    Returns:
        Whether it was this call that ended it.
    """
    if not end(study, trial, "interrupted", reason):
        return False
    _queue_again(study, study._storage.get_trial(trial._trial_id), more)
    return True


def queue_interrupted(study: Study, grace: float = 0.0) -> None:
    """Queue interrupted trials again whose process was killed between ending and queuing them, `grace` seconds ago.

    Two processes may do so at once: of trials that repeat the same one, only the first is run.
    """
    read = Moment.now()
    for trial in to_repeat(study.get_trials(deepcopy=False)):
        if older(("ended", study._study_id, trial._trial_id), trial.datetime_complete, grace, read):
            _queue_again(study, trial, NOTHING)


def to_repeat(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Of all trials of a study the interrupted ones with a schedule that have not been queued again."""
    notes = [TrialNotes.read(t.user_attrs) for t in trials]
    repeated = {n.repeats for n in notes}
    return [
        t
        for t, noted in zip(trials, notes, strict=True)
        if noted.schedule is not None and t.number not in repeated and outcome_of(t) == "interrupted"
    ]


def first_of_its_kind(study: Study, trial: AnyTrial) -> bool:
    """Whether no earlier trial repeats the same interrupted one, or is the same baseline queued by another process."""

    def kind(trial: AnyTrial) -> tuple[object, ...]:
        notes = TrialNotes.read(trial.user_attrs)
        return notes.repeats, notes.baseline, notes.schedule

    repeats, baseline, _ = own = kind(trial)
    if repeats is None and baseline is None:
        return True
    return all(t.number >= trial.number or kind(t) != own for t in study.get_trials(deepcopy=False))


def _queue_again(study: Study, trial: FrozenTrial, more: TrialNotes) -> None:
    """Queue what a trial was queued with, or got; only for an interrupted one that got as far as a schedule."""
    attrs = trial.user_attrs
    if outcome_of(trial) == "interrupted" and TrialNotes.read(attrs).schedule is not None:
        kept = {k: v for k, v in attrs.items() if not TrialNotes.of_one_run(k)}
        notes = replace(more, repeats=trial.number).to_attrs()
        queued = trial.system_attrs.get("fixed_params", {})
        study.enqueue_trial({**queued, **trial.params}, user_attrs={**kept, **notes})


def withdraw(study: Study, waiting: FrozenTrial, reason: str) -> None:
    """End a queued trial that is not to run; it counts nowhere."""
    store_notes(study, waiting._trial_id, TrialNotes(outcome="withdrawn", reason=reason))
    study._storage.set_trial_state_values(waiting._trial_id, TrialState.FAIL)


def end(study: Study, trial: AnyTrial, outcome: str, reason: str = "", value: float | None = None) -> bool:
    """Tell Optuna how a trial ended, with our word for it; whether it was this call that ended it.

    A diverged trial is COMPLETE with an infinite value: TPE ranks it last and GPSampler clips it to the worst
    finite value, so that both learn where the wall is, while FAIL would be ignored. Interrupted, out-of-budget and
    failed trials say nothing about their schedule and are FAIL.
    """
    states = {"complete": None, "diverged": None, "pruned": TrialState.PRUNED}
    state = states.get(outcome, TrialState.FAIL)
    try:
        store_notes(study, trial._trial_id, TrialNotes(outcome=outcome, reason=reason))
        study.tell(trial.number, value if state is None else None, state=state)
    except (UpdateFinishedTrialError, ValueError):  # somebody else has ended it already
        return False
    return True
