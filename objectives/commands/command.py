"""`Command`: any program as an `Objective`, started anew for every trial."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import ObjectiveError
from ...redaction import hide, redact_words, secrets_in
from ...spaces import IN_EPOCHS, Counting, Schedule, ScheduleSpace
from ...spaces.beside import Value, for_job, optuna_name
from ..objective import Measurement
from ..optimizer import TrainedOptimizer, range_name
from .environment import environment, short_folder, visible
from .program import checked_words, name_of
from .searched_values import samples, varied
from .sources import MetricFile, Source
from .template import WHOLE, Library, Template, Values
from .training import LEAVE_S, Report, Training
from .wire import SCHEDULE_FILE, Card


class Command:
    """A program that trains, as an objective: ``Command(["python", "train.py", "--lr", "{base_lr}"])``.

    Its script asks for its scheduler by `lrsearch.scheduler` and reports by `lrsearch.report`; or its arguments say the
    schedule in fields (see `FIELDS`), and its metrics are read from what it writes.

    Args:
        command: The program and its arguments, with fields. Passwords and tokens in it are passed on, but not stored.
        optimizer: ``"sgd"``, ``"adamw"``, ...: which default base_lr range suits the job; None to find out by starting
            it once until it asks for its scheduler.
        epochs: Default horizon.
        source: Where its metrics are, unless it reports them.
        steps_per_epoch: Optimizer steps in an epoch, where fields need it and the script does not say.
        logs: The folder for the trials' output; a temporary one by default.
        libraries: Fields that stand for a library's arguments.
        counting: What its trainings are counted in; `epochs` are then their reports.

    Attributes:
        usual: Usual values of what is searched beside the schedule; they are fields, too.
        by_flags: Whether its arguments say the whole schedule.
        needs_seed: Whether trials differ in their seeds, as a confirmation's do.

    Raises:
        InputError: The command is empty, or the program is not there.
    """

    start_loss: float | None = None

    def __init__(
        self,
        command: Sequence[str],
        optimizer: str | None = None,
        epochs: int = 10,
        *,
        source: Source | None = None,
        steps_per_epoch: int | None = None,
        logs: str | os.PathLike[str] | None = None,
        libraries: Mapping[str, Library] | None = None,
        counting: Counting = IN_EPOCHS,
    ) -> None:
        self.template = Template(checked_words(command), libraries)
        self.counting = counting
        self.name, self.epochs, self.source = name_of(command), epochs, source
        self.steps_per_epoch, self._given_steps = steps_per_epoch, steps_per_epoch
        self.logs = None if logs is None else Path(logs)
        self.trained_optimizer: TrainedOptimizer | None = None
        self.by_flags, self.needs_seed = False, False
        self.usual: Mapping[str, Value] = {}
        self._trial, self._optimizer = "", optimizer

    @property
    def optimizer(self) -> str:
        """See `Objective`; unless it was given, the command is started once to find out.

        Raises:
            InputError: A field does not exist.
            ObjectiveError: The command dies, or ends early.
        """
        self._check_fields(self.usual)
        if self._optimizer is None:
            self._optimizer = self._find_optimizer()
        return self._optimizer

    def settings(self) -> dict[str, Any]:
        """See `Objective.settings`; without what is secret."""
        source = {"metrics": str(self.source)} if self.source else {}
        return {
            "objective": self.name,
            "command": redact_words(self.template.words),
            "optimizer": self.optimizer,
            **source,
            **({"steps_per_epoch": self._given_steps} if self._given_steps else {}),
        }

    def name_trial(self, name: str) -> None:
        """Say what the trial that comes next is called; its log has that name."""
        self._trial = name

    def with_params(self, usual: Mapping[str, Value]) -> Command:
        """The same where more than the schedule is searched: whose names are fields, and whose usual values these."""
        made = copy(self)
        made.usual = usual
        return made

    def for_search(self, space: ScheduleSpace, logs: str | os.PathLike[str], *, fresh_seeds: bool) -> Command:
        """The same for a search.

        Args:
            space: What is searched.
            logs: The folder for the trials' output, unless it has one.
            fresh_seeds: Whether a winner is judged on seeds of its own, so that the command must take its seed.

        Raises:
            InputError: A field does not exist, or a library's field cannot say what is searched.
        """
        self._check_fields(space.beside)
        made = self.with_params(space.usual)
        searched = {"base_lr", "family"} | {n.rpartition(".")[2] for f in space.families for n in varied(space, f)}
        made.by_flags = self.template.covers(searched)
        for schedule in samples(space):
            self.template.try_libraries(schedule, self.steps_per_epoch)
        made.needs_seed = fresh_seeds
        made.logs = self.logs or Path(logs)
        return made

    def run(
        self, schedule: Schedule, *, epochs: int, seed: int, device: str, test: bool = False
    ) -> Iterator[Measurement]:
        """See `Objective.run`.

        Raises:
            ObjectiveError: The command cannot be started, dies, or ends early; its script breaks a rule.
            InputError: A field does not exist, or needs what is not known.
        """
        self._check_fields(schedule.beside)
        how = {"by_flags": self.by_flags, "every": self.counting.every}
        card = Card.of(schedule, epochs=epochs, seed=seed, device=device, test=test, **how)
        with self._started(schedule, card) as training:
            patience = 0.0
            try:
                for epoch in range(1, epochs + 1):
                    begun, patience = time.perf_counter(), 0.0
                    report = training.next()
                    if report is None:
                        raise ObjectiveError(self._ended_early(training, epoch - 1, epochs))
                    measurement = self._measured(training, card, schedule, epoch, report, begun)
                    patience = LEAVE_S if training.waits or epoch == epochs else 0.0
                    yield measurement
                    self._rename(training)
                    training.answer(go_on=epoch < epochs)
            finally:
                training.close(patience)

    @contextmanager
    def _started(self, schedule: Schedule, card: Card) -> Iterator[Training]:
        """The command, started for a trial with a folder of its own."""
        with tempfile.TemporaryDirectory(prefix="lrsearch-", dir=short_folder(), ignore_cleanup_errors=True) as made:
            folder, name = Path(made), self._trial or f"check-{os.getpid()}"
            (folder / "own").mkdir()
            values = Values(
                schedule,
                self.steps_per_epoch,
                folder / "own",
                schedule=folder / SCHEDULE_FILE,
                **_lengths(card, self.counting),
                seed=card.seed,
                test=card.test,
                trial=name,
                device=card.device,
            )
            log = (self.logs or folder) / f"{name}.log"
            log.unlink(missing_ok=True)
            words = self.template.fill(values)
            secrets = secrets_in(words, os.environ)
            yield Training(
                words,
                environment(folder, card.device),
                replace(card, device=visible(card.device)),
                folder,
                log,
                self.source.reader(log, values.into) if self.source else None,
                partial(hide, secrets=secrets),
            )

    def _measured(
        self, training: Training, card: Card, schedule: Schedule, epoch: int, report: Report, begun: float
    ) -> Measurement:
        """An epoch's measurement, once it is known that all that a trial is reaches the training."""
        if not (training.asked or self.by_flags):
            raise ObjectiveError(
                f"{self.name} never used its schedule: make its scheduler with lrsearch.scheduler(optimizer, "
                "steps_per_epoch), or say all that is searched in the command's arguments, as {schedule}."
            )
        if self.needs_seed and not ("seed" in training.taken or "seed" in self.template.names):
            raise ObjectiveError(
                f"{self.name} takes no seed, and the winner is judged on fresh ones: add one to the command, as --seed "
                "{seed}, or call lrsearch.seed() in the script; or search with --confirm 0."
            )
        if schedule.multipliers and not (training.asked and self.source is None):
            raise ObjectiveError(
                f"{self.name} would pass over the multipliers of [groups]: make its scheduler with lrsearch.scheduler("
                "optimizer, steps_per_epoch), and call lrsearch.report."
            )
        for key in () if WHOLE & self.template.names else for_job(schedule.beside):
            if key not in self.template.names and optuna_name(key) not in training.taken:
                raise ObjectiveError(
                    f"{self.name} never took {key}, which is searched: add it to the command, as --{key} {{{key}}}, or "
                    f"take it in the script, as lrsearch.param({key!r}, 0.01) with its usual value."
                )
        self._learn(training)
        metrics = {k: v for k, v in report.metrics.items() if card.test or not k.startswith("test_")}
        if report.lr is not None:
            lr = report.lr
        else:
            n = self.steps_per_epoch or 1
            lr = float(schedule.curve(n, self.counting.at(card.epochs))[self.counting.at(epoch) * n - 1])
        return Measurement(epoch, metrics, lr, time.perf_counter() - begun)

    def _check_fields(self, beside: Iterable[str]) -> None:
        """Raise `InputError` if there is a field that does not exist."""
        self.template.check(beside, *([self.source.path] if isinstance(self.source, MetricFile) else []))

    def _learn(self, training: Training) -> None:
        """Note what the script has told of its optimizer and its steps."""
        if (steps := training.facts.get("steps_per_epoch")) is not None:
            self.steps_per_epoch = round(steps)
        if made := training.facts.get("optimizer"):
            self.trained_optimizer = TrainedOptimizer.from_dict(made)

    def _ended_early(self, training: Training, done: int, epochs: int) -> str:
        """Why there is no further epoch."""
        units = self.counting.units
        why = f"{self.name} {training.why_it_ended()}"
        if training.status:
            return f"{why}; that was after {self.counting.trained(done)} of {self.counting.at(epochs)}"
        if done:
            return (
                f"{self.name} ended after {self.counting.trained(done)} of {self.counting.at(epochs)}: let it train as "
                f"many, as by --{units} {{{units}}}, and leave early stopping to the search"
            )
        if self.source:
            return f"{self.name} ended with exit code 0, but {training.nothing()}: {training.last_lines()}"
        return (
            f"{self.name} ended with exit code 0 and reported nothing: call lrsearch.report(val_loss=...) after every "
            "epoch, or say where its metrics are with --metric-file, --metric-regex or --metric-json"
        )

    def _rename(self, training: Training) -> None:
        """Name the log of a training that was begun before its trial was."""
        if self.logs and self._trial and training.log.stem.startswith("check-"):
            training.log = training.log.replace(self.logs / f"{self._trial}.log")

    def _find_optimizer(self) -> str:
        """Start the command until it asks for its scheduler; "" if it does not."""
        if self.source and self.template.names:
            return ""
        horizon, unit = self.counting.at(self.epochs), self.counting.unit
        probe = Schedule("constant", 1e-6, horizon, unit=unit, beside=self.usual)
        how = {"by_flags": True, "every": self.counting.every}
        card = Card.of(probe, epochs=self.epochs, seed=0, device="cpu", probe=True, **how)
        with self._started(probe, card) as training:
            try:
                asked = training.await_scheduler()
                if training.status or (training.status == 0 and not asked and not self.source):
                    raise ObjectiveError(self._ended_early(training, 0, self.epochs))
            finally:
                training.close(0.0)
            if not asked:
                return ""
            self._learn(training)
        made = self.trained_optimizer
        return range_name(made.name.rpartition(".")[2]) if made else ""


def _lengths(card: Card, counting: Counting) -> dict[str, int]:
    """How long a training is and how often it reports, as fields."""
    if counting.unit == "epoch":
        return {"epochs": card.epochs}
    return {"steps": counting.at(card.epochs), "every": counting.every}
