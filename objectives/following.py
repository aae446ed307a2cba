"""Whether a user's job really trains with its schedule: its optimizers' steps are counted and their rates compared."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from ..errors import ObjectiveError
from ..spaces import Schedule
from .optimizer import unwrapped

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

TOLERANCE = 1e-6
"""By how much a rate may differ from the schedule's, relative to it; PyTorch's recursions differ by less than 1e-9."""
_AFTER = {"step": "optimizer step, and pass their true number as steps_per_epoch", "epoch": "epoch"}


class Follower:
    """An optimizer that trains with a scheduler of `schedule`: a hook sees every step that it really takes.

    Args:
        schedule: What it is to follow.
        optimizer: The optimizer; from now on its steps are counted.
        scheduler: Its scheduler.
        steps_per_epoch: Optimizer steps in an epoch; a fraction if it differs from epoch to epoch.
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

    def skip(self, found: Any) -> None:
        """Count a skipped step: 1, or a tensor that is positive if it was one, looked at when it is needed."""
        self._skipped = self._skipped + (found if isinstance(found, int) else (found > 0).float().sum())

    def check(self, name: str, epoch: int) -> None:
        """Raise `ObjectiveError` unless the job `name` has followed its schedule until the end of `epoch`."""
        self._check_scheduler_steps(name, epoch)
        if self.steps == self._before and not self.skipped:
            raise ObjectiveError(
                f"the optimizer that {name} gave to run.scheduler took no step in epoch {epoch}: give run.scheduler "
                "the optimizer that trains the model, and make both once, before the first epoch."
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

    def _check_scheduler_steps(self, name: str, epoch: int) -> None:
        done, due = int(self.scheduler.last_epoch), epoch * self.per_epoch
        low, high = math.floor(due + TOLERANCE), math.ceil(due - TOLERANCE)
        if not (low <= done <= high or (done < low and done >= low - self.skipped)):
            raise ObjectiveError(
                f"{name} called scheduler.step() {done} times in {epoch} epoch(s), not {due:.10g}, and optimizer.step()"
                f" {self.steps} times: with interval {self.interval!r} step it once after every "
                f"{_AFTER[self.interval]}."
            )

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.steps += 1
        self._last_position = position = int(self.scheduler.last_epoch)
        if (found := getattr(optimizer, "found_inf", None)) is not None:  # a fused optimizer skips the step itself
            self.skip(found)
        if not self._wrong and position < len(self.curve):
            self._compare(optimizer, float(self.curve[position]))

    def _compare(self, optimizer: Optimizer, rate: float) -> None:
        for group, ratio in zip(optimizer.param_groups, self.ratios, strict=False):
            if abs(float(group["lr"]) - ratio * rate) > TOLERANCE * ratio * max(rate, TOLERANCE * self.base_lr):
                self._wrong = (
                    f"at optimizer step {self.steps} the rate was {float(group['lr']):.6g}, not {rate * ratio:.6g}"
                )
                return


def check_accumulation(followers: list[Follower], name: str, epoch: int) -> None:
    """Raise `ObjectiveError` if the scheduler is stepped for every batch, the optimizers for every few alone."""
    for follower in followers:
        _check_processes(follower, name, epoch)
        taken = max(f.steps + f.skipped for f in followers if f.scheduler is follower.scheduler)
        done = int(follower.scheduler.last_epoch)
        if follower.interval == "step" and done >= 2 * taken > 0:
            raise ObjectiveError(
                f"{name} called scheduler.step() {done} times and optimizer.step() {taken} times in {epoch} epoch(s): "
                "with gradient accumulation call scheduler.step() only after optimizer.step(), and pass "
                f"steps_per_epoch={taken / epoch:.10g}."
            )


def _check_processes(follower: Follower, name: str, epoch: int) -> None:
    """Raise `ObjectiveError` if accelerate steps the scheduler, which it does once for every process."""
    state = sys.modules.get("accelerate.state")
    processes = 1 if state is None else int(state.PartialState._shared_state.get("num_processes", 1))
    done = int(follower.scheduler.last_epoch)
    if processes > 1 and follower.steps and done == processes * follower.steps:
        raise ObjectiveError(
            f"{name} called scheduler.step() {done} times and optimizer.step() {follower.steps} times in {epoch} "
            f"epoch(s): accelerate's prepared scheduler steps once for each of {processes} processes. Leave it out of "
            "accelerator.prepare, and step it after every optimizer.step()."
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
        found = step(self, optimizer, *args, **kwargs)
        for follower, steps in before.items():
            if follower.steps == steps:
                follower.skip(1)
        return found

    GradScaler.step = counted  # type: ignore[method-assign]
