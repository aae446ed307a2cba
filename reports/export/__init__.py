"""A schedule as code for a training script, or as data: what a search is for.

Adding a format is adding a module with a `Format` and naming it in `FORMATS`.
May import facts. How code looks may change without asking, if it gives the same rates; what best.json holds may not.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError, unknown
from ...search import SearchResult, TrialRecord
from . import _data, _lightning, _timm, _torch, _transformers
from ._data import read_best
from ._files import replace_file
from ._source import Format, InexpressibleError, Source, make_source

__all__ = ["FORMATS", "Format", "export", "expressible", "read_best", "write_best"]

FORMATS: dict[str, Format] = {
    made.name: made
    for made in (_torch.FORMAT, _lightning.FORMAT, _transformers.FORMAT, _timm.FORMAT, _data.JSON, _data.YAML)
}


def export(
    record: TrialRecord,
    result: SearchResult | None,
    format: str,
    *,
    epochs: float | None = None,
    steps: int | None = None,
    steps_per_epoch: int | None = None,
    base_lr: float | None = None,
    keep_warmup: bool = False,
) -> str:
    """A trial's schedule as the text of a file.

    Args:
        record: The trial.
        result: Its search, for saying where the numbers come from.
        format: A name in `FORMATS`.
        epochs: The real training length to stretch the schedule to; the trial's by default.
        steps: The same of a search that counted steps, in optimizer steps.
        steps_per_epoch: Optimizer steps in an epoch of the real training; the trial's by default.
        base_lr: Another base_lr to rescale to.
        keep_warmup: When stretching, let the warm-up take as many optimizer steps as in the trial.

    Raises:
        InputError: An unknown format, or one that cannot express this schedule: the message names those that can.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    length = _length(record, epochs, steps)
    source = make_source(
        record, result, length=length, steps_per_epoch=steps_per_epoch, base_lr=base_lr, keep_warmup=keep_warmup
    )
    try:
        return FORMATS[format].render(source)
    except InexpressibleError as error:
        able = ", ".join(name for name, other in FORMATS.items() if expressible(source, other))
        raise InputError(f"{error} Formats that can: {able}. {error.instead}".rstrip()) from None


def _length(record: TrialRecord, epochs: float | None, steps: int | None) -> float | None:
    """The real training length in the trial's unit; raises `InputError` if it is given in another."""
    unit = record.schedule.unit if record.schedule else "epoch"
    if (epochs if unit == "step" else steps) is not None:
        raise InputError(f"the search counted {unit}s: give the length of the real training as --{unit}s.")
    return steps if unit == "step" else epochs


def expressible(source: Source, format: Format) -> bool:
    """Whether the format has words for the source's schedule."""
    try:
        format.render(source)
    except (InexpressibleError, InputError):
        return False
    return True


def write_best(result: SearchResult, folder: str | Path) -> tuple[Path, Path]:
    """Write ``best.json`` and ``best.py`` into `folder`, each in one go; raises `StudyError` without a winner."""
    source = make_source(result.best, result)
    data, code = (
        replace_file(Path(folder) / f"best{f.suffix}", f.render(source)) for f in (FORMATS["json"], FORMATS["torch"])
    )
    return data, code
