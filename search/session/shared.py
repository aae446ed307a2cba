"""`SharedBooks`: the books of a search that several processes share. Each of them may come and go at any time."""

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
    """Books that read the storage before and after each trial, to take in what other processes have spent.

    Args:
        ledger: The budget. What other processes spend of it is read from the storage, and may be a moment old.
        study: The search's study.
        member: This process's name among those that share the search.
        metric: What ranks trials.
        seen: Numbers of the trials that have ended already; `news` is not told of them.
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
        """See `Books`; the leader notes it in the study."""
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
        """See `Books`. Another process may reserve the same, so each trial must also be admitted by its `Quota`."""
        self._refresh()
        return self.ledger.reserve(part)

    def commit(self, allowance: Allowance, record: TrialRecord) -> None:
        """See `Books`."""
        self.ledger.commit(allowance, record.epochs, counted=record.counted)
        if record.confirms is None and not record.probes:
            self._seen.add(record.number)
        self._refresh()

    def terms(self, terms: Terms, *, queued: bool) -> Terms:
        """The terms, with a `Quota`: how much of the budget all processes together may use for such trials."""
        amount = self.ledger.budget.amount - (0.0 if queued else self.ledger.kept_back)
        return replace(terms, quota=Quota(self.ledger.kind, amount, self.member, queued))

    def _refresh(self) -> None:
        """Read what all processes have spent, and report the trials that have ended since the last reading.

        Raises:
            KeyboardInterrupt: The leader has told all processes to stop.
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
