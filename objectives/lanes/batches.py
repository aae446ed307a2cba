"""The batches of one epoch for lanes that may stand at different epochs or have different seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...spaces import Schedule
from ...spaces.families import Array
from ..plateau import Reaction
from ..recipe import Recipe, Split
from ..training import shuffled


@dataclass
class Lane:
    """A trial under way.

    Attributes:
        trial: The caller's number for it.
        schedule: Its schedule.
        seed: Seed of its weights, batch order and augmentation.
        epochs: Epochs to train.
        lrs: Its rate at every step, ``(epochs * steps per epoch,)``.
        order: State of the generator of its batch order before the next epoch.
        noise: State of the generator of its augmentation before the next epoch.
        test: Whether its last epoch is evaluated on the test data too.
        done: Epochs done.
        reaction: What lowers its rates by what is measured, if anything.
    """

    trial: int
    schedule: Schedule
    seed: int
    epochs: int
    lrs: Array = field(repr=False)
    order: Tensor = field(repr=False)
    noise: Tensor = field(repr=False)
    test: bool = False
    done: int = 0
    reaction: Reaction | None = None

    def react(self, metrics: Mapping[str, float], steps: int) -> None:
        """Lower the rates of the epochs to come, of so many steps each, if these metrics say so."""
        if self.reaction:
            self.lrs[self.done * steps :] *= self.reaction.see(metrics)


def generators(seed: int, device: str) -> tuple[Tensor, Tensor]:
    """First states of the generators of batch order and augmentation."""
    order, noise = torch.Generator(), torch.Generator(device=device)
    return order.manual_seed(seed).get_state(), noise.manual_seed(seed).get_state()


class EpochBatches:
    """One epoch of batches. Lanes of one seed at one epoch see the same batches, which are made only once.

    Args:
        recipe: Batch size and augmentation.
        data: Training data.
        lanes: The lanes, in the order of their rows.
        device: Where the data lie.

    Attributes:
        shared: Whether all lanes see the same batches: these are ``(b, ...)`` then, else ``(K, b, ...)``.
    """

    def __init__(self, recipe: Recipe, data: Split, lanes: Sequence[Lane], device: str) -> None:
        keys = [(lane.seed, lane.done) for lane in lanes]
        leaders = dict(zip(reversed(keys), reversed(lanes), strict=True))
        streams = list(dict.fromkeys(keys))
        self._recipe, self._data, self._lanes = recipe, data, lanes
        self._stream = [streams.index(key) for key in keys]
        self._orders = [_generator(leaders[key].order, "cpu") for key in streams]
        self._noises = [_generator(leaders[key].noise, device) for key in streams]
        self._device = device
        self.shared = len(streams) == 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        samples, batch_size = len(self._data.y), self._recipe.batch_size
        orders = torch.stack([shuffled(samples, batch_size, g) for g in self._orders], 1).to(self._device)
        stream = torch.tensor(self._stream, device=self._device)
        spread = not self.shared and len(self._orders) < len(self._stream)
        for batch in orders:  # (streams, b)
            x, y = self._data.x[batch], self._data.y[batch]
            if self._recipe.augment is not None:
                x = torch.stack([self._recipe.augment(part, g) for part, g in zip(x, self._noises, strict=True)])
                x = x.contiguous()  # vmap loops over the lanes for some operations on other layouts
            if self.shared:
                yield x[0], y[0]
            else:
                yield (x[stream], y[stream]) if spread else (x, y)

    def finish(self) -> None:
        """Move every lane on to its next epoch."""
        for lane, stream in zip(self._lanes, self._stream, strict=True):
            lane.order, lane.noise = self._orders[stream].get_state(), self._noises[stream].get_state()
            lane.done += 1


def _generator(state: Tensor, device: str) -> torch.Generator:
    generator = torch.Generator(device=device)
    generator.set_state(state)
    return generator
