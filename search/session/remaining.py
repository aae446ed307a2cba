"""`Remaining`: how many full trials there is budget for, and how much of it is kept back for the confirmation."""

from __future__ import annotations

from ..budget.ledger import Ledger
from ..budget.pace import Pace
from ..finals.size import SHARE, held_back
from ..plan import Plan
from .books import Books

TIMED_TRIALS = 48
"""Full trials that a budget of wall time is assumed to hold as long as none was timed."""


class Remaining:
    """What is left of a session's budget, in full trials.

    Args:
        plan: What was asked for.
        ledger: What is spent.
        pace: How long a full trial takes.
    """

    def __init__(self, plan: Plan, ledger: Ledger, pace: Pace) -> None:
        self.plan, self.ledger, self.pace = plan, ledger, pace

    def to_keep_back(self) -> float:
        """How much of the budget to keep back for the confirmation; wall time is estimated from the trials so far."""
        amount, full = self.plan.budget.amount, self.ledger.kind.full_trial(self.pace.seconds)
        if not full:
            return SHARE * amount if self.plan.confirm else 0.0
        return full * held_back(amount / full, self.plan.confirm, int(self.plan.baseline is not None))

    def trials_left(self, kept_back: float | None = None) -> float:
        """About how many full trials the search has budget for; of wall time, that is not known, and `TIMED_TRIALS`."""
        kept_back = self.ledger.kept_back if kept_back is None else kept_back
        left, full = self.plan.budget.amount - kept_back - self.ledger.spent, self.ledger.kind.full_trial(0.0)
        if not self.ledger.kind.length(left):  # a probe leaves a part of a trial
            return 0.0
        return left / full if full else TIMED_TRIALS

    def in_full_trials(self, amount: float) -> float:
        """How many full trials so much of the budget is enough for; `TIMED_TRIALS` as long as that is not known."""
        full = self.ledger.kind.full_trial(self.pace.seconds)
        return amount / full if full else TIMED_TRIALS

    def room_for_one(self, books: Books) -> bool:
        """Whether there is budget for another trial."""
        return self.ledger.kind.length(books.available) > 0
