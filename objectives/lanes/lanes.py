"""`Lanes`: trials come and go at epoch boundaries, and train together in between."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...spaces import Schedule
from ..objective import Measurement
from ..plateau import reaction_of
from ..recipe import Recipe, Splits
from .batches import EpochBatches, Lane, generators
from .graph import StepGraph, graphs_possible
from .memory import backup_device, is_out_of_memory
from .model import LaneModel, own_randomness, slow_parts_allowed
from .state import LaneState


class Lanes:
    """Up to `capacity` trials that train at once on one device.

    All advance together, one epoch at a time, though each may stand at another epoch of its own schedule::

        lanes = Lanes(objective.recipe(), objective.data("cpu"), "cpu", capacity=16)
        while trials are left:
            while lanes.room and trials are left:
                lanes.put(number, schedule, seed=0, epochs=20)
            for number, measurement in lanes.run_epoch().items():
                if hopeless(measurement):
                    lanes.drop(number)

    A lane yields what `train` yields for the same schedule and seed, but for rounding; models with random layers
    (dropout) draw other masks, an own one for each lane. A lane that diverges leaves the others as they are.

    Running out of memory halves the capacity: the epoch starts again, the lanes in groups that fit, one group after
    another, until enough of them have ended. No trial is lost.

    Args:
        recipe: What all trials share.
        data: The data, on `device`.
        device: A torch device.
        capacity: How many trials at once, >= 1.
        graph: On CUDA, replay the step as a CUDA graph; see `choose_graph`.

    Attributes:
        capacity: How many trials at once; halved when memory runs out.

    Raises:
        InputError: The optimizer has no lane form, or the data do not fill a batch.
    """

    def __init__(self, recipe: Recipe, data: Splits, device: str, capacity: int, *, graph: bool = False) -> None:
        if capacity < 1:
            raise InputError(f"capacity must be at least 1, got {capacity!r}.")
        self.capacity = capacity
        self._recipe, self._data, self._device = recipe, data, device
        self._steps = recipe.steps(data)
        self._model = LaneModel(recipe, data.train, device)
        self._state = self._model.empty_state()
        self._rows: list[Lane | None] = []
        self._waiting: list[Lane] = []
        self._epochs = 0
        self._widest = 0
        self._initial: tuple[int, nn.Module] | None = None
        self._graph = StepGraph(self._model) if graph and graphs_possible(device) else None

    def __len__(self) -> int:
        """How many trials are under way."""
        return len(self.trials)

    @property
    def trials(self) -> list[int]:
        """The numbers of the trials under way."""
        return [lane.trial for lane in (*self._rows, *self._waiting) if lane is not None]

    @property
    def room(self) -> int:
        """How many more trials can be put in now."""
        return max(0, self.capacity - len(self))

    def put(self, trial: int, schedule: Schedule, *, seed: int, epochs: int, test: bool = False) -> None:
        """Start a trial at the next epoch, with fresh weights and optimizer state.

        Args:
            trial: A number that no other trial under way has.
            schedule: Its schedule.
            seed: Seed of weights, batch order and augmentation.
            epochs: Epochs to train, >= 1; the trial leaves by itself after the last.
            test: Whether the last epoch also gives ``test_loss`` and the like, if there are test data.

        Raises:
            InputError: There is no room, the number is taken, or there is nothing to train.
        """
        if not self.room:
            raise InputError(f"all {self.capacity} lanes are taken: drop a trial first.")
        if trial in self.trials:
            raise InputError(f"the trial {trial} is under way already.")
        if epochs < 1:
            raise InputError(f"epochs must be at least 1, got {epochs!r}.")
        reaction = reaction_of(schedule)
        lrs = (reaction.plain if reaction else schedule).curve(self._steps, epochs)
        made = Lane(trial, schedule, seed, epochs, lrs, *generators(seed, self._device), test, reaction=reaction)
        self._waiting.append(made)

    def drop(self, trial: int) -> None:
        """Stop a trial; its lane is free at once. A number that is not under way is let pass."""
        self._rows = [None if lane is not None and lane.trial == trial else lane for lane in self._rows]
        self._waiting = [lane for lane in self._waiting if lane.trial != trial]

    def run_epoch(self) -> dict[int, Measurement]:
        """Train every trial for one epoch of its schedule and evaluate it.

        Returns:
            A measurement by trial; ``seconds`` is its share of the epoch's wall time. Trials that have done all
            their epochs have left.
        """
        self._settle()
        by_trial: dict[int, Measurement] = {}
        while len(by_trial) < len(self):
            start = len(by_trial)
            stop = min(start + self.capacity, len(self))
            if (measured := self._try_epoch(start, stop)) is None:
                self.capacity = (stop - start) // 2
            else:
                by_trial |= measured
        self._epochs += 1
        for lane in self._rows:
            if lane is not None and lane.done == lane.epochs:
                self.drop(lane.trial)
        return by_trial

    def _settle(self) -> None:
        """Bring waiting trials into rows that are free or new, and close what gaps remain."""
        free = [row for row, lane in enumerate(self._rows) if lane is None]
        starting, self._waiting = self._waiting, []
        if len(free) != len(starting):
            self._resize([row for row, lane in enumerate(self._rows) if lane is not None], len(starting))
            free = list(range(len(self._rows) - len(starting), len(self._rows)))
        for row, lane in zip(free, starting, strict=True):
            self._state.start(row, self._fresh_model(lane.seed))
            self._rows[row] = lane

    def _resize(self, keep: list[int], extra: int) -> None:
        if self._graph is not None:
            self._graph.forget()
        self._state = self._state.resized(keep, extra)
        self._rows = [*(self._rows[row] for row in keep), *[None] * extra]

    def _fresh_model(self, seed: int) -> nn.Module:
        """The weights of a seed, as `train` makes them; the last seed's are kept."""
        if self._initial is None or self._initial[0] != seed:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self._initial = seed, self._recipe.model()
        return self._initial[1]

    def _try_epoch(self, start: int, stop: int) -> dict[int, Measurement] | None:
        """An epoch of some rows; None if memory ran out, everything being as before then."""
        lanes = [lane for lane in self._rows[start:stop] if lane is not None]
        state = self._state.view(start, stop)
        where = backup_device(self._device, state.tensors(), known=len(lanes) <= self._widest)
        backup = state.backup(where)
        try:
            measured = self._epoch(lanes, state)
            self._widest = max(self._widest, len(lanes))
            return measured
        except RuntimeError as error:  # torch.OutOfMemoryError, or the CPU allocator's
            if not is_out_of_memory(error) or len(lanes) == 1:
                raise
        state.restore(backup)
        if self._graph is not None:
            self._graph.forget()
        if torch.device(self._device).type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _epoch(self, lanes: list[Lane], state: LaneState) -> dict[int, Measurement]:
        begun = time.perf_counter()
        batches = EpochBatches(self._recipe, self._data.train, lanes, self._device)
        first = np.array([lane.done * self._steps for lane in lanes])
        done = first + np.arange(self._steps)[:, None]
        lrs = np.stack([lane.lrs[d] for lane, d in zip(lanes, done.T, strict=True)], 1)
        factors = self._model.optimizer.factors(lrs, done.astype(float), self._device)
        with own_randomness(self._device, lanes[0].seed, self._epochs, lanes[0].trial), slow_parts_allowed():
            losses = self._train(state, batches, factors)
            scores = [losses[None], self._model.evaluate(state, self._data.val)]
            if tested := self._ending(lanes):
                scores.append(self._model.evaluate(state, self._data.test))
        sums = torch.cat(scores).tolist()  # the one wait for the device
        batches.finish()
        return self._measurements(lanes, tested, sums, lrs[-1].tolist(), (time.perf_counter() - begun) / len(lanes))

    def _ending(self, lanes: list[Lane]) -> list[int]:
        """The trials whose next epoch is their last and is to be tested."""
        testing = (lane for lane in lanes if lane.test and len(self._data.test.y))
        return [lane.trial for lane in testing if lane.done + 1 == lane.epochs]

    def _train(self, state: LaneState, batches: EpochBatches, factors: Tensor) -> Tensor:
        """Losses summed over the epoch, ``(K,)``; nothing here waits for the device."""
        total = torch.zeros(factors.shape[-1], device=self._device)
        step = (self._graph or self._model).train_step
        for (x, y), f in zip(batches, factors, strict=True):
            total += step(state, x, y, f, shared=batches.shared)
        return total

    def _measurements(
        self, lanes: list[Lane], tested: list[int], sums: list[list[float]], lrs: list[float], seconds: float
    ) -> dict[int, Measurement]:
        names, data = self._recipe.names(), self._data
        counts = {"train_loss": self._steps, **dict.fromkeys(names, len(data.val.y))}
        counts |= dict.fromkeys(self._recipe.names("test"), len(data.test.y))
        by_trial = {}
        for lane, lr, row in zip(lanes, lrs, zip(*sums, strict=True), strict=True):
            given = list(counts.items())[: None if lane.trial in tested else len(names) + 1]
            metrics = {name: value / count for (name, count), value in zip(given, row, strict=False)}
            by_trial[lane.trial] = Measurement(lane.done, metrics, lr, seconds)
            lane.react(metrics, self._steps)
        return by_trial
