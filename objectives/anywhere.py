"""`scheduler`, `report` and `seed`: the same lines in a trial of any form, in a process of its own, and by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..spaces import Schedule, read_schedule, schedule_from_line
from .commands.wire import TRIAL, trial_folder
from .current import current_run

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from .commands.child import Child

SCHEDULE = "LRSEARCH_SCHEDULE"
"""The environment variable that names the schedule of a training that is started by hand."""


def scheduler(
    optimizer: Optimizer | Sequence[Optimizer],
    steps_per_epoch: float | None = None,
    schedule: Schedule | str | os.PathLike[str] | None = None,
    *,
    epochs: float | None = None,
    fallback: LRScheduler | Callable[[Any], LRScheduler] | None = None,
) -> LRScheduler:
    """The scheduler to train with, whoever started the training: step it after every ``optimizer.step()``.

    Within a search it is that of the trial, and the rates that the optimizer then steps with are compared with the
    schedule. Otherwise it is that of $LRSEARCH_SCHEDULE, else of `schedule`, else `fallback`.

    Args:
        optimizer: The optimizer that trains the model, or a list of several. base_lr becomes the rate of the parameter
            group that has the highest one; the others keep their ratio to it.
        steps_per_epoch: Optimizer steps in an epoch, >= 1; with gradient accumulation, fewer than batches. Not needed
            for a schedule that counts steps.
        schedule: A ``best.json``, a line as ``cosine:base_lr=0.1,warmup=1,epochs=20``, or a `Schedule`. So may
            $LRSEARCH_SCHEDULE be, which comes before it.
        epochs: Length of the training, to which such a schedule is stretched; its own length by default. In steps for a
            schedule that counts them. A trial has the length of its search.
        fallback: What to use where there is no schedule: a scheduler, or a function that makes one for the optimizer.

    Raises:
        InputError: There is no schedule, or it cannot be read.
    """
    if (run := current_run()) is not None:
        return run.scheduler(optimizer, steps_per_epoch)
    if (child := _child()) is not None:
        return child.scheduler(optimizer, steps_per_epoch)
    if (given := os.environ.get(SCHEDULE) or schedule) is not None:
        return _read(given, epochs).scheduler(optimizer, steps_per_epoch)
    if fallback is None:
        raise InputError(
            f"lrsearch.scheduler has no schedule: give a best.json to it or in ${SCHEDULE}, or a fallback, or start "
            "the training by a search, as lrsearch run -- python train.py."
        )
    return fallback(optimizer) if callable(fallback) else fallback


def report(**metrics: Any) -> bool:
    """Tell a search how an epoch went: ``lrsearch.report(val_loss=loss)``, once after each; does nothing by hand.

    In a command's process, the training ends here when its trial has ended, by `SystemExit`.

    Args:
        **metrics: Numbers, or tensors of one element, by name. Those whose names begin with ``test_`` are looked at
            only where a schedule that was chosen is judged. Of several processes of a training, the first one counts.

    Returns:
        Whether to go on.

    Raises:
        ObjectiveError: What is no number is reported, or the optimizer did not follow the schedule.
    """
    if (run := current_run()) is not None:
        return run.report_next(metrics)
    child = _child()
    return child is None or child.report_next(metrics)


def seed(fallback: int = 0) -> int:
    """The trial's seed for weights and data order; `fallback` where the training was started by hand."""
    if (run := current_run()) is not None:
        return run.seed
    child = _child()
    return fallback if child is None else child.take_seed()


def _read(given: Schedule | str | os.PathLike[str], epochs: float | None) -> Schedule:
    """A schedule as given, stretched to the length of the training."""
    if isinstance(given, Schedule):
        made = given
    elif ":" in str(given) and not os.path.exists(given):
        if epochs is None and "epochs=" not in str(given):
            raise InputError(
                f"{str(given)!r} says no length: add epochs=20, say, or pass epochs to lrsearch.scheduler."
            )
        made = schedule_from_line(str(given), epochs or 1)
    else:
        made = read_schedule(given)
    return made if epochs is None or epochs == made.horizon else made.stretched(epochs)


def _child() -> Child | None:
    """This process's part in a trial; None if a search did not start it."""
    folder = trial_folder()
    return None if folder is None else _child_of(folder, os.getpid())


@lru_cache(maxsize=1)
def _child_of(folder: Path, pid: int) -> Child:
    from .commands.child import Child

    if not folder.is_dir():
        raise InputError(f"${TRIAL} names {str(folder)!r}, which is no trial under way: unset it to train by hand.")
    return Child(folder)
