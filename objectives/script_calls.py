"""`scheduler`, `report`, `seed` and `param`: the same in a trial of any form, in its own process, and by hand."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ObjectiveError
from ..spaces import Schedule, read_schedule, schedule_from_line
from .commands.wire import TRIAL, trial_folder
from .current_run import current_run
from .optimizer import unwrapped

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from ..spaces.beside import Value
    from .commands.child import Child
    from .run import Run

SCHEDULE = "LRSEARCH_SCHEDULE"
"""The environment variable that names the schedule of a training that is started by hand."""


def scheduler(
    optimizer: Optimizer | Sequence[Optimizer],
    steps_per_epoch: float | None = None,
    schedule: Schedule | str | os.PathLike[str] | None = None,
    *,
    epochs: float | None = None,
    num_training_steps: int | None = None,
    last_epoch: int = -1,
    end: float | None = None,
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
        num_training_steps: In the place of `steps_per_epoch`: all optimizer steps of a training of `epochs`, as
            torchtune passes them.
        last_epoch: Steps done before less one, as torchtune passes it where a training by hand goes on; -1 for none.
        end: The same as `epochs`, as mmengine's Runner passes it.
        fallback: What to use where there is no schedule: a scheduler, or a function that makes one for the optimizer.

    Raises:
        InputError: There is no schedule, or it cannot be read.
        ObjectiveError: A trial does not begin at its first step.
    """
    optimizer, wrapper = _torchs_own(optimizer), optimizer
    epochs = epochs or end
    if (run := run_here()) is not None:
        if last_epoch >= 0:
            raise ObjectiveError(f"a trial trains from the start, got {last_epoch=}: load no optimizer's state.")
        length = None if run.schedule.unit == "step" else epochs or run.epochs
        made = run.scheduler(optimizer, steps_per_epoch or _steps_per_epoch(num_training_steps, length))
        return _as_wrapped(made, wrapper, run.schedule)
    if (by_hand := schedule_by_hand(schedule, epochs)) is not None:
        length = None if by_hand.unit == "step" else by_hand.horizon
        made = by_hand.scheduler(optimizer, steps_per_epoch or _steps_per_epoch(num_training_steps, length))
        return _as_wrapped(_stepped(made, last_epoch + 1), wrapper, by_hand)
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
    run = run_here()
    return run is None or run.report_next(metrics)


def seed(fallback: int = 0) -> int:
    """The trial's seed for weights and data order; `fallback` where the training was started by hand."""
    if (run := current_run()) is not None:
        return run.seed
    child = _child()
    return fallback if child is None else child.take_seed()


def param(name: str, fallback: Any = None, schedule: Schedule | str | os.PathLike[str] | None = None) -> Any:
    """A hyperparameter that is searched beside the schedule: ``lrsearch.param("weight_decay", 0.01)``.

    Within a search whose space has it under ``[params]``, it is the trial's. Started by hand, it is what the
    ``best.json`` of $LRSEARCH_SCHEDULE, else of `schedule`, was found with; `fallback` where that names none.

    Args:
        name: Its name under ``[params]``.
        fallback: Its usual value.
        schedule: As for `scheduler`.

    Returns:
        A number, or a word of its choices.

    Raises:
        InputError: There is neither a value nor a fallback.
    """
    if (run := run_here()) is not None:
        value = run.take_param(name, fallback)
    else:
        value = _beside(os.environ.get(SCHEDULE) or schedule).get(name, fallback)
    if value is None:
        raise InputError(
            f"lrsearch.param has no {name!r}: give it the usual value, as lrsearch.param({name!r}, 0.01), or search it "
            "under [params] in a space file."
        )
    return value


def _beside(given: Schedule | str | os.PathLike[str] | None) -> Mapping[str, Value]:
    """What was searched beside a schedule; a line as ``cosine:base_lr=0.1`` says nothing of it."""
    if given is None or isinstance(given, Schedule):
        return given.beside if given else {}
    return {} if _is_line(given) else read_schedule(given).beside


def run_here() -> Run | None:
    """The run that a trial of any form trains in this process; None if a search did not start it."""
    return current_run() or _child()


def schedule_by_hand(given: Any, epochs: float | None) -> Schedule | None:
    """The schedule of a training that no search started: $LRSEARCH_SCHEDULE, else as given; None if there is none."""
    given = os.environ.get(SCHEDULE) or given
    return None if given is None else _read(given, epochs)


def _torchs_own(optimizer: Any) -> Any:
    """PyTorch's optimizer in that of a framework whose wrapper is none, as mmengine's."""
    from torch.optim import Optimizer

    return optimizer if isinstance(optimizer, Optimizer) else unwrapped(optimizer)


def _as_wrapped(made: Any, wrapper: Any, schedule: Schedule) -> LRScheduler:
    """The scheduler, with what mmengine asks it: whether to step it after every epoch."""
    if type(wrapper).__module__.startswith("mmengine."):
        made.by_epoch = schedule.interval == "epoch"
    return made  # type: ignore[no-any-return]


def _steps_per_epoch(total: int | None, epochs: float | None) -> float | None:
    return None if total is None or epochs is None else total / epochs


def _stepped(scheduler: LRScheduler, steps: int) -> LRScheduler:
    """The scheduler of a training that has taken so many steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer took its steps in another process
        for _ in range(steps):
            scheduler.step()
    return scheduler


def _read(given: Schedule | str | os.PathLike[str], epochs: float | None) -> Schedule:
    """A schedule as given, stretched to the length of the training."""
    if isinstance(given, Schedule):
        made = given
    elif _is_line(given):
        if epochs is None and "epochs=" not in str(given):
            raise InputError(
                f"{str(given)!r} says no length: add epochs=20, say, or pass epochs to lrsearch.scheduler."
            )
        made = schedule_from_line(str(given), epochs or 1)
    else:
        made = read_schedule(given)
    return made if epochs is None or epochs == made.horizon else made.stretched(epochs)


def _is_line(given: str | os.PathLike[str]) -> bool:
    """Whether a schedule is given in a line, not in a file."""
    return ":" in str(given) and not os.path.exists(given)


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
