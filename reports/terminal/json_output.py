"""What programs read on standard output: one JSON object a line."""

from __future__ import annotations

import json
import math
import sys
from typing import TextIO

from ...search import SearchResult, Tally, TrialRecord
from ...spaces import IN_EPOCHS, Counting
from ..facts.fresh_seeds import facts as confirmed_facts
from ..facts.headline import headline


class JsonProgress:
    """One JSON object per line, for programs; on standard output if not told otherwise."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.counting = IN_EPOCHS

    def start(self, name: str, tally: Tally) -> None:
        """``{"event": "start", ...}``."""
        self.counting = tally.counting
        self._print(event="start", study=name, budget=str(tally.ledger.budget), outcomes=tally.outcomes)

    def trial(self, trial: TrialRecord, tally: Tally) -> None:
        """``{"event": "trial", ...}``."""
        self._print(event="trial", **trial_facts(trial, self.counting), spent=round(tally.ledger.spent, 3))

    def epoch(self, trial: int, epoch: int, epochs: int) -> None:
        """Nothing: the trials' events are enough."""

    def run(self, record: TrialRecord, done: int, of: int) -> None:
        """``{"event": "run", ...}``: a run of the probe, on a fresh seed, or over a longer horizon."""
        self._print(
            event="run",
            **trial_facts(record, self.counting),
            confirms=record.confirms,
            seed=record.seed,
            probes=record.probes,
            done=done,
            planned=of,
        )

    def note(self, text: str) -> None:
        """``{"event": "note", ...}``."""
        self._print(event="note", text=text)

    def stop(self) -> None:
        """The result follows as a last line, from `print_json`."""

    def _print(self, **event: object) -> None:
        print(json.dumps(event), file=self.out, flush=True)


def trial_facts(trial: TrialRecord, counting: Counting) -> dict[str, object]:
    """A trial as JSON-ready facts; an infinite value becomes null."""
    finite = trial.value is not None and math.isfinite(trial.value)
    return {
        "number": trial.number,
        "outcome": trial.outcome,
        "value": trial.value if finite else None,
        counting.units: counting.at(trial.epochs),
        "baseline": trial.baseline,
        "reason": trial.reason,
        "schedule": trial.schedule.to_dict() if trial.schedule else None,
    }


def print_json(result: SearchResult) -> None:
    """The result as one line of JSON on standard output; `best` is the recommended trial."""
    best = trial_facts(result.best, result.counting) if result.ranking else None
    said = headline(result)
    facts = {
        "event": "result",
        "study": result.name,
        "folder": result.folder,
        "report": f"{result.folder}/report.html" if result.folder else None,
        "outcomes": result.counts(),
        "metric": result.metric,
        "state": said.state,
        "in_words": [text for text in (said.title, said.verdict) if text],
        "best": best,
        "confirmation": confirmed_facts(result),
    }
    print(json.dumps(facts), flush=True)
