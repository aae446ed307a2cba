"""One session of a search: it opens the study, runs trials until the budget is spent, and confirms the winner."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import final

import optuna
from optuna.pruners import NopPruner
from optuna.study import Study
from optuna.trial import TrialState

from ...objectives import other_range
from ..budget.ledger import Allowance, Ledger
from ..budget.pace import Pace
from ..finals.confirm import Confirmer, needs_confirmation
from ..finals.size import too_small
from ..notes.study import StudyNotes
from ..plan import Plan
from ..progress import Progress, Tally
from ..results.probe import PROBE_EPOCHS, Probe
from ..results.search import SearchResult
from ..results.trial import COUNTED, TrialRecord
from ..storage.access import Access
from ..storage.leases import clear_unsigned
from ..storage.members import POLL_S, Alone, Members
from ..storage.reading import load_result
from ..storage.run_time import RunTime
from ..storage.studies import CONFIRMATION, PROBE, note_study
from ..trial.settings import Terms
from .beginning import Later, begin_study, first_queued, first_schedule, guide, note_session, queue_first
from .books import Books, OwnBooks, Queued, Searching
from .draws import skipped_numbers
from .earlier_sessions import Earlier
from .ending import note_at_end
from .failures import Failures
from .probing import Prober, probe_schedules, why_not
from .remaining import Remaining
from .runner import Runner
from .settling import Settling
from .shared import SharedBooks


@final
class Session:
    """One session of a search, alone or as one of several processes that share it.

    Args:
        plan: What to do.
        access: The search's storage.
        members: The processes that share the search; `Alone` if no other one does.
        runner: What runs the trials.
        begun: ``time.monotonic()`` from which a wall-clock budget counts.
        progress: Who to tell.
    """

    def __init__(
        self, plan: Plan, access: Access, members: Members | Alone, runner: Runner, begun: float, progress: Progress
    ) -> None:
        self.plan, self.access, self.members, self.runner = plan, access, members, runner
        self.storage, self.begun, self.progress = access.storage, begun, progress
        self.earlier = Earlier(access.storage, plan, begun, running=members.at_work() > 0)
        self.run_time = RunTime(self.earlier.ran, begun)
        self.ledger = Ledger(plan.budget, plan.epochs, self.earlier.spent, begun, plan.space.counting.every)
        self.tally = Tally(self.ledger, plan.metric, plan.maximize, counting=plan.space.counting)
        for trial in self.earlier.trials:
            self.tally.add(trial)
        self.terms = Terms(
            plan.space, plan.metric, plan.maximize, plan.epochs, plan.seed, plan.device, told=progress.epoch
        )
        self.pace = Pace(plan.epochs, self.earlier.trials)
        self.remaining = Remaining(plan, self.ledger, self.pace)
        self.failures = Failures(plan.objective.name, progress.note)
        self.told_too_small = False

    def run(self) -> SearchResult:
        """Run trials until the budget is spent; returns the whole search."""
        self.ledger.kept_back = self.remaining.to_keep_back()
        self.study = study = self._open()
        if self._unfinished():
            self.progress.start(self.plan.study, self.tally)
            try:
                self._warn()
                with self.run_time.noted(study):
                    self._choose(study)
                    with self.members, self.runner.at_work(self.plan, study):
                        self._spend(study)
                clear_unsigned(study, self.access.grace)
            finally:
                self.progress.stop()
        elif self.plan.accept_changes and not self.plan.joins:
            note_study(study, StudyNotes(accepted=self.plan.sources))
        result = self._result()
        return result if self.plan.joins else note_at_end(study, result)

    def probe(self) -> Probe:
        """Learn the scale of base_lr, and no more."""
        self.study = study = self._open()
        self._choose(study)
        with self.members, self.runner.at_work(self.plan, study):
            self._begin(study, self._books(study))
        return self._result().probe or Probe(())

    def _spend(self, study: Study) -> None:
        """Search, then confirm. The leader queues the runs of the confirmation; the other members help to run them."""
        if not self.plan.joins:
            self.members.reopen(study, more=self.remaining.trials_left() > 0)
        books = self._books(study)
        self._begin(study, books)
        self._search(study, books)
        while self.plan.confirm and not self.members.finished:
            if self.members.leads():
                self.members.close(study)
                self._confirm(study, books)
                self.members.finish()
            elif not self._help(books, "", CONFIRMATION):
                time.sleep(POLL_S)

    def _begin(self, study: Study, books: Books) -> None:
        """Learn the scale of base_lr, and queue what is trained first."""
        prober = Prober(
            self.plan,
            study,
            self.storage,
            self.members,
            lambda queue, runs: self._run_queue(queue, books, runs),
            lambda: self._help(books, PROBE),
            self.progress.note,
        )
        scale = prober.run(self._why_no_probe())
        skipped = skipped_numbers(study, alone=self.members.at_work() < 2)  # this process has joined
        self.terms = replace(self.terms, scale=scale, skipped=skipped)
        guide(study, self.plan, self.terms.skipped, scale)
        while not self.members.leads():
            if first_queued(study, self.plan):
                return
            time.sleep(POLL_S)
        queue_first(study, self.plan, scale, waits=self._may_wait)

    def _why_no_probe(self) -> str:
        """Why the search begins without a probe; empty if it begins with one."""
        trials = self.remaining.trials_left(self.remaining.to_keep_back())
        return why_not(self.plan, trials, begun=bool(self.earlier.trials))

    def _books(self, study: Study) -> Books:
        if isinstance(self.members, Alone):
            return OwnBooks(self.ledger)
        seen = [t.number for t in self.earlier.trials if t.outcome != "running"]
        return SharedBooks(self.ledger, study, self.members.member, self.plan.metric, seen, self._hear)

    def _search(self, study: Study, books: Books) -> None:
        """Run trials of the search until its part of the budget is spent, also those that dead processes abandoned."""
        terms = books.terms(self.terms, queued=False)
        untuned, settling = Later(study, self.plan), self._settling(study)
        searching = Searching(
            books,
            self.remaining.to_keep_back,
            lambda: self._queue_due(untuned),
            over=lambda: self.remaining.room_for_one(books) and settling.after(self._ended_trials),
        )
        while not books.closed:
            self.runner.run(study, self.plan, terms, searching.reserve, partial(self._searched, books))
            quiet = 0
            while quiet < 2:  # another process may take the rest between the first look and the question for room
                busy = self.members.busy_elsewhere(study)  # first, since the trials that it recovers make room
                if self.remaining.room_for_one(books) and not settling.over:
                    break
                quiet = 0 if busy else quiet + 1
                time.sleep(POLL_S * busy)
            else:
                return

    def _settling(self, study: Study) -> Settling:
        """Whether the search ends before its budget; an earlier session's note of that is taken back if it goes on."""
        if StudyNotes.read(study.user_attrs).settled and not self._had_settled:
            note_study(study, StudyNotes(settled=0))
        return Settling(study, able=self._may_settle, over=self._had_settled, told=self._tell_settled)

    @property
    def _may_settle(self) -> bool:
        """Whether the search may end before its budget: nobody shares it, and all of it was not asked for."""
        return self._may_wait and not self.plan.spend_all

    @property
    def _had_settled(self) -> bool:
        """Whether the search had settled, in its present space, when the session began, and is not to go on."""
        return self._may_settle and self.earlier.settled

    def _tell_settled(self) -> None:
        left = self.remaining.in_full_trials(self.ledger.available)
        self.progress.note(
            f"The search has settled after {self._ended_trials} trials: another one is expected to gain less than a "
            f"third of what chance does. Full trials left over: about {left:.0f}. --spend-all goes on."
        )

    @property
    def _ended_trials(self) -> int:
        return sum(self.tally.outcomes.get(outcome, 0) for outcome in COUNTED)

    @property
    def _may_wait(self) -> bool:
        """Whether baselines need not come first: the sampler has a better start, and nobody shares the search."""
        return self.plan.sampler == "curve" and isinstance(self.members, Alone)

    def _queue_due(self, untuned: Later) -> None:
        """Queue, in time, the baselines that wait."""
        if self._may_wait:
            left, most = map(self.remaining.in_full_trials, (self.ledger.available, self.ledger.most))
            untuned.queue_due(self._ended_trials, left, most)

    def _confirm(self, study: Study, books: Books) -> None:
        """Judge the winner on fresh seeds."""
        books.keep_back(0.0)
        Confirmer(
            replace(self.plan, pruner="none"),
            study,
            self.storage,
            self.ledger,
            lambda queue, trials: self._run_queue(queue, books, trials),
            lambda: self.pace.seconds,
            self.progress.note,
            told_why_not=self.told_too_small,
        ).run(self._result())

    def _run_queue(self, queue: Study, books: Books, trials: int) -> None:
        """Run this many queued trials. Wait until all have ended, whoever runs them, or the budget is spent."""
        quiet = 0
        while quiet < 2:  # twice, as in `_search`
            if ready := trials > 0 and self.remaining.room_for_one(books):
                self._run_queued(queue, books, trials)
            busy = self.members.busy_elsewhere(queue)
            trials = _waiting(queue)
            quiet = 0 if ready or busy else quiet + 1
            time.sleep(POLL_S * (busy and not ready))

    def _run_queued(self, queue: Study, books: Books, trials: int) -> None:
        fresh = queue.study_name == self.plan.study + CONFIRMATION
        part = PROBE_EPOCHS if queue.study_name == self.plan.study + PROBE else 0
        terms = books.terms(replace(self.terms, test=fresh, epochs=part or self.terms.epochs), queued=True)
        queued = Queued(books, trials, part)

        def on_end(allowance: Allowance, record: TrialRecord) -> None:
            self._ended(books, allowance, record)
            queued.ended(record)
            if (fresh or part) and record.outcome != "withdrawn":
                self.progress.run(record, queued.done, trials)

        self.runner.run(queue, replace(self.plan, pruner="none"), terms, queued.reserve, on_end)

    def _help(self, books: Books, *parts: str) -> bool:
        """Run the trials that the leader has queued in these parts of the search; whether there were any."""
        books.keep_back(0.0)
        for part in parts:
            try:
                queue = optuna.load_study(study_name=self.plan.study + part, storage=self.storage, pruner=NopPruner())
            except KeyError:
                continue
            if (trials := _waiting(queue)) and self.remaining.room_for_one(books):
                self._run_queued(queue, books, trials)
                return True
        return False

    def _ended(self, books: Books, allowance: Allowance, record: TrialRecord) -> None:
        """Book a trial of this session that has ended."""
        books.commit(allowance, record)
        self.run_time.note(self.study)
        self.pace.add(record)
        self.failures.add(record, any_complete=self.tally.best is not None)

    def _searched(self, books: Books, allowance: Allowance, record: TrialRecord) -> None:
        """Book a trial of the search that has ended, and tell whoever watches."""
        self._ended(books, allowance, record)
        if record.outcome != "withdrawn":
            self.tally.add(record)
            self.progress.trial(record, self.tally)

    def _hear(self, record: TrialRecord) -> None:
        """Count a trial that another process has ended."""
        self.tally.add(record)
        if self.runner.leads_only:
            self.progress.trial(record, self.tally)

    def _result(self) -> SearchResult:
        return load_result(self.storage, self.plan.study, str(self.plan.folder))

    def _unfinished(self) -> bool:
        return bool((self.remaining.trials_left() and not self._had_settled) or self._unconfirmed())

    def _unconfirmed(self) -> bool:
        """Whether there is something to confirm, and budget for it."""
        enough = self.remaining.trials_left(kept_back=0.0) >= 1
        return bool(self.plan.confirm and enough and needs_confirmation(self._result()))

    def _open(self) -> Study:
        """Open the study. If it has no trials yet, run an epoch first, to see whether the objective works."""
        plan = self.plan
        if not self.tally.outcomes or (plan.joins and self._unfinished()):
            if plan.joins or self._why_no_probe():
                self.runner.prove(plan, first_schedule(plan, waits=self._may_wait), self.terms)
            else:
                self.runner.prove(plan, probe_schedules(plan.space)[0], replace(self.terms, epochs=PROBE_EPOCHS))
            trained = getattr(plan.objective, "trained_optimizer", None)
            if text := other_range(trained, plan.objective.optimizer, plan.space.base_lr):
                self.progress.note(text)
        self.earlier.check_code(self.progress.note)
        running = self.members.at_work() > 0
        wider = self.earlier.wider(running=running, spent=not self.remaining.trials_left())
        study = begin_study(self.storage, plan)
        if wider:
            self.progress.note(f"The search space is wider now: {', '.join(wider)}.")
        if cut := self.access.recovered:
            self.progress.note(f"{cut} trial(s) were cut off when the last session ended; they run again.")
        return study

    def _warn(self) -> None:
        """Say that the budget is too small for a confirmation; for wall time, this is not known at the start."""
        self.told_too_small = bool(self.plan.confirm and not self.ledger.kept_back)
        if self.told_too_small:
            self.progress.note(too_small(int(self.plan.baseline is not None)))

    def _choose(self, study: Study) -> None:
        """Choose the engine, say which, and note the session in the study."""
        engine = self.runner.choose(self.plan, self.terms, self.remaining.trials_left(), self.pace.seconds)
        self.progress.note(str(engine))
        self.pace.side_by_side = engine.width if engine.name == "processes" else 1
        if not self.plan.joins:
            note_session(study, self.plan, self.begun, self.ledger.deadline, engine)


def _waiting(study: Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
