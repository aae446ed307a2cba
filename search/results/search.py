"""`SearchResult`: a whole search, immutable, built from storage alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ...errors import MissingPartError, StudyError
from ...spaces import IN_EPOCHS, Counting, ScheduleSpace, space_from_dict
from ..notes.ending import NotedResponse, Shares
from .confirmation import Confirmation
from .probe import Probe
from .trial import TrialRecord


@dataclass(frozen=True, repr=False)
class SearchResult:
    """A whole search.

    Attributes:
        name: The study's name.
        settings: What all trials share: objective, epochs, space, metric, direction, seed.
        sessions: One entry per time the search was started: command, versions, device, budget, sampler, …
        trials: Every trial, by number.
        folder: The run folder, if the search has one.
        confirmation: What runs on fresh seeds say of the winner, if there are any.
        transfer: Runs over longer horizons, if there are any.
        noted_shares: What `importance` told when the search ended; None if nothing.
        accepted: Fingerprints of changed code that the search may go on with, though it has not trained with it.
        probe: What short runs told of base_lr's scale before the first trial; None if the study knows of no probe.
        settled: After how many trials the search had settled, and ended before its budget; 0 if it has not.
        noted_response: What `response` told of the best schedule when the search ended; None if nothing.
    """

    name: str
    settings: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]
    trials: tuple[TrialRecord, ...]
    folder: str | None = None
    confirmation: Confirmation | None = None
    transfer: tuple[TrialRecord, ...] = ()
    noted_shares: Shares | None = None
    accepted: Mapping[str, str] | None = None
    probe: Probe | None = None
    noted_response: NotedResponse | None = None
    settled: int = 0

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {outcome}" for outcome, n in self.counts().items()) or "no trials"
        best = f"; use {self.best.schedule.describe()}" if self.ranking and self.best.schedule else ""
        return f"<SearchResult {self.name!r}: {counts}{best}>"

    @property
    def begun(self) -> list[float]:
        """When each session of which that is known began, in seconds since the epoch."""
        return [float(s["started"]) for s in self.sessions if s.get("started") is not None]

    drawn: ClassVar[Callable[[SearchResult], str] | None] = None
    """Makes the HTML that a notebook shows of a result; set by what knows of reports."""

    def _repr_html_(self) -> str | None:
        return type(self).drawn(self) if type(self).drawn else None  # type: ignore[misc]

    def dataframe(self) -> Any:
        """The trials as a pandas DataFrame, a row each: number, outcome, the metric, family, parameters, epochs, ...

        Raises:
            MissingPartError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingPartError("a data frame needs pandas: pip install pandas") from None
        return pd.DataFrame([self._row(t) for t in self.trials]).set_index("number")

    def _row(self, trial: TrialRecord) -> dict[str, Any]:
        trained = {f"{self.counting.unit}s": self.counting.at(trial.epochs)}
        known = {"number": trial.number, "outcome": trial.outcome, self.metric: trial.value, **trained}
        names = ("family", "base_lr", "warmup") if trial.schedule else ()
        shape = {name: getattr(trial.schedule, name) for name in names}
        more = {"baseline": trial.baseline, "seconds": math.fsum(trial.seconds), "reason": trial.reason}
        return {**known, **shape, **trial.params, **more}

    @property
    def metric(self) -> str:
        """Name of the metric that ranks trials."""
        return str(self.settings["metric"])

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return bool(self.settings["maximize"])

    @property
    def epochs(self) -> int:
        """Reports of every full trial: its epochs, or the parts of its steps."""
        return self.counting.reports(self.horizon)

    @property
    def horizon(self) -> int:
        """Length of every full trial in what it is counted in."""
        return int(self.settings["steps" if self.counting.unit == "step" else "epochs"])

    @property
    def counting(self) -> Counting:
        """What trials are counted in: epochs, or steps."""
        return Counting("step", int(self.settings["every"])) if "steps" in self.settings else IN_EPOCHS

    @cached_property
    def space(self) -> ScheduleSpace:
        """The space that was searched."""
        return space_from_dict(self.settings.get("space", {}))

    @cached_property
    def ranking(self) -> tuple[TrialRecord, ...]:
        """Complete trials of a known schedule, best first; earlier ones first among equals."""
        complete = [t for t in self.trials if t.outcome == "complete" and t.schedule is not None]
        done = [t for t in complete if t.value is not None and math.isfinite(t.value)]
        sign = -1 if self.maximize else 1
        return tuple(sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number)))

    @property
    def best(self) -> TrialRecord:
        """The trial to use: what the confirmation recommends, else the best complete one.

        Raises `StudyError` if no trial is complete.
        """
        if not self.ranking:
            raise StudyError(f"the study {self.name!r} has no complete trial yet: {self.counts()}.")
        recommended = self.confirmation.recommended if self.confirmation else None
        advised = None if recommended is None else self.trial(recommended)
        return advised if advised is not None and advised.schedule is not None else self.ranking[0]

    @property
    def confirming(self) -> tuple[TrialRecord, ...]:
        """The runs on fresh seeds, of all sessions."""
        return self.confirmation.every if self.confirmation else ()

    @property
    def probing(self) -> tuple[TrialRecord, ...]:
        """The runs of the probe."""
        return self.probe.runs if self.probe else ()

    @property
    def baselines(self) -> tuple[TrialRecord, ...]:
        """The baseline trials, by number."""
        return tuple(t for t in self.trials if t.baseline)

    def trial(self, number: int) -> TrialRecord:
        """The trial of that number; raises `StudyError`."""
        for trial in self.trials:
            if trial.number == number:
                return trial
        raise StudyError(f"the study {self.name!r} has no trial {number}; it has {len(self.trials)}, counted from 0.")

    def counts(self) -> dict[str, int]:
        """How many trials ended which way; only outcomes that occur."""
        counted: dict[str, int] = {}
        for trial in self.trials:
            counted[trial.outcome] = counted.get(trial.outcome, 0) + 1
        return counted
