"""What is noted of a study: what its trials share, each of its sessions, where a search and its confirmation stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple
from uuid import uuid4

from .contest import Contest
from .fields import Notes

_SESSION = "session:"
"""Begins the name of the note of one session: a list of them would lose what others write meanwhile."""


@dataclass(frozen=True)
class StudyNotes(Notes):
    """The user attributes of a study, besides those of its sessions.

    Attributes:
        settings: What all trials share; None if lrsearch has not made the study.
        probe: What its probe told, or why there was none; None if that is still to be seen.
        draws: Pairs of a trial's number and how far, from it on, trials' numbers are ahead of the sampler's draws.
        importance: How much each parameter mattered when the search ended, see `Shares`.
        response: What the model expects of the best schedule at other rates, see `NotedResponse`.
        accepted: Fingerprints of changed code that the search may go on with, though no session has trained with it.
        closed: Whether the search is over, so that what is left of a shared budget is for confirmation.
        stop: Whether whoever leads the search has told all other processes to leave.
        contests: What a confirmation's study compares, and has compared.
        settled: After how many trials it had settled, so that it ended before its budget; 0 if it went on since.
        ran: For how long the search has run, in all sessions together; None in studies of older versions.
    """

    settings: Settings | None = None
    probe: ProbeNotes | None = None
    draws: tuple[tuple[int, ...], ...] = ()
    importance: Any = None
    response: Any = None
    accepted: Mapping[str, str] | None = None
    closed: bool | None = None
    stop: bool | None = None
    contests: tuple[Contest, ...] = ()
    settled: int | None = None
    ran: Ran | None = None


@dataclass(frozen=True)
class Settings(Notes):
    """What all trials of a study share, or they could not be compared.

    Attributes:
        metric: Metric that ranks trials.
        maximize: Whether larger is better.
        epochs: Length of a full trial; None if it is counted in steps.
        steps: The same in optimizer steps.
        every: Steps between two reports of a trial.
        seed: Seed of the search and of its trials.
        space: What is searched, as `space_to_dict` writes it.
        job: What the objective says of itself: its name, and whatever else its trials depend on.
    """

    REST: ClassVar = "job"

    metric: str
    maximize: bool
    seed: int
    space: Mapping[str, Any]
    epochs: int | None = None
    steps: int | None = None
    every: int | None = None
    job: Mapping[str, Any] = field(default_factory=dict)


class Ran(NamedTuple):
    """For how many seconds a search had run at a ``time.time()``."""

    seconds: float
    at: float


@dataclass(frozen=True)
class ProbeNotes(Notes):
    """What a probe told.

    Attributes:
        base_lr: Where the best base_lr should lie; None if it could not be told.
        decades: How sure that is: a standard deviation.
        why: Why nothing was told.
    """

    base_lr: float | None = None
    decades: float | None = None
    why: str = ""


class Limit(NamedTuple):
    """A budget: what is counted, and how much of it."""

    kind: Literal["trials", "seconds", "epochs", "steps"]
    amount: float


@dataclass(frozen=True)
class SessionNotes(Notes):
    """What one session of a search was asked for, and how it runs.

    Attributes:
        started: ``time.time()`` when it began; None if that is not known.
        budget: The budget in words.
        limit: The budget as numbers.
        deadline: ``time.time()`` at which a budget of wall time ends; None for other budgets.
        baseline: The user's own schedule, as `Schedule.to_dict` writes it.
        trial_timeout: Seconds after which a trial has failed; None for any time it needs.
        engine: What runs trials.
        width: How many at a time.
        why: Why that engine.
        sources: Fingerprints of the objective's code by file or function; empty if they are not known.
        asked: The options by name, see `lrsearch.options`, and notes for the report: the command line, versions.
    """

    REST: ClassVar = "asked"

    started: float | None = None
    budget: str = ""
    limit: Limit | None = None
    deadline: float | None = None
    baseline: Mapping[str, Any] | None = None
    trial_timeout: float | None = None
    engine: str = ""
    width: int = 1
    why: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    def as_note(self) -> dict[str, Any]:
        """The study's attribute that stores it, under a name of its own."""
        return {_SESSION + uuid4().hex: self.to_attrs()}

    @staticmethod
    def stored(attrs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The sessions among a study's attributes, as they are stored."""
        return [value for name, value in attrs.items() if name.startswith(_SESSION)]
