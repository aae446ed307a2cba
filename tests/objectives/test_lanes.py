"""Lanes do what trials alone do: same rates, same losses, same winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from shapes import SHAPES
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from lrsearch.errors import InputError
from lrsearch.objectives import TASKS, Measurement, TaskObjective, TaskOptions
from lrsearch.objectives.lanes import LaneOptimizer, Lanes, lane_speeds, supports_lanes
from lrsearch.objectives.lanes.model import LaneModel
from lrsearch.objectives.recipe import Recipe, Split, Splits
from lrsearch.objectives.training import train
from lrsearch.spaces import Schedule

JOBS = [(name, model) for name, task in TASKS.items() for model in task.models]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def splits(shape: tuple[int, ...], train_samples: int = 12, val_samples: int = 7) -> Splits:
    g = torch.Generator().manual_seed(0)

    def part(n: int) -> Split:
        return Split(torch.randn(n, *shape, generator=g), torch.randint(10, (n,), generator=g))

    return Splits(part(train_samples), part(val_samples), part(1))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 10))


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), momentum=0.9, weight_decay=1e-3)


def recipe(model: Callable[[], nn.Module] = mlp, optimizer: Callable[[nn.Module], Optimizer] = sgd) -> Recipe:
    return Recipe(model, optimizer, functional.cross_entropy, batch_size=4)


DATA = splits((5,))


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def run(lanes: Lanes, trials: Sequence[tuple[Schedule, int]], epochs: int = 2) -> dict[int, list[Measurement]]:
    """Every trial to its end, one more put in after each epoch."""
    waiting = list(enumerate(trials))
    measured: dict[int, list[Measurement]] = {number: [] for number, _ in waiting}
    while waiting or len(lanes):
        if waiting and lanes.room:
            number, (schedule, seed) = waiting.pop(0)
            lanes.put(number, schedule, seed=seed, epochs=epochs, test=True)
        for number, measurement in lanes.run_epoch().items():
            measured[number].append(measurement)
    return measured


def check_equal(
    recipe: Recipe,
    data: Splits,
    trials: Sequence[tuple[Schedule, int]],
    device: str = "cpu",
    graph: bool = False,
    rel: float = 2e-4,
) -> None:
    together = run(Lanes(recipe, data, device, 2, graph=graph), trials)
    for number, (schedule, seed) in enumerate(trials):
        alone = list(train(recipe, data, schedule, epochs=2, seed=seed, device=device, test=True))
        assert [m.epoch for m in together[number]] == [1, 2]
        assert ["test_loss" in m.metrics for m in alone] == [False, True]
        for a, b in zip(alone, together[number], strict=True):
            assert b.metrics == pytest.approx(a.metrics, rel=rel)
            assert b.lr == a.lr


def trials(lr: float) -> list[tuple[Schedule, int]]:
    """Schedules and seeds: another rate, interval, horizon and seed each."""
    return [
        (Schedule("cosine", lr, 2, warmup=1), 0),
        (Schedule("exp", 3 * lr, 2, {"gamma": 0.3}, interval="epoch"), 0),
        (Schedule("linear", 2 * lr, 4), 1),
    ]


@pytest.mark.parametrize(("name", "model"), JOBS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_lane_gives_the_losses_of_the_trial_alone(name: str, model: str, optimizer: str) -> None:
    job = TaskObjective(TASKS[name], TaskOptions(model=model, optimizer=optimizer, batch_size=6)).recipe()
    lr = 1e-3 if optimizer == "sgd" else 1e-5  # at large rates batch norm over 6 samples blows rounding up
    few = (6, 3) if model == "resnet18" else (12, 7)  # the deepest takes longest
    check_equal(job, splits(SHAPES[name], *few), trials(lr))


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_in_double_precision_they_agree_to_many_digits_at_large_rates(model: str, optimizer: str, double: None) -> None:
    job = TaskObjective(TASKS["fashion-mnist"], TaskOptions(model=model, optimizer=optimizer, batch_size=6)).recipe()
    check_equal(job, splits(SHAPES["fashion-mnist"]), trials(0.05 if optimizer == "sgd" else 3e-3), rel=1e-6)


def test_every_task_has_a_shape_here() -> None:
    assert set(SHAPES) == set(TASKS)


def test_the_winner_of_a_real_search_is_the_same() -> None:
    job = TaskObjective(TASKS["digits"])
    schedules = [Schedule("cosine", lr, 3) for lr in (1e-3, 0.01, 0.1, 0.5)]
    together = run(Lanes(job.recipe(), job.data(), "cpu", 3), [(s, 0) for s in schedules], epochs=3)
    alone = [list(job.run(s, epochs=3, seed=0, device="cpu"))[-1].metrics["val_loss"] for s in schedules]
    lanes = [together[n][-1].metrics["val_loss"] for n in range(4)]
    assert lanes == pytest.approx(alone, rel=1e-4)
    assert int(np.argmin(lanes)) == int(np.argmin(alone))


OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "plain sgd": lambda p: SGD(p),
    "sgd decay": lambda p: SGD(p, weight_decay=0.1),
    "momentum": lambda p: SGD(p, momentum=0.8, weight_decay=0.1),
    "nesterov": lambda p: SGD(p, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p: Adam(p, betas=(0.8, 0.95)),
    "adam decay": lambda p: Adam(p, weight_decay=0.1),
    "adamw": lambda p: AdamW(p, weight_decay=0.1, eps=1e-6),
    "adam decoupled": lambda p: Adam(p, weight_decay=0.1, decoupled_weight_decay=True),
    "groups": lambda p: AdamW([{"params": p[:1], "weight_decay": 0.3}, {"params": p[1:], "lr": 1e-4}]),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_lane_optimizers_equal_those_of_torch_at_every_lanes_own_rate_and_step(name: str) -> None:
    def make(model: nn.Module) -> Optimizer:
        return OPTIMIZERS[name](list(model.parameters()))

    models = [nn.Linear(3, 2) for _ in range(3)]
    optimizers = [make(m) for m in models]
    lanes = LaneOptimizer(make(models[0]), models[0])
    state = LaneModel(recipe(lambda: nn.Linear(3, 2), make), Split(torch.ones(1, 3), torch.zeros(1).long()), "cpu")
    stacked = state.empty_state().resized([], 3)
    for row, model in enumerate(models):
        stacked.start(row, model)
    done = np.zeros(3)
    for step in range(6):
        if step == 2:  # a new trial takes the second lane
            optimizers[1], done[1] = make(models[1]), 0
            stacked.start(1, models[1])
        lrs = np.array([0.1, 0.02, 0.003]) * (step + 1)
        grads: dict[str, Tensor | None] = {n: torch.randn_like(p) for n, p in stacked.params.items()}
        lanes.update(stacked.params, grads, stacked.moments, lanes.factors(lrs[None], done[None], "cpu")[0])
        for row, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            for group in optimizer.param_groups:
                ratio = 0.1 if name == "groups" and group is optimizer.param_groups[1] else 1.0
                group["lr"] = float(lrs[row]) * ratio
            for n, p in model.named_parameters():
                p.grad = grads[n][row].clone()  # type: ignore[index]
            optimizer.step()
            for n, p in model.named_parameters():
                torch.testing.assert_close(stacked.params[n][row], p.detach(), rtol=1e-5, atol=1e-6)
        done += 1


class Odd(nn.Module):
    """Frozen, tied and unused parameters, and a buffer that counts."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = nn.Linear(5, 10), nn.Linear(10, 10), nn.Linear(2, 2)
        self.third = nn.Linear(10, 10)
        self.third.weight = self.second.weight
        self.first.bias.requires_grad_(False)
        self.register_buffer("count", torch.zeros((), dtype=torch.long), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.count += 1
        return self.third(functional.relu(self.second(self.first(x)))) / (1 + self.count)  # type: ignore[no-any-return]


def test_frozen_tied_and_unused_parameters_and_counters_are_followed() -> None:
    check_equal(recipe(Odd), DATA, [(Schedule("constant", lr, 2), 0) for lr in (0.01, 0.1, 0.5)])


def test_a_lane_that_diverges_leaves_the_others_alone() -> None:
    schedules = [Schedule("constant", lr, 2) for lr in (1e9, 0.05, 1e9)]
    lanes = Lanes(recipe(), DATA, "cpu", 3)
    for number, schedule in enumerate(schedules):
        lanes.put(number, schedule, seed=0, epochs=2)
    by_epoch = [lanes.run_epoch(), lanes.run_epoch()]
    alone = list(train(recipe(), DATA, schedules[1], epochs=2, seed=0, device="cpu"))
    assert not by_epoch[1][0].finite
    assert not by_epoch[1][2].finite
    assert [f[1].metrics for f in by_epoch] == [pytest.approx(m.metrics, rel=1e-5) for m in alone]


def test_a_dropped_lane_goes_to_the_next_trial_at_its_first_epoch() -> None:
    schedule = Schedule("cosine", 0.1, 3)
    lanes = Lanes(recipe(), DATA, "cpu", 2)
    lanes.put(0, schedule, seed=0, epochs=3)
    lanes.put(1, schedule.rescaled(0.5), seed=0, epochs=3)
    lanes.run_epoch()
    lanes.drop(1)
    assert (lanes.trials, lanes.room) == ([0], 1)
    lanes.put(7, schedule, seed=0, epochs=3)
    second = lanes.run_epoch()
    assert {n: m.epoch for n, m in second.items()} == {0: 2, 7: 1}
    third = lanes.run_epoch()
    alone = list(train(recipe(), DATA, schedule, epochs=3, seed=0, device="cpu"))
    assert [second[0].metrics, third[0].metrics] == [pytest.approx(m.metrics, rel=1e-5) for m in alone[1:]]
    assert [second[7].metrics, third[7].metrics] == [pytest.approx(m.metrics, rel=1e-5) for m in alone[:2]]
    assert lanes.trials == [7]
    assert lanes.run_epoch()[7].epoch == 3
    assert lanes.run_epoch() == {}


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("x"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_running_out_of_memory_halves_the_lanes_and_loses_no_trial(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedules = [Schedule("cosine", 0.1 * n, 2) for n in range(1, 6)]
    real, calls = LaneModel.train_step, [0]

    def step(self: LaneModel, state: Any, x: Tensor, y: Tensor, factors: Tensor, *, shared: bool) -> Tensor:
        losses = real(self, state, x, y, factors, shared=shared)
        calls[0] += 1
        if calls[0] > 4 and factors.shape[-1] > 2:  # in the middle of the second epoch, with the state changed
            raise error
        return losses

    monkeypatch.setattr(LaneModel, "train_step", step)
    lanes = Lanes(recipe(), DATA, "cpu", 5)
    for number, schedule in enumerate(schedules):
        lanes.put(number, schedule, seed=0, epochs=2)
    by_epoch = [lanes.run_epoch(), lanes.run_epoch()]
    assert (lanes.capacity, len(lanes)) == (2, 0)
    for number, schedule in enumerate(schedules):
        alone = train(recipe(), DATA, schedule, epochs=2, seed=0, device="cpu")
        assert [f[number].metrics for f in by_epoch] == [pytest.approx(m.metrics, rel=1e-5) for m in alone]


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*args: Any, **kwargs: Any) -> Tensor:
        raise RuntimeError("broken")

    lanes = Lanes(recipe(), DATA, "cpu", 2)
    lanes.put(0, Schedule("constant", 0.1, 1), seed=0, epochs=1)
    monkeypatch.setattr(LaneModel, "train_step", step)
    with pytest.raises(RuntimeError, match="broken"):
        lanes.run_epoch()


def test_random_layers_differ_by_lane_and_are_the_same_in_every_run() -> None:
    def dropping() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 64), nn.Dropout(0.5), nn.Linear(64, 10))

    def losses() -> list[float]:
        lanes = Lanes(recipe(dropping), DATA, "cpu", 2)
        for number in range(2):
            lanes.put(number, Schedule("constant", 0.1, 2), seed=0, epochs=2)
        return [m.metrics["train_loss"] for _ in range(2) for m in lanes.run_epoch().values()]

    before = torch.get_rng_state()
    first = losses()
    assert len(set(first)) == 4
    assert first == losses()
    assert torch.equal(before, torch.get_rng_state())
    assert supports_lanes(recipe(dropping), DATA, "cpu") == ""


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        return y if y.sum() > 0 else -y


class Remembering(nn.Module):
    """Rebinds a buffer, which a functional call undoes without a word."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 10)
        self.register_buffer("mean", torch.zeros(10))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        if self.training:
            self.mean = self.mean + y.detach().mean(0)
        return y + 10 * self.mean


@pytest.mark.parametrize(
    ("model", "optimizer", "says"),
    [
        (mlp, sgd, ""),
        (lambda: nn.Sequential(nn.Linear(5, 10), nn.BatchNorm1d(10)), sgd, ""),
        (Branching, sgd, "vmap"),
        (Remembering, sgd, "where the trial alone has"),
        (mlp, lambda m: RMSprop(m.parameters()), "RMSprop has no lane form"),
        (mlp, lambda m: Adam(m.parameters(), amsgrad=True), "amsgrad=True has no lane form"),
    ],
)
def test_what_lanes_cannot_do_is_found_at_the_start(
    model: Callable[[], nn.Module], optimizer: Callable[[nn.Module], Optimizer], says: str
) -> None:
    reason = supports_lanes(recipe(model, optimizer), DATA, "cpu")
    assert says in reason
    assert bool(says) == bool(reason)
    assert "\n" not in reason


def test_wrong_use_is_refused() -> None:
    schedule = Schedule("constant", 0.1, 1)
    with pytest.raises(InputError, match="at least 1, got 0"):
        Lanes(recipe(), DATA, "cpu", 0)
    lanes = Lanes(recipe(), DATA, "cpu", 2)
    with pytest.raises(InputError, match="at least 1, got 0"):
        lanes.put(0, schedule, seed=0, epochs=0)
    lanes.put(0, schedule, seed=0, epochs=1)
    with pytest.raises(InputError, match="trial 0 is under way"):
        lanes.put(0, schedule, seed=0, epochs=1)
    lanes.put(1, schedule, seed=0, epochs=1)
    with pytest.raises(InputError, match="all 2 lanes are taken"):
        lanes.put(2, schedule, seed=0, epochs=1)


def test_speeds_are_measured_within_the_limit() -> None:
    speeds = lane_speeds(recipe(), DATA, "cpu", [2, 6, 1000])
    assert set(speeds) == {1, 2, 6, 64}
    assert min(s.epochs for s in speeds.values()) > 0
    assert {s.threads for s in speeds.values()} == {torch.get_num_threads()}, "one, in tests"


def test_bf16_lanes_stay_near_the_trial_alone() -> None:
    job = TaskObjective(TASKS["digits"], TaskOptions(bf16=True, batch_size=6)).recipe()
    data, schedule = splits((64,)), Schedule("constant", 0.01, 1)
    lanes = Lanes(job, data, "cpu", 1)
    lanes.put(0, schedule, seed=0, epochs=1)
    alone = next(train(job, data, schedule, epochs=1, seed=0, device="cpu"))
    assert lanes.run_epoch()[0].metrics["val_loss"] == pytest.approx(alone.metrics["val_loss"], rel=0.02)


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize(("name", "model"), JOBS)
@pytest.mark.parametrize("graph", [False, True])
def test_on_cuda_a_lane_gives_the_losses_of_the_trial_alone(name: str, model: str, graph: bool) -> None:
    job = TaskObjective(TASKS[name], TaskOptions(model=model, batch_size=6)).recipe()
    check_equal(job, splits(SHAPES[name]).to("cuda"), trials(1e-3), "cuda", graph=graph, rel=1e-3)


@pytest.mark.gpu
@needs_cuda
def test_on_cuda_the_number_of_lanes_fits_the_memory() -> None:
    job = TaskObjective(TASKS["digits"])
    assert set(lane_speeds(job.recipe(), job.data("cuda"), "cuda", [64])) == {1, 64}
