"""The fields of a command, as ``{base_lr}``: what a trial puts in their places."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import InputError, ObjectiveError, closest
from ...spaces import FAMILIES, Schedule

FIELDS = {
    "base_lr": "the highest rate",
    "family": "the schedule's family",
    "warmup": "the warm-up's length in epochs",
    "warmup_steps": "the same in optimizer steps",
    "warmup_start": "the first rate as a fraction of base_lr",
    "warmup_shape": "linear, cosine or exponential",
    "interval": "step or epoch",
    "epochs": "epochs to train",
    "steps": "the same in optimizer steps",
    "every": "optimizer steps between two reports, in a search that counts steps",
    "steps_per_epoch": "optimizer steps in an epoch",
    "params": "the family's parameters as JSON",
    "schedule": "a JSON file with the whole schedule",
    "seed": "the seed of weights and data order",
    "device": "the torch device",
    "test": "1 where test data may be looked at, else 0",
    "trial": "the trial's name, as trial-3",
    "folder": "a folder of the trial's own, removed afterwards",
}
"""The fields that every trial has, beside the parameters of its family, and what else is searched."""
WHOLE = {"schedule"}
"""Fields that say the whole schedule; those of libraries do, too."""
_LENGTHS = {"epochs", "steps_per_epoch"}
_STEPS = {"warmup_steps", "steps", "steps_per_epoch"}
_FIELD = re.compile(r"\{(\{)?([A-Za-z_]\w*)\}(?(1)\})")

Library = Callable[[Schedule, int | None], list[str]]
"""A library's arguments for a schedule and its optimizer steps in an epoch."""


class Template:
    """A command with fields; ``{{name}}`` stands for the text ``{name}``, and other braces for themselves.

    Args:
        words: The program and its arguments.
        libraries: Fields that stand for several arguments, by name.

    """

    def __init__(self, words: Sequence[str], libraries: Mapping[str, Library] | None = None) -> None:
        self.words, self.libraries = tuple(words), dict(libraries or {})
        self.names = {name for word in words for name in _names(word)}

    def check(self, beside: Iterable[str] = (), *more: str) -> None:
        """Check the fields of its words, and of more texts.

        Args:
            beside: Names of what is searched beside the schedule, which are fields, too.
            more: Other texts with fields.

        Raises:
            InputError: A field does not exist, stands at the wrong place, or means two things.
        """
        known = {*FIELDS, *self.libraries, *(p.name for family in FAMILIES.values() for p in family.params)}
        if twice := self.names & known & set(beside):
            name = min(twice)
            raise InputError(f"{{{name}}} is a part of every trial: give {name} under [params] another name.")
        for text, name in [(t, name) for t in (*self.words, *more) for name in _names(t)]:
            if name not in known | set(beside):
                raise _unknown_field(name, text, {*known, *beside})
            if name in self.libraries and text != f"{{{name}}}":
                raise InputError(
                    f"{{{name}}} stands for several arguments: it must be a word of its own, got {text!r}."
                )

    def covers(self, searched: Iterable[str]) -> bool:
        """Whether the fields say all that is searched."""
        given = set(self.names)
        if given & {*WHOLE, *self.libraries}:
            return True
        if "warmup_steps" in given:
            given.add("warmup")
        if "params" in given:
            given.update(p.name for family in FAMILIES.values() for p in family.params)
        return given.issuperset(searched)

    def try_libraries(self, schedule: Schedule, steps_per_epoch: int | None) -> None:
        """Raise `InputError` unless the libraries whose fields there are can say this schedule."""
        for name in self.names & set(self.libraries):
            self.libraries[name](schedule, steps_per_epoch)

    def fill(self, values: Values) -> list[str]:
        """The command of a trial; a word with a parameter that its family does not have is left out."""
        made: list[str] = []
        for word in self.words:
            if (name := _whole(word)) in self.libraries:
                made += self.libraries[str(name)](values.schedule, values.steps_per_epoch)
            elif absent := [n for n in _names(word) if not values.has(n)]:
                if _whole(word):
                    raise ObjectiveError(
                        f"{values.schedule.family} has no parameter {absent[0]}: write --{absent[0]}={{{absent[0]}}} "
                        "as one word, which is left out where a family has none."
                    )
            else:
                made.append(values.into(word))
        return made


class Values:
    """What a trial puts in the place of fields.

    Args:
        schedule: Its schedule.
        steps_per_epoch: Optimizer steps in an epoch; None if unknown.
        folder: A folder of the trial's own.
        rest: The schedule's file, epochs, seed, device, test, and the trial's name.
    """

    def __init__(self, schedule: Schedule, steps_per_epoch: int | None, folder: Path, /, **rest: object) -> None:
        self.schedule, self.steps_per_epoch = schedule, steps_per_epoch
        self._found: dict[str, object] = {
            **{name: getattr(schedule, name) for name in ("base_lr", "family", "warmup", "warmup_start")},
            "warmup_shape": schedule.warmup_shape,
            "interval": schedule.interval,
            "params": json.dumps(dict(schedule.params)),
            "folder": folder,
            **rest,
            **({} if schedule.points else {p.name: schedule.value(p.name) for p in FAMILIES[schedule.family].params}),
            **schedule.beside,
        }
        if schedule.unit == "step":
            self._found["warmup_steps"] = round(schedule.warmup)
        elif steps_per_epoch is not None:
            per_tick = steps_per_epoch if schedule.interval == "epoch" else 1
            ticks = steps_per_epoch // per_tick
            self._found |= {
                "steps_per_epoch": steps_per_epoch,
                "warmup_steps": round(schedule.warmup * ticks) * per_tick,
                "steps": round(float(str(rest["epochs"])) * steps_per_epoch),
            }

    def has(self, name: str) -> bool:
        """Whether there is such a value; raises `InputError` if it needs the steps in an epoch."""
        if name in _LENGTHS and name not in self._found and self.schedule.unit == "step":
            raise InputError(f"{{{name}}} is for searches that count epochs; this one counts steps: take {{steps}}.")
        if name == "every" and self.schedule.unit == "epoch":
            raise InputError(
                "{every} is for searches that count steps: say with --steps and --every how long they are."
            )
        if name in _STEPS and name not in self._found:
            raise InputError(
                f"{{{name}}} needs the number of optimizer steps in an epoch: give it with --steps-per-epoch."
            )
        return name in self._found

    def into(self, text: str) -> str:
        """The text with its fields filled."""
        return _FIELD.sub(lambda m: f"{{{m[2]}}}" if m[1] else _shown(self._found[m[2]]), text)


def _unknown_field(name: str, text: str, known: Iterable[str]) -> InputError:
    """The error for a field that does not exist; names the one that is most like it, or that has its name in it."""
    fields = sorted(known)
    close = closest(name, fields) or next((field for field in fields if name in field.split("_")), None)
    hint = f" Did you mean {{{close}}}?" if close else ""
    return InputError(
        f"unknown field {{{name}}} in {text!r}.{hint} All fields are in docs/command.md; {{{{{name}}}}} means the "
        f"text {{{name}}}."
    )


def _names(text: str) -> list[str]:
    return [m[2] for m in _FIELD.finditer(text) if not m[1]]


def _whole(word: str) -> str | None:
    """The field that a word consists of."""
    match = _FIELD.fullmatch(word)
    return match[2] if match and not match[1] else None


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return str(value)
