"""Whether a user's job really trains with its schedule: its optimizers' steps are counted and their rates compared."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from ..errors import ObjectiveError
from ..spaces import Counting, Schedule
from .optimizer import unwrapped
from .plateau import lower

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

TOLERANCE = 1e-6
"""By how much a rate may differ from the schedule's, relative to it; PyTorch's recursions differ by less than 1e-9."""
_AFTER = {"step": "optimizer step, and pass their true number as steps_per_epoch", "epoch": "epoch"}


@dataclass(frozen=True)
class Place:
    """Where a job is: at its report number `epoch`, 1 for the first, of a training that is counted so."""

    epoch: int
    counting: Counting

    @property
    def in_words(self) -> str:
        """``in epoch 3``, ``by step 300``."""
        return f"{'in' if self.counting.unit == 'epoch' else 'by'} {self.counting.when(self.epoch)}"

    @property
    def trained(self) -> str:
        """``3 epoch(s)``, ``300 steps``."""
        return f"{self.epoch} epoch(s)" if self.counting.unit == "epoch" else self.counting.trained(self.epoch)


class Follower:
    """An optimizer that trains with a scheduler of `schedule`: a hook sees every step that it really takes.

    Args:
        schedule: What it is to follow.
        optimizer: The optimizer; from now on its steps are counted.
        scheduler: Its scheduler.
        steps_per_epoch: Optimizer steps in an epoch; a fraction if it differs from epoch to epoch. Without epochs,
            between two reports.
        ratios: Each parameter group's share of the schedule's rate.
    """

    def __init__(
        self,
        schedule: Schedule,
        optimizer: Optimizer,
        scheduler: LRScheduler,
        steps_per_epoch: float,
        ratios: Sequence[float],
    ) -> None:
        self.scheduler, self.ratios, self.interval = scheduler, ratios, schedule.interval
        self.unit = schedule.unit
        self.per_epoch = steps_per_epoch if schedule.interval == "step" else 1
        self.curve = schedule.curve(steps_per_epoch if schedule.interval == "step" else 1)
        self.base_lr = schedule.base_lr
        self.steps = self._before = 0
        self._last_position = -1
        self._skipped: Any = 0
        self._wrong = ""
        self._optimizer = unwrapped(optimizer)
        self._hook = self._optimizer.register_step_post_hook(self._after_step)
        _count_skipped_steps()

    def yields_to(self, optimizer: Optimizer) -> bool:
        """Whether it is the same optimizer, which gets another scheduler: it is followed no more."""
        if self._optimizer is not unwrapped(optimizer):
            return False
        self._hook.remove()
        return True

    @property
    def skipped(self) -> int:
        """Steps that a GradScaler skipped, since gradients were infinite or NaN."""
        return round(float(self._skipped))

    def skip(self, steps: Any) -> None:
        """Count a skipped step: 1, or a tensor that is positive if it was one, looked at when it is needed."""
        self._skipped = self._skipped + (steps if isinstance(steps, int) else (steps > 0).float().sum())

    def lower(self, share: float) -> None:
        """Multiply the optimizer's rates from now on, and what they are compared with."""
        lower(self._optimizer, share)
        self.curve[int(self.scheduler.last_epoch) :] *= share

    def check(self, name: str, place: Place) -> None:
        """Raise `ObjectiveError` unless the job `name` has followed its schedule until it came to `place`."""
        epoch = place.epoch
        self._check_scheduler_steps(name, place)
        if self.steps == self._before and not self.skipped:
            raise ObjectiveError(
                f"the optimizer that {name} gave to run.scheduler took no step {_lately(place)}: give run.scheduler "
                f"the optimizer that trains the model, and make both once, before the first {self.unit}."
            )
        if self._last_position >= math.ceil(epoch * self.per_epoch):
            raise ObjectiveError(
                f"{name} calls scheduler.step() before optimizer.step(), which skips the first rate: "
                "call optimizer.step() first, then scheduler.step()."
            )
        if self._wrong:
            raise ObjectiveError(
                f"{name} does not train with its schedule: {self._wrong}. Remove what else sets the optimizer's lr: "
                "another scheduler, a warm-up, an assignment."
            )
        self._before = self.steps

    def _check_scheduler_steps(self, name: str, place: Place) -> None:
        done, due = int(self.scheduler.last_epoch), place.epoch * self.per_epoch
        low, high = math.floor(due + TOLERANCE), math.ceil(due - TOLERANCE)
        if not (low <= done <= high or (done < low and done >= low - self.skipped)):
            rule = f"with interval {self.interval!r} step it once after every {_AFTER[self.interval]}"
            if self.unit == "step":
                rule = f"step it once after every optimizer step, and report after every {self.per_epoch:.10g} of them"
            raise ObjectiveError(
                f"{name} called scheduler.step() {done} times in {place.trained}, not {due:.10g}, and optimizer.step()"
                f" {self.steps} times: {rule}."
            )

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.steps += 1
        self._last_position = position = int(self.scheduler.last_epoch)
        if (overflowed := getattr(optimizer, "found_inf", None)) is not None:  # a fused optimizer skips the step itself
            self.skip(overflowed)
        if not self._wrong and position < len(self.curve):
            self._compare(optimizer, float(self.curve[position]))

    def _compare(self, optimizer: Optimizer, rate: float) -> None:
        for group, ratio in zip(optimizer.param_groups, self.ratios, strict=False):
            if abs(float(group["lr"]) - ratio * rate) > TOLERANCE * ratio * max(rate, TOLERANCE * self.base_lr):
                self._wrong = (
                    f"at optimizer step {self.steps} the rate was {float(group['lr']):.6g}, not {rate * ratio:.6g}"
                )
                return


def _lately(place: Place) -> str:
    """``in epoch 3``, ``in the steps up to 300``."""
    if place.counting.unit == "epoch":
        return place.in_words
    return f"in the steps up to {place.counting.at(place.epoch)}"


def check_accumulation(followers: list[Follower], name: str, place: Place) -> None:
    """Raise `ObjectiveError` if the scheduler is stepped for every batch, the optimizers for every few alone."""
    for follower in followers:
        _check_processes(follower, name, place)
        taken = max(f.steps + f.skipped for f in followers if f.scheduler is follower.scheduler)
        done = int(follower.scheduler.last_epoch)
        if follower.interval == "step" and done >= 2 * taken > 0:
            remedy = f"and pass steps_per_epoch={taken / place.epoch:.10g}"
            if follower.unit == "step":
                remedy = "and count optimizer steps, not batches, towards run.steps and run.every"
            raise ObjectiveError(
                f"{name} called scheduler.step() {done} times and optimizer.step() {taken} times in {place.trained}: "
                f"with gradient accumulation call scheduler.step() only after optimizer.step(), {remedy}."
            )


def _check_processes(follower: Follower, name: str, place: Place) -> None:
    """Raise `ObjectiveError` if accelerate steps the scheduler, which it does once for every process."""
    state = sys.modules.get("accelerate.state")
    processes = 1 if state is None else int(state.PartialState._shared_state.get("num_processes", 1))
    done = int(follower.scheduler.last_epoch)
    if processes > 1 and follower.steps and done == processes * follower.steps:
        raise ObjectiveError(
            f"{name} called scheduler.step() {done} times and optimizer.step() {follower.steps} times in "
            f"{place.trained}: accelerate's prepared scheduler steps once for each of {processes} processes. Leave "
            "it out of accelerator.prepare, and step it after every optimizer.step()."
        )


def _count_skipped_steps() -> None:
    """Let GradScaler tell of the steps that it skips: it has no hook for them."""
    from torch.amp import GradScaler

    step = GradScaler.step
    if hasattr(step, "__wrapped__"):
        return

    @wraps(step)
    def counted(self: GradScaler, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        hooks = getattr(unwrapped(optimizer), "_optimizer_step_post_hooks", {}).values()
        before = {f: f.steps for h in hooks if isinstance(f := getattr(h, "__self__", None), Follower)}
        result = step(self, optimizer, *args, **kwargs)
        for follower, steps in before.items():
            if follower.steps == steps:
                follower.skip(1)
        return result

    GradScaler.step = counted  # type: ignore[method-assign]
