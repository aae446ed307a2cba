"""The books of a search that several processes share, on this machine or others: any of them may come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from optuna.study import Study
from optuna.trial import TrialState

from ..budget.ledger import Allowance, Ledger
from ..budget.shared import Quota, read_spending
from ..notes.study import StudyNotes
from ..results.trial import TrialRecord
from ..storage.run_time import noted_run_time
from ..storage.trial_notes import to_record
from ..trial.settings import Terms

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class SharedBooks:
    """Books that are brought up to what the storage says before and after each trial.

    Args:
        ledger: The budget; of what its other processes spend it knows what it was told last.
        study: The search's study.
        member: This process's name among those that share the search.
        metric: What ranks trials.
        seen: Numbers of the trials whose end is known.
        news: Told how a trial of another process ended.
    """

    def __init__(
        self,
        ledger: Ledger,
        study: Study,
        member: str,
        metric: str,
        seen: Iterable[int],
        news: Callable[[TrialRecord], None],
    ) -> None:
        self.ledger, self.study, self.member, self.metric = ledger, study, member, metric
        self._seen, self._news = set(seen), news

    @property
    def closed(self) -> bool:
        """See `Books`: its leader has said so."""
        return bool(StudyNotes.read(self.study.user_attrs).closed)

    @property
    def available(self) -> float:
        """See `Books`."""
        self._refresh()
        return self.ledger.available

    def keep_back(self, amount: float) -> None:
        """See `Books`."""
        self.ledger.kept_back = amount

    def reserve(self, part: int = 0) -> Allowance | None:
        """See `Books`; other processes may reserve it as well, so that a trial must pass its `Quota`, too."""
        self._refresh()
        return self.ledger.reserve(part)

    def commit(self, allowance: Allowance, record: TrialRecord) -> None:
        """See `Books`."""
        self.ledger.commit(allowance, record.epochs, counted=record.counted)
        if record.confirms is None and not record.probes:
            self._seen.add(record.number)
        self._refresh()

    def terms(self, terms: Terms, *, queued: bool) -> Terms:
        """The terms with the part of the budget that all processes may have spent by now."""
        amount = self.ledger.budget.amount - (0.0 if queued else self.ledger.kept_back)
        return replace(terms, quota=Quota(self.ledger.kind, amount, self.member, queued))

    def _refresh(self) -> None:
        """Read what all processes have spent, and tell how their trials ended.

        Raises:
            KeyboardInterrupt: Whoever leads the search has told all processes to stop.
        """
        if Quota.stopped(self.study):
            raise KeyboardInterrupt
        self.ledger.catch_up(noted_run_time(self.study) or 0.0)
        if self.ledger.kind.stored:
            spending = read_spending(self.study, self.ledger.kind)
            self.ledger.refresh(spending.ended, sum(cost for who, cost in spending.running if who != self.member))
        for trial in self.study.get_trials(deepcopy=False, states=ENDED):
            if trial.number not in self._seen:
                self._seen.add(trial.number)
                record = to_record(trial, self.metric)
                if record.outcome != "withdrawn":
                    self._news(record)
