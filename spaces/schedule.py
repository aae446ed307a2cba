"""`Schedule`: one learning-rate schedule, as a closed form and as PyTorch's own scheduler classes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import InputError
from .beside import Value, multipliers
from .counting import HORIZONS, Unit, brief, check_unit
from .families import (
    BUILT_IN,
    FAMILIES,
    NOT_KNOWN_BEFOREHAND,
    PLATEAU,
    Array,
    Expr,
    Stage,
    carried,
    check_points,
    from_points,
    get_family,
    is_recorded,
    number,
    record,
    unpack,
)
from .groups import as_optimizers, group_names, group_ratios, keep_scale, set_rates, unnamed
from .params import complete, filled, in_steps, only, scaled
from .warmup import WARMUP_START, WarmupShape, check_warmup, check_warmup_shape, warmed, warmup_stage

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Interval = Literal["step", "epoch"]
RATES = (1e-30, 1e9)
"""The smallest and the largest base_lr."""
_UNSAID: tuple[tuple[str, Any], ...] = (("warmup_shape", "linear"), ("points", []), ("unit", "epoch"), ("beside", {}))
POINTS = 129
"""Points stored of a schedule whose family is the user's own."""


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule: a warm-up, then a family's decay.

    Attributes:
        family: Name of a registered family, e.g. ``"cosine"``.
        base_lr: The rate at the end of the warm-up, within `RATES`.
        horizon: The length the schedule is made for, in epochs (see `unit`), within `HORIZONS`.
        params: The family's parameters under PyTorch's names: lengths in epochs, ``gamma`` of ``exp`` per epoch,
            ``eta_min`` a learning rate. Missing ones take their usual value; those that a family has opt-in are
            kept only where they differ from it.
        warmup: Length of the warm-up in epochs, 0 <= warmup < horizon; 0 for none.
        warmup_start: The first rate as a fraction of base_lr, in [0, 1].
        interval: ``"step"``: the rate changes after every optimizer step; ``"epoch"``: after every epoch, lengths
            being rounded to whole epochs.
        warmup_shape: ``"linear"``; ``"cosine"``: half a cosine; ``"exponential"``: the same factor every step.
        points: The decay as it was stored, shares of base_lr at evenly spaced progress: for a family of the user's
            own whose file is not at hand, or has changed.
        unit: ``"step"``: every length here is in optimizer steps, not in epochs, and ``gamma`` of ``exp`` is per step;
            for trainings that have no epochs.
        beside: What else is searched and the training takes, by name, e.g. ``{"weight_decay": 0.01}``; no part of the
            rate, but for `multipliers`.
        course: Of one that follows the metric (see `reacts`) and has trained: the share of base_lr in every epoch. It
            is what one training was, no part of the schedule: it is neither stored with it nor compared.

    Raises:
        InputError: A value is outside its domain, or a parameter does not belong to the family.

    >>> Schedule("exp", base_lr=0.1, horizon=3, params={"gamma": 0.5}, interval="epoch").curve(1).tolist()
    [0.1, 0.05, 0.025]
    """

    family: str
    base_lr: float
    horizon: float
    params: Mapping[str, float | str] = field(default_factory=dict)
    warmup: float = 0.0
    warmup_start: float = WARMUP_START
    interval: Interval = "step"
    warmup_shape: WarmupShape = "linear"
    points: tuple[float, ...] = field(default=(), repr=False)
    unit: Unit = "epoch"
    beside: Mapping[str, Value] = field(default_factory=dict)
    course: tuple[float, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        family = get_family(self.family)
        check_unit(self.unit)
        _within("base_lr", self.base_lr, RATES)
        _within("horizon", self.horizon, HORIZONS[self.unit])
        check_warmup(self.warmup, self.horizon, self.unit)
        check_warmup_shape(self.warmup_shape, self.warmup_start)
        if self.reacts and (self.warmup or self.unit == "step"):
            raise InputError("plateau has no warm-up here, and counts epochs: leave out warmup and --steps.")
        if family.rises and self.warmup:
            raise InputError(f"{self.family} warms up by itself: its warmup must be 0, got {self.warmup!r}.")
        if self.interval not in ("step", "epoch"):
            raise InputError(f"interval must be 'step' or 'epoch', got {self.interval!r}.")
        if self.unit == "step" and self.interval != "step":
            raise InputError("a schedule in steps changes its rate every step: interval must be 'step'.")
        if self.points:
            check_points(self.points)
        else:
            if is_recorded(self.family):
                raise InputError(
                    f"the family {self.family!r} is your own: load it with --families FILE.py:{self.family}."
                )
            object.__setattr__(self, "params", complete(family, self.params, self.horizon - self.warmup))
        multipliers(self.beside)
        if float(self.params.get("eta_min", 0.0)) > self.base_lr:
            raise InputError(f"eta_min must not exceed base_lr={self.base_lr:g}, got {self.params['eta_min']!r}.")

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __reduce__(self) -> tuple[Any, ...]:
        """A schedule takes its family along to other processes."""
        return _again, (type(self), {f.name: getattr(self, f.name) for f in fields(self)}, carried([self.family]))

    @property
    def reacts(self) -> bool:
        """Whether it follows the metric, as `plateau` does: its rates are known once it has trained (see `ran`)."""
        return self.family == PLATEAU.name and not self.points

    @property
    def multipliers(self) -> dict[str, float]:
        """Shares of base_lr by the name of a param group, from ``{"groups.head.multiplier": 3.0}`` in `beside`.

        A share takes the place of the group's own ratio, at every step.
        """
        return multipliers(self.beside)

    def ran(self, rates: Sequence[float]) -> Schedule:
        """The same with the rate that a training had in every epoch, if it is one that follows the metric.

        Rates that no schedule has, such as a damaged study may hold, are left out of account.
        """
        if not self.reacts or not all(isinstance(r, (int, float)) and 0 <= r <= RATES[1] for r in rates):
            return self
        return replace(self, course=tuple(rate / self.base_lr for rate in rates))

    def curve(self, steps_per_epoch: float | None = None, epochs: float | None = None) -> Array:
        """The rate used at every optimizer step; of one that follows the metric, as it `ran`, or else base_lr.

        Args:
            steps_per_epoch: Optimizer steps in an epoch, >= 1; of no account for a schedule in steps.
            epochs: Length of the answer in epochs (see `unit`); the horizon by default, longer is allowed.

        Returns:
            Learning rates, shape ``(round(epochs * steps_per_epoch),)``; in steps, ``(epochs,)``.
        """
        ticks, n = self._ticks(steps_per_epoch), self.per_unit(steps_per_epoch)
        steps = np.arange(max(1, round((self.horizon if epochs is None else epochs) * n)))
        if self.course:
            shares: Array = np.array(self.course)
            rates: Array = self.base_lr * shares[np.minimum(steps // n, len(shares) - 1).astype(np.int64)]
            return rates
        t = (steps if self.interval == "step" else steps // n).astype(np.float64)
        after = np.maximum(t - ticks.warmup, 0.0)
        if self.points:
            decayed = from_points(self.points)[0](after, self.base_lr, ticks.decay)
        else:
            params = {name: expr.value for name, expr in self._resolved(steps_per_epoch).items()}
            decayed = get_family(self.family).lr(after, self.base_lr, ticks.decay, params)
        if not ticks.warmup:
            return decayed
        rising = self.base_lr * warmed(np.minimum(t / ticks.warmup, 1.0), self.warmup_start, self.warmup_shape)
        return np.where(t < ticks.warmup, rising, decayed)

    def per_unit(self, steps_per_epoch: float | None = None) -> float:
        """Optimizer steps in one unit of the lengths: `steps_per_epoch`, or 1; raises `InputError` if it is missing."""
        if self.unit == "step":
            return 1
        if steps_per_epoch is None or not 1 <= steps_per_epoch < math.inf:
            raise InputError(f"steps_per_epoch must be a finite number of at least 1, got {steps_per_epoch!r}.")
        return steps_per_epoch

    def scheduler(
        self, optimizer: Optimizer | Sequence[Optimizer], steps_per_epoch: float | None = None
    ) -> LRScheduler:
        """PyTorch's own scheduler for `optimizer`: step it after every optimizer step (or epoch, see `interval`).

        The parameter groups' rates are set first: base_lr is the rate of the group that has the highest one, and
        the others keep their ratio to it at every step, or their multiplier of it (see `group_ratios`).

        Args:
            optimizer: Any optimizer, or several that share one base_lr: the highest rate of any of them. A scheduler
                that one had before is forgotten.
            steps_per_epoch: Optimizer steps in an epoch, >= 1; of no account for a schedule in steps.

        Raises:
            InputError: An optimizer has no rate, steps_per_epoch is missing, or there is no group of a name that has a
                multiplier; or the schedule `reacts`.
        """
        if self.reacts:
            raise InputError(f"{NOT_KNOWN_BEFOREHAND}; train with PyTorch's ReduceLROnPlateau, as best.py does.")
        optimizers = as_optimizers(optimizer)
        if wrong := unnamed(group_names(*optimizers), self.multipliers):
            raise InputError(wrong)
        ratios = group_ratios(*optimizers, multipliers=self.multipliers)
        scaled = any(ratio != 1 for of_one in ratios for ratio in of_one)
        made = [self._built(o, steps_per_epoch, r, scaled=scaled) for o, r in zip(optimizers, ratios, strict=True)]
        if len(made) == 1:
            return made[0]
        from .joint_scheduler import Together  # brings PyTorch along

        return Together(made)

    def _built(
        self, optimizer: Optimizer, steps_per_epoch: float | None, ratios: Sequence[float], *, scaled: bool
    ) -> LRScheduler:
        from torch.optim import lr_scheduler

        set_rates(optimizer, self.base_lr, ratios)
        stages = self.stages(steps_per_epoch, scaled=scaled)
        parts: list[LRScheduler] = [
            getattr(lr_scheduler, s.cls)(optimizer, **{k: e.value for k, e in s.kwargs.items()}) for s in stages
        ]
        lengths = [s.length.value for s in stages if s.length is not None]
        ends = list(np.cumsum(lengths).tolist())
        built = parts[0] if len(parts) == 1 else lr_scheduler.SequentialLR(optimizer, parts, milestones=ends)
        keep_scale(optimizer)
        return built

    def stages(self, steps_per_epoch: float | None = None, *, scaled: bool = False) -> tuple[Stage, ...]:
        """The PyTorch classes that make this schedule, in order; stages of no length are left out.

        Args:
            steps_per_epoch: Optimizer steps in an epoch, >= 1; of no account for a schedule in steps.
            scaled: Whether they scale every group's own rate: for groups of different rates, that a parameter like
                ``eta_min`` would otherwise lead to the same rate.
        """
        ticks = self._ticks(steps_per_epoch)
        decay = Expr(ticks.decay, "decay_steps")
        if self.points:
            stages: tuple[Stage, ...] = (from_points(self.points)[1](decay),)
        else:
            stages = self._decay(decay, steps_per_epoch, scaled=scaled)
        if ticks.warmup:
            stages = (warmup_stage(Expr(ticks.warmup, "warmup_steps"), self.warmup_start, self.warmup_shape), *stages)
        return tuple(s for s in stages if s.length is None or s.length.value > 0)

    def _decay(self, decay: Expr, steps_per_epoch: float | None, *, scaled: bool) -> tuple[Stage, ...]:
        family, params = get_family(self.family), self._resolved(steps_per_epoch)
        absolute = {p.name for p in family.params if p.unit == "lr" and params[p.name].value}
        if scaled and absolute and family.scaled_stages:
            of_base = {name: number(params[name].value / self.base_lr) for name in absolute}
            return family.scaled_stages(decay, {**params, **of_base})
        return family.stages(decay, params)

    def stretched(self, epochs: float, warmup: float | None = None) -> Schedule:
        """The same shape over another horizon: lengths scale, per-epoch factors reach the same end.

        Args:
            epochs: The new horizon, in the schedule's unit.
            warmup: The new warm-up in the same unit, 0 <= warmup < epochs; scaled like the rest by default.
        """
        _within(f"{self.unit}s", epochs, HORIZONS[self.unit])
        k = epochs / self.horizon
        if warmup is None:
            warmup = self.warmup * k
        else:
            check_warmup(warmup, epochs, self.unit)
            k = (epochs - warmup) / (self.horizon - self.warmup)
        scale = {"epochs": lambda v: v * k, "per epoch": lambda v: v ** (1 / k)}
        params = scaled(get_family(self.family), self.params, scale)
        return replace(self, horizon=epochs, warmup=warmup, params=params, course=())

    def in_epochs_of(self, steps: float) -> Schedule:
        """A schedule in steps as one in epochs of so many of them."""
        return replace(self.stretched(self.horizon / steps), unit="epoch")

    def rescaled(self, base_lr: float) -> Schedule:
        """The same shape at another base_lr; `eta_min` keeps its ratio."""
        _within("base_lr", base_lr, RATES)
        params = scaled(get_family(self.family), self.params, {"lr": lambda v: v * base_lr / self.base_lr})
        return replace(self, base_lr=base_lr, params=params, course=())

    def value(self, name: str) -> float | str:
        """The family's parameter of that name, its usual value where it is not in `params`."""
        return filled(get_family(self.family), self.params, self.horizon - self.warmup)[name]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; `from_dict` reads it back.

        A warm-up of the usual shape is not mentioned, nor are epochs as the unit; a family of the user's own comes
        with its `points`.
        """
        data = {
            **asdict(self),
            "params": dict(self.params),
            "beside": dict(self.beside),
            "points": list(self.points or self._sampled()),
        }
        return {k: v for k, v in data.items() if k != "course" and (k, v) not in _UNSAID}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schedule:
        """The schedule of `to_dict`; raises `InputError` on missing or unknown keys.

        With `points`, what they say counts if the family is not known here, or draws something else by now.
        """
        rest = {k: v for k, v in data.items() if k != "points"}
        try:
            if "course" in rest:
                raise TypeError("course is of one training")
            points = tuple(float(p) for p in data.get("points", ()))
            if not points or rest.get("family") in BUILT_IN:
                return cls(**rest)
            if rest["family"] not in FAMILIES:
                record(rest["family"], {k: only(v) for k, v in rest["params"].items()})
            return _as_stored(cls, rest, points)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            if isinstance(error, InputError) and len(str(error)) < 1000:
                raise
            raise InputError(f"not a schedule: {error!s:.500}; got the keys {sorted(data)}.") from None

    def _sampled(self) -> tuple[float, ...]:
        """The decay of a family of the user's own at `POINTS` evenly spaced places; of the built-in ones none."""
        if self.family in BUILT_IN:
            return ()
        ticks, family = POINTS - 1, get_family(self.family)
        n = ticks / (self.horizon - self.warmup)
        scale = {"epochs": lambda v: v * n, "per epoch": lambda v: v ** (1 / n)}
        params = scaled(family, filled(family, self.params, self.horizon - self.warmup), scale)
        lrs = family.lr(np.arange(POINTS, dtype=np.float64), self.base_lr, ticks, params)
        return tuple(float(f"{lr / self.base_lr:.6g}") for lr in lrs)

    def describe(self) -> str:
        """One line in words, e.g. ``cosine, base_lr 0.1, T_max 9, eta_min 0, warmup 1 of 10 epochs``."""
        shown = "".join(f", {k} {v if isinstance(v, str) else brief(v)}" for k, v in self.params.items())
        shape = "" if self.warmup_shape == "linear" else f"{self.warmup_shape} "
        length = f"{self.horizon:.10g} {self.unit}{'s' if self.horizon != 1 else ''}"
        usual = self.warmup_start == WARMUP_START and not shape
        how = "" if usual else f" ({shape}from {self.warmup_start:.4g} of base_lr)"
        warmup = f", warmup {brief(self.warmup)}{how}" if self.warmup else ", no warmup"
        others = "".join(f", {k} {v if isinstance(v, str) else brief(v)}" for k, v in self.beside.items())
        return f"{self.family}, base_lr {self.base_lr:.4g}{shown}{warmup}, {length}{others}"

    def _ticks(self, steps_per_epoch: float | None) -> _Ticks:
        n = self.per_unit(steps_per_epoch) if self.interval == "step" else 1
        warmup = round(self.warmup * n)
        return _Ticks(n, warmup, max(1, round(self.horizon * n) - warmup))

    def _resolved(self, steps_per_epoch: float | None) -> dict[str, Expr]:
        """The parameters in scheduler steps, each with the text that computes it."""
        n = self._ticks(steps_per_epoch).per_epoch
        family, per_step = get_family(self.family), self.interval == "step" and self.unit == "epoch"
        values = filled(family, self.params, self.horizon - self.warmup)
        in_ticks = {p.name: in_steps(p, values[p.name], n, per_step=per_step) for p in family.params}
        return {"base_lr": number(self.base_lr), **in_ticks}


def _again(cls: type[Schedule], values: Mapping[str, Any], families: bytes | None) -> Schedule:
    """Unpickle a schedule, after its family."""
    unpack(families)
    return cls(**values)


def _as_stored(cls: type[Schedule], data: Mapping[str, Any], points: tuple[float, ...]) -> Schedule:
    """The schedule by its family, if that still draws these points, else by the points."""
    if data["family"] in FAMILIES:
        try:
            made = cls(**data)
            if np.allclose(made._sampled(), points, atol=1e-5):
                return made
        except (InputError, ValueError):  # it has other parameters, or another number of points
            pass
    return cls(**data, points=points)


@dataclass(frozen=True)
class _Ticks:
    """Lengths in scheduler steps."""

    per_epoch: float
    warmup: int
    decay: int


def _within(name: str, value: float, bounds: tuple[float, float]) -> None:
    """Raise `InputError` unless `value` is a number whose ratios and step counts a float can hold."""
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}.")
