"""`ScheduleSpace`: which families and which ranges a search draws its schedules from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ..errors import InputError
from .base_lr import BASE_LR, base_lr_range
from .beside import Value, check_beside, from_optuna, optuna_name, to_optuna
from .counting import HORIZONS, IN_EPOCHS, Counting
from .families import (
    DEFAULT_FAMILIES,
    NOT_KNOWN_BEFOREHAND,
    PLATEAU,
    Choice,
    Param,
    Range,
    carried,
    get_family,
    is_recorded,
    unpack,
)
from .schedule import Interval, Schedule
from .values import TrialLike, check_range, draw, inside, nudge, rounded, rounded_factor, suggest, to_digits
from .warmup import WARMUP_START, WarmupShape, check_warmup_shape, default_warmup


@dataclass(frozen=True)
class ScheduleSpace:
    """Families and ranges to search.

    Attributes:
        families: Names of the families, at least one.
        horizon: Length of every schedule in epochs, or in optimizer steps: see `counting`, which holds for all lengths.
        base_lr: Range of the peak rate.
        warmup: Range of the warm-up length in epochs; starts at 0 by default.
        ranges: Ranges by ``"family.param"``, for every parameter of every family; missing ones take the family's
            default, or if they are opt-in are not searched. Lengths in epochs, gamma of ``exp`` per epoch, eta_min as
            a fraction of base_lr.
        interval: Whether the rate changes every ``"step"`` or every ``"epoch"``.
        warmup_start: First rate of the warm-up as a fraction of base_lr.
        warmup_shape: ``"linear"``, ``"cosine"`` or ``"exponential"``.
        counting: What lengths are counted in, and how often a training reports.
        beside: What else is searched and the training takes, by name, e.g. weight_decay; a choice of numbers has them
            as text.
        usual: Their values in baselines; the middle of a range, or the first choice, by default.
    """

    families: tuple[str, ...] = DEFAULT_FAMILIES
    horizon: float = 10
    base_lr: Range = BASE_LR["sgd"]
    warmup: Range | None = None
    ranges: Mapping[str, Range | Choice] = field(default_factory=dict)
    interval: Interval = "step"
    warmup_start: float = WARMUP_START
    warmup_shape: WarmupShape = "linear"
    counting: Counting = IN_EPOCHS
    beside: Mapping[str, Range | Choice] = field(default_factory=dict)
    usual: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.families or len(set(self.families)) != len(self.families):
            raise InputError(f"families must be distinct and at least one, got {list(self.families)}.")
        if PLATEAU.name in self.families:
            raise InputError(f"{NOT_KNOWN_BEFOREHAND}.")
        shortest, longest = HORIZONS[self.counting.unit]
        if not shortest <= self.horizon <= longest:
            name = f"{self.counting.unit}s"
            raise InputError(f"{name} must be a number from {shortest:g} to {longest:g}, got {self.horizon!r}.")
        if self.interval not in ("step", "epoch"):
            raise InputError(f"interval must be 'step' or 'epoch', got {self.interval!r}.")
        if self.counting.unit == "step" and self.interval != "step":
            raise InputError("trainings in steps change their rate every step: leave --interval epoch out.")
        check_warmup_shape(self.warmup_shape, self.warmup_start)
        object.__setattr__(self, "usual", check_beside(self.beside, self.usual))
        known = {f"{f}.{p.name}": p for f in self.families for p in get_family(f).params}
        if strange := [key for key in self.ranges if key not in known]:
            raise InputError(
                f"{strange[0]!r} is not a parameter of {', '.join(self.families)}; "
                f"choose from: {', '.join(known) or 'none'}."
            )
        if self.base_lr.low <= 0:
            raise InputError(f"base_lr needs low > 0, got {self.base_lr.low:g}.")
        warmup = self.warmup or default_warmup(self.horizon, self.counting)
        if not 0 <= warmup.low <= warmup.high < self.horizon:
            raise InputError(
                f"warmup must lie between 0 and the horizon of {self.counting.many(self.horizon)}, "
                f"got {warmup.low:g} to {warmup.high:g}."
            )
        object.__setattr__(self, "warmup", warmup)
        ranges = {
            key: self.ranges.get(key) or rounded(p, p.search(self.horizon), self.counting)
            for key, p in known.items()
            if key in self.ranges or not p.opt_in
        }
        for key, values in ranges.items():
            check_range(key, known[key], values)
        object.__setattr__(self, "ranges", ranges)

    def __reduce__(self) -> tuple[Any, ...]:
        """A space takes its families along to other processes."""
        return _again, (type(self), {f.name: getattr(self, f.name) for f in fields(self)}, carried(self.families))

    def check_loaded(self) -> None:
        """Raise `InputError` if schedules of a family cannot be drawn, since its own file is not loaded."""
        if missing := [name for name in self.families if is_recorded(name)]:
            raise InputError(f"the family {missing[0]!r} is your own: load it with --families FILE.py:{missing[0]}.")

    def suggest(self, trial: TrialLike) -> Schedule:
        """Ask an Optuna trial for a schedule; parameters are ``family``, ``base_lr``, ``warmup``, ``exp.gamma``, …

        Proposed numbers are rounded to four significant digits (six for gamma of ``exp``), so that what is
        trained is exactly what is exported.
        """
        family = trial.suggest_categorical("family", list(self.families))
        return self._schedule(family, lambda name, r: suggest(trial, name, r))

    def suggest_shared(self, trial: TrialLike) -> None:
        """Ask a trial for the parameters that every family has: ``base_lr``, ``warmup``, and those beside."""
        for name in ("base_lr", "warmup", *map(optuna_name, self.beside)):
            suggest(trial, name, self.range_of(name))

    def schedule(self, params: Mapping[str, Any]) -> Schedule:
        """The schedule that `suggest` makes of these Optuna parameters; raises `InputError` if one is missing."""
        try:
            return self._schedule(params["family"], lambda name, _: params[name])
        except KeyError as error:
            raise InputError(f"the parameter {error} is missing, got only {', '.join(sorted(params))}.") from None

    def sample(self, rng: np.random.Generator, n: int) -> list[Schedule]:
        """`n` schedules drawn uniformly on each range's own scale."""
        return [self.schedule(params) for params in self.sample_params(rng, n)]

    def sample_params(self, rng: np.random.Generator, n: int) -> list[dict[str, float | str]]:
        """The Optuna parameters of `n` schedules drawn uniformly on each range's own scale."""
        families = [self.families[i] for i in rng.choice(len(self.families), size=n)]
        return [{"family": f, **{name: draw(rng, self.range_of(name)) for name in self.names(f)}} for f in families]

    def nudged(
        self, params: Mapping[str, float | str], rng: np.random.Generator, scale: float
    ) -> dict[str, float | str]:
        """A neighbour of Optuna parameters: numbers move by a normal step of `scale` times their range's width."""
        names = self.names(str(params["family"]))
        return {"family": params["family"], **{n: nudge(rng, self.range_of(n), params[n], scale) for n in names}}

    def names(self, family: str) -> list[str]:
        """The Optuna parameters of a family's schedules, without ``family`` itself."""
        keys = (f"{family}.{p.name}" for p in get_family(family).params)
        return ["base_lr", "warmup", *(key for key in keys if key in self.ranges), *map(optuna_name, self.beside)]

    def params(self, schedule: Schedule) -> dict[str, float | str]:
        """The Optuna parameters that give `schedule`; of one that is not in the space, those that it shares with it.

        That is ``base_lr`` and ``warmup``, if both lie in their ranges, or nothing.
        """
        assert self.warmup is not None
        warmup = self.warmup.low if get_family(schedule.family).rises else schedule.warmup  # any: it plays no part
        shared: dict[str, float | str] = {"base_lr": schedule.base_lr, "warmup": warmup}
        if self.beside.keys() != schedule.beside.keys():
            return {}
        shared |= {optuna_name(n): to_optuna(self.beside[n], value) for n, value in schedule.beside.items()}
        if not all(inside(value, self.range_of(name)) for name, value in shared.items()):
            return {}
        if schedule.family not in self.families:
            return shared
        own = {f"{schedule.family}.{p.name}": _to_search(p, schedule) for p in get_family(schedule.family).params}
        held = {f"{schedule.family}.{name}" for name in schedule.params} - set(self.ranges)
        own = {name: value for name, value in own.items() if name in self.ranges}
        if held or not all(inside(value, self.range_of(name)) for name, value in own.items()):
            return shared
        return {"family": schedule.family, **shared, **own}

    def contains(self, schedule: Schedule) -> bool:
        """Whether `suggest` could give this schedule (up to rounding)."""
        return "family" in self.params(schedule)

    def range_of(self, name: str) -> Range | Choice:
        """The range of an Optuna parameter name."""
        assert self.warmup is not None
        beside = {optuna_name(n): span for n, span in self.beside.items()}
        return {"base_lr": self.base_lr, "warmup": self.warmup, **self.ranges, **beside}[name]

    def _schedule(self, family: str, pick: Any) -> Schedule:
        base_lr = to_digits(pick("base_lr", self.base_lr), 4)
        warmup = self._length(pick("warmup", self.warmup))
        if warmup >= self.horizon:  # rounded up to whole epochs
            warmup = float(np.ceil(self.horizon)) - 1
        if get_family(family).rises:
            warmup = 0.0
        params: dict[str, float | str] = {}
        for p in get_family(family).params:
            key = f"{family}.{p.name}"
            if key not in self.ranges:
                continue
            value = pick(key, self.ranges[key])
            if p.unit == "epochs":
                value = max(self._length(value), 1.0) if self.interval == "epoch" else self._length(value)
            elif p.unit == "lr":
                value = to_digits(value * base_lr, 4)
            elif p.unit == "per epoch":
                value = rounded_factor(value, 6, self.counting)
            elif p.unit != "choice":
                value = to_digits(value, 4)
            params[p.name] = value
        beside = {n: from_optuna(span, pick(optuna_name(n), span)) for n, span in self.beside.items()}
        return self._made(family, base_lr, warmup, params, beside)

    def plain(
        self, family: str, base_lr: float, warmup: float = 0.0, params: Mapping[str, float | str] | None = None
    ) -> Schedule:
        """A schedule over the space's horizon, with its kind of warm-up and its interval; beside it usual values."""
        return self._made(family, base_lr, warmup, params or {}, self.usual)

    def _made(
        self,
        family: str,
        base_lr: float,
        warmup: float,
        params: Mapping[str, float | str],
        beside: Mapping[str, float | str],
    ) -> Schedule:
        how = (self.warmup_start, self.interval, self.warmup_shape)
        return Schedule(family, base_lr, self.horizon, params, warmup, *how, unit=self.counting.unit, beside=beside)

    def warmup_near(self, length: float) -> float:
        """The warm-up of the space's range and grid that is nearest to a length, in the space's unit."""
        assert self.warmup is not None
        span = self.warmup
        length = min(max(length, span.low), span.high)
        if span.step:
            length = span.low + span.step * round((length - span.low) / span.step)
        return self._length(length)

    def _length(self, epochs: float) -> float:
        if self.interval == "step" and self.counting.unit == "epoch":
            return to_digits(epochs, 4)
        return float(round(epochs))


def _again(cls: type[ScheduleSpace], values: Mapping[str, Any], families: bytes | None) -> ScheduleSpace:
    """Unpickle a space, after its families."""
    unpack(families)
    return cls(**values)


def default_space(
    optimizer: str = "sgd",
    horizon: float = 10,
    families: tuple[str, ...] = DEFAULT_FAMILIES,
    interval: Interval = "step",
    counting: Counting = IN_EPOCHS,
) -> ScheduleSpace:
    """The ranges that practitioners would accept for the optimizer, named as its class is: ``"sgd"``, ``"adamw"``, …

    Raises:
        InputError: Nothing is known of an optimizer of that name.
    """
    base_lr = base_lr_range(optimizer)
    return ScheduleSpace(families, horizon, base_lr, interval=interval, counting=counting)


def _to_search(param: Param, schedule: Schedule) -> float | str:
    value = schedule.value(param.name)
    return float(value) / schedule.base_lr if param.unit == "lr" else value
