"""Parameter groups with rates of their own: the one rule for what a schedule's base_lr means to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from torch.optim import Optimizer


def as_optimizers(given: Optimizer | Sequence[Optimizer]) -> tuple[Optimizer, ...]:
    """One optimizer, or several, as several; raises `InputError` for what is none."""
    optimizers = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    if not optimizers or len({id(o) for o in optimizers}) < len(optimizers):
        raise InputError("a schedule needs one optimizer, or a list of different ones.")
    for optimizer in optimizers:
        if not hasattr(optimizer, "param_groups"):
            raise InputError(f"a schedule needs an optimizer, or a list of them; got {type(optimizer).__name__}.")
    return optimizers


def leading(optimizers: Sequence[Optimizer]) -> Optimizer:
    """The optimizer whose range of base_lr counts: the one that has the group of the highest rate."""
    return max(zip(group_ratios(*optimizers), optimizers, strict=True), key=lambda pair: max(pair[0], default=0.0))[1]


def group_ratios(*optimizers: Optimizer) -> list[list[float]]:
    """Every parameter group's rate as a fraction of the highest one, an inner list for each optimizer.

    base_lr is the highest rate of any group; the others keep their ratio to it, at every step. A group's rate is
    its ``lr`` (``initial_lr`` once it has a scheduler), times its ``lr_scale`` where timm has set one. All are 1 if no
    group has a rate above 0.

    Raises:
        InputError: A group has no rate, since the optimizer makes its own.
    """
    rates = [[_rate(optimizer, group) for group in optimizer.param_groups] for optimizer in optimizers]
    top = max((rate for of_one in rates for rate in of_one), default=0.0)
    return [[rate / top if top else 1.0 for rate in of_one] for of_one in rates]


def set_rates(optimizer: Optimizer, base_lr: float, ratios: Sequence[float]) -> None:
    """Give every group its ratio of `base_lr`; a scheduler that the optimizer had before is forgotten."""
    for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
        rate = base_lr * ratio
        group["lr"] = group["lr"].new_full((), rate) if hasattr(group["lr"], "new_full") else rate
        group.pop("initial_lr", None)


def keep_scale(optimizer: Optimizer) -> None:
    """Leave ``initial_lr`` without timm's ``lr_scale``, which `group_ratios` would multiply in once more."""
    for group in optimizer.param_groups:
        if group.get("lr_scale"):
            group["initial_lr"] = group["initial_lr"] / group["lr_scale"]


def _rate(optimizer: Optimizer, group: dict[str, Any]) -> float:
    lr = group.get("initial_lr", group["lr"])
    if lr is None:
        name = type(optimizer).__name__
        raise InputError(
            f"{name} with lr=None makes its own rates, and a schedule would do nothing: give it a number, "
            f"as in {name}(..., lr=1e-3); Adafactor of transformers takes one with relative_step=False."
        )
    return float(lr) * float(group.get("lr_scale", 1.0))
