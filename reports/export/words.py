"""A schedule as words of a command line, for scripts whose arguments are a library's own."""

from __future__ import annotations

import json

from ...errors import InputError
from ...search import TrialRecord
from ...spaces import Schedule
from ._source import InexpressibleError, Source
from ._transformers import arguments


def transformers_words(schedule: Schedule, steps_per_epoch: int | None) -> list[str]:
    """What a script with transformers' ``TrainingArguments`` takes, as ``--learning_rate 0.001 --warmup_steps 20 ...``.

    Raises:
        InputError: Its Trainer has no such schedule, or the steps in an epoch are needed and unknown.
    """
    record = TrialRecord(0, "running", schedule, None, {}, (), ())
    try:
        given = arguments(Source(record, None, schedule, steps_per_epoch))
    except InexpressibleError as error:
        raise InputError(
            f"{error} Search what it has, as --families cosine,linear with warmup_start = 0 in a --space file; or call "
            "lrsearch.scheduler in the script."
        ) from None
    pairs = ((f"--{name}", json.dumps(v) if isinstance(v, dict) else str(v)) for name, v in given.items())
    return [word for pair in pairs for word in pair]
