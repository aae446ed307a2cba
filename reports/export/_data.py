"""The facts as JSON or YAML, and JSON read back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from ...errors import InputError
from ...objectives import TrainedOptimizer
from ...search import Outcome, TrialRecord
from ...spaces import Schedule
from ...spaces.files import KIND, read_json
from ..facts.fresh_seeds import facts as confirmed_facts
from ._source import MOST_STEPS, Format, Source, lrsearch_version

_PLAIN: dict[str, tuple[type, ...]] = {
    "number": (int,),
    "outcome": (str,),
    "baseline": (str, type(None)),
    "reason": (str,),
    "steps_per_epoch": (int, type(None)),
    "device": (str,),
    "worker": (int, type(None)),
    "params": (dict,),
}
"""Fields of a `TrialRecord` that are written as they are, with their types."""


def facts(source: Source) -> dict[str, Any]:
    """What is known of the trial, JSON-ready; numbers that are not finite stand as text, e.g. ``"inf"``."""
    record = source.record
    return {
        "kind": KIND,
        "lrsearch": lrsearch_version(),
        "schedule": source.schedule.to_dict(),
        "in_words": source.schedule.describe(),
        **_changed(source),
        **_search(source),
        "optimizer": record.optimizer.to_dict() if record.optimizer else None,
        "value": _number(record.value),
        **{name: getattr(record, name) for name in _PLAIN},
        "params": dict(record.params),
        "started": record.started.isoformat() if record.started else None,
        "ended": record.ended.isoformat() if record.ended else None,
        "metrics": {name: [_number(v) for v in values] for name, values in record.metrics.items()},
        "lr": [_number(v) for v in record.lr],
        "seconds": [_number(v) for v in record.seconds],
    }


def to_json(source: Source) -> str:
    """The facts as JSON."""
    text = json.dumps(facts(source), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # JSON writes a lone surrogate the same way


def to_yaml(source: Source) -> str:
    """The facts as YAML."""
    import yaml  # type: ignore[import-untyped]

    text: str = yaml.safe_dump(json.loads(to_json(source)), sort_keys=False, allow_unicode=True)
    return text


def read_best(path: str | os.PathLike[str]) -> TrialRecord:
    """The trial in a ``best.json``, or in any file of ``--format json``.

    Raises:
        InputError: The file cannot be read or is something else.
    """
    data = read_json(path)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise InputError(f"{str(path)!r} is not an exported trial: lrsearch export RUN --format json writes one.")
    try:
        return _record(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{str(path)!r} is damaged: {error!r}. Export it again.") from None


def _record(data: Mapping[str, Any]) -> TrialRecord:
    return TrialRecord(
        schedule=Schedule.from_dict(data["schedule"]).ran([float(v) for v in data["lr"]]),
        optimizer=TrainedOptimizer.from_dict(made) if (made := data.get("optimizer")) else None,
        value=None if data["value"] is None else float(data["value"]),
        metrics={name: tuple(float(v) for v in values) for name, values in data["metrics"].items()},
        lr=tuple(float(v) for v in data["lr"]),
        seconds=tuple(float(v) for v in data["seconds"]),
        started=datetime.fromisoformat(data["started"]) if data["started"] else None,
        ended=datetime.fromisoformat(data["ended"]) if data["ended"] else None,
        **{name: _checked(name, data[name]) for name in _PLAIN},
    )


def _checked(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, _PLAIN[name]):
        raise TypeError(f"{name} is {value!r}")
    if name == "outcome" and value not in get_args(Outcome):
        raise ValueError(f"{name} is {value!r}")
    if isinstance(value, dict) and not all(_plain_number(v) or isinstance(v, str) for v in value.values()):
        raise ValueError(f"{name} are {value!r}")
    if name == "steps_per_epoch" and isinstance(value, int) and not 1 <= value <= MOST_STEPS:
        raise ValueError(f"{name} is {value!r}")
    return value


def _plain_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _changed(source: Source) -> dict[str, Any]:
    """The schedule of the trial, where another one is exported."""
    trained = source.record.schedule
    return {"trained_schedule": trained.to_dict()} if trained and trained != source.schedule else {}


def _search(source: Source) -> dict[str, Any]:
    result = source.result
    if result is None:
        return {}
    baselines = [
        {"name": t.baseline, "value": _number(t.value), "outcome": t.outcome, "schedule": t.schedule.to_dict()}
        for t in result.baselines
        if t.schedule
    ]
    return {
        "study": result.name,
        "outcomes": result.counts(),
        "metric": result.metric,
        "maximize": result.maximize,
        "baselines": baselines,
        "confirmation": confirmed_facts(result),
        "settings": json.loads(json.dumps(result.settings, default=str), parse_constant=str),
    }


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


JSON = Format("json", "every fact, for programs; lrsearch.load reads it back", ".json", to_json)
YAML = Format("yaml", "the same facts as YAML", ".yaml", to_yaml)
