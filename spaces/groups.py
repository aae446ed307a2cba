"""Parameter groups with rates of their own: the one rule for what a schedule's base_lr means to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def group_ratios(*optimizers: Optimizer, multipliers: Mapping[str, float] | None = None) -> list[list[float]]:
    """Every parameter group's rate as a fraction of base_lr, an inner list for each optimizer.

    base_lr is the highest rate of any group; the others keep their ratio to it, at every step. A group's rate is
    its ``lr`` (``initial_lr`` once it has a scheduler), times its ``lr_scale`` where timm has set one. All are 1 if no
    group has a rate above 0.

    Args:
        *optimizers: The optimizers.
        multipliers: Shares of base_lr by the ``name`` of a group, which take the place of its own ratio; the highest
            rate is then that of the other groups.

    Raises:
        InputError: A group has no rate, since the optimizer makes its own.
    """
    rates = [[_rate(optimizer, group) for group in optimizer.param_groups] for optimizer in optimizers]
    given = [[(multipliers or {}).get(name) for name in group_names(optimizer)] for optimizer in optimizers]
    both = [list(zip(*of_one, strict=True)) for of_one in zip(rates, given, strict=True)]
    top = max((rate for of_one in both for rate, share in of_one if share is None), default=0.0)
    return [[share if share is not None else rate / top if top else 1.0 for rate, share in of_one] for of_one in both]


def group_names(*optimizers: Optimizer) -> list[str]:
    """The ``name`` of every parameter group, in order; empty where it has none."""
    return [str(group.get("name", "")) for optimizer in optimizers for group in optimizer.param_groups]


def unnamed(names: Sequence[str], multipliers: Mapping[str, float]) -> str:
    """That a multiplier is for a param group which is not among these names, in words; else empty."""
    missing = [name for name in multipliers if name not in names]
    if not missing:
        return ""
    have = ", ".join(sorted(set(filter(None, names))))
    return (
        f"there is a multiplier for the param group {missing[0]!r}, and "
        f"{f'the groups with a name are {have}' if have else 'no group of the optimizer has a name'}: "
        f'give it one, as {{"params": ..., "name": "{missing[0]}"}}.'
    )


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
