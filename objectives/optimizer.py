"""The optimizer of a job: described as data, and what is told of one."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError
from ..spaces import Range, base_lr_range, is_known
from ..spaces.groups import group_ratios

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

_DOTTED = re.compile(r"[A-Za-z_]\w{0,99}(\.[A-Za-z_]\w{0,99}){0,9}")


@dataclass(frozen=True)
class DescribedOptimizer:
    """A class of `torch.optim` and its options, for all parameters of a model in one group.

    Lanes, and a trial alone on a CPU, train by the description: the first optimizer that a process makes imports
    `torch._dynamo`, which takes longer than a dozen trials of a small model.

    Attributes:
        kind: Name of the class.
        options: Its options that differ from the class's defaults; lr is the schedule's.
    """

    kind: Literal["SGD", "Adam", "AdamW"]
    options: Mapping[str, Any]

    def __call__(self, model: nn.Module) -> Optimizer:
        """The optimizer of a model."""
        optimizer: Optimizer = self.optimizer_class(model.parameters(), **self.options)
        return optimizer

    @property
    def optimizer_class(self) -> Any:
        """The class."""
        import torch

        return getattr(torch.optim, self.kind)

    @property
    def all_options(self) -> dict[str, Any]:
        """The options, those with the class's defaults included."""
        return {**_usual(self.optimizer_class), **self.options}


def described_optimizer(name: str, weight_decay: float) -> DescribedOptimizer:
    """``"sgd"``, with Nesterov momentum 0.9, or ``"adamw"``."""
    if name == "sgd":
        return DescribedOptimizer("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": weight_decay})
    return DescribedOptimizer("AdamW", {"weight_decay": weight_decay})


@dataclass(frozen=True)
class TrainedOptimizer:
    """An optimizer as exported code shows it.

    Attributes:
        name: Its class with its package, e.g. ``"torch.optim.AdamW"``.
        options: The options that differ from the class's defaults, e.g. ``{"momentum": 0.9}``: numbers, truth
            values, words, and tuples of numbers. A schedule replaces ``lr``, so it is there only for groups of
            different rates, since some may take it.
        ratios: Each parameter group's rate as a fraction of the highest one.
        others: The other optimizers that share the schedule; ratios are then to the highest rate of all.

    Raises:
        InputError: A field holds something else.
    """

    name: str
    options: Mapping[str, Any]
    ratios: tuple[float, ...]
    others: tuple[TrainedOptimizer, ...] = ()

    def __post_init__(self) -> None:
        good = isinstance(self.name, str) and _DOTTED.fullmatch(self.name)
        named = all(isinstance(k, str) and k.isidentifier() and _is_plain(v) for k, v in self.options.items())
        if not (good and named and all(_is_number(ratio) for ratio in self.ratios)):
            raise InputError(f"not an optimizer: {self.name!r} with {dict(self.options)!r} and ratios {self.ratios!r}.")

    @classmethod
    def of(cls, *optimizers: Optimizer | DescribedOptimizer) -> TrainedOptimizer:
        """What there is to tell of an optimizer, or of several together, before a scheduler has set their rates."""
        if isinstance(described := optimizers[0], DescribedOptimizer):
            usual = _usual(described.optimizer_class)
            options = {k: v for k, v in described.options.items() if v != usual[k]}
            return cls(f"torch.optim.{described.kind}", options, (1.0,))
        made: list[Optimizer] = [unwrapped(optimizer) for optimizer in optimizers]
        ratios = group_ratios(*made)
        grouped = any(ratio != 1 for of_one in ratios for ratio in of_one)
        first, *others = (cls._of(o, of_one, grouped=grouped) for o, of_one in zip(made, ratios, strict=True))
        return replace(first, others=tuple(others))

    @classmethod
    def _of(cls, made: Optimizer, ratios: Sequence[float], *, grouped: bool) -> TrainedOptimizer:
        kind = type(made)
        usual = _usual(kind)
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in made.defaults.items() if k in usual}
        options = {k: v for k, v in given.items() if k != "lr" and _is_plain(v) and v != usual[k]}
        if grouped and made.defaults.get("lr") is not None:
            options = {"lr": float(made.defaults["lr"]), **options}
        package = "torch.optim" if kind.__module__.startswith("torch.optim.") else kind.__module__
        name = f"{package}.{kind.__name__}"
        return cls(name if _DOTTED.fullmatch(name) else kind.__name__, options, tuple(ratios))

    @classmethod
    def from_dict(cls, data: Any) -> TrainedOptimizer:
        """The optimizer of `to_dict`; raises `InputError`."""
        try:
            options = {k: tuple(v) if isinstance(v, list) else v for k, v in data["options"].items()}
            others = tuple(cls.from_dict(other) for other in data.get("others", ()))
            return cls(data["name"], options, tuple(float(ratio) for ratio in data["ratios"]), others)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(f"not an optimizer: {data!r}.") from None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        others = {"others": [other.to_dict() for other in self.others]} if self.others else {}
        return {"name": self.name, "options": dict(self.options), "ratios": list(self.ratios), **others}

    @property
    def grouped(self) -> bool:
        """Whether its groups, or those of the others, have different rates."""
        return any(ratio != 1 for made in (self, *self.others) for ratio in made.ratios)


def unwrapped(optimizer: Any) -> Any:
    """The optimizer that really steps: accelerate and Lightning wrap it."""
    while not hasattr(optimizer, "_optimizer_step_post_hooks") and hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer


def _usual(kind: type[Any]) -> dict[str, Any]:
    """The options of an optimizer's class and their defaults."""
    return {n: p.default for n, p in inspect.signature(kind.__init__).parameters.items()}


def range_name(optimizer: str) -> str:
    """The word for an optimizer's range of base_lr: ``"sgd"``, ``"adamw"``, or its class's name in lower case."""
    name = optimizer.lower()
    same = [kind for kind in ("sgd", "adamw") if is_known(name) and base_lr_range(name) == base_lr_range(kind)]
    return same[0] if same else name


def other_range(trained: TrainedOptimizer | None, named: str, searched: Range) -> str:
    """That base_lr is searched in the range of another optimizer than the job trains with, in words; else empty.

    Args:
        trained: The job's optimizer, if it is known.
        named: Whose range was asked for, e.g. ``"sgd"``.
        searched: The range that is searched.
    """
    kind = trained.name.rpartition(".")[2] if trained else ""
    if not (is_known(kind) and is_known(named)) or searched != base_lr_range(named) or searched == base_lr_range(kind):
        return ""
    usual = base_lr_range(kind)
    return (
        f"The job trains with {kind}, and --optimizer {named} searches base_lr from {searched.low:g} to "
        f"{searched.high:g}. The range for {kind} is {usual.low:g} to {usual.high:g}: it is taken without --optimizer."
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_number(v) for v in value)
    return isinstance(value, bool) or _is_number(value) or (isinstance(value, str) and value.isidentifier())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
