"""Steps of lanes that are captured once and replayed, with a recorder of operations in place of a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from recorded_graph import recorded
from torch import Tensor, nn
from torch.nn import functional

from lrsearch.errors import InputError
from lrsearch.objectives import Measurement
from lrsearch.objectives.lanes import Lanes, choose_graph
from lrsearch.objectives.lanes.graph import SWITCH, StepGraph
from lrsearch.objectives.lanes.memory import backup_device, is_out_of_memory
from lrsearch.objectives.lanes.model import LaneModel
from lrsearch.objectives.recipe import Recipe, Split, Splits
from lrsearch.objectives.training import train
from lrsearch.spaces import Schedule


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 10))


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 64), nn.Dropout(0.5), nn.Linear(64, 10))


def recipe(model: Callable[[], nn.Module], optimizer: Callable[[Any], torch.optim.Optimizer]) -> Recipe:
    return Recipe(model, lambda m: optimizer(m.parameters()), functional.cross_entropy, batch_size=4)


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, momentum=0.9, nesterov=True, weight_decay=1e-3)


def splits(*, alike: bool = False) -> Splits:
    g = torch.Generator().manual_seed(0)

    def part(n: int) -> Split:
        x, y = torch.randn(n, 5, generator=g), torch.randint(10, (n,), generator=g)
        return Split(x[:1].repeat(n, 1), y[:1].repeat(n)) if alike else Split(x, y)

    return Splits(part(12), part(7), part(3))


def replaying(job: Recipe, data: Splits, capacity: int) -> tuple[Lanes, StepGraph]:
    lanes = Lanes(job, data, "cpu", capacity)
    graph = StepGraph(lanes._model, recorded)
    lanes._graph = graph
    return lanes, graph


def refilled(lanes: Lanes) -> list[dict[int, Measurement]]:
    """Two trials of one seed, then a trial of another seed in the rows of one of them."""
    schedule = Schedule("cosine", 0.01, 3, warmup=1)
    lanes.put(0, schedule, seed=0, epochs=3)
    lanes.put(1, schedule.rescaled(0.5), seed=0, epochs=3)
    first = lanes.run_epoch()
    lanes.drop(1)
    lanes.put(2, schedule, seed=1, epochs=2)
    return [first, lanes.run_epoch(), lanes.run_epoch()]


@pytest.mark.parametrize("model", [mlp, normed])
@pytest.mark.parametrize("optimizer", [sgd, torch.optim.AdamW])
def test_replayed_lanes_give_the_losses_of_lanes(
    model: Callable[[], nn.Module], optimizer: Callable[[Any], torch.optim.Optimizer]
) -> None:
    job, data = recipe(model, optimizer), splits()
    lanes, graph = replaying(job, data, 2)
    together, eager = refilled(lanes), refilled(Lanes(job, data, "cpu", 2))
    assert graph.kept == 2, "one capture for a batch that all lanes share, one for batches of their own"
    for one, other in zip(together, eager, strict=True):
        assert {n: m.metrics for n, m in one.items()} == {n: m.metrics for n, m in other.items()}


def test_masks_of_random_layers_differ_between_lanes_and_from_replay_to_replay() -> None:
    lanes, _ = replaying(recipe(dropping, sgd), splits(alike=True), 2)
    for number in range(2):
        lanes.put(number, Schedule("constant", 1e-12, 3), seed=0, epochs=3)
    losses = [m.metrics["train_loss"] for _ in range(3) for m in lanes.run_epoch().values()]
    assert len(set(losses)) == 6


def test_running_out_of_memory_drops_the_graphs_and_loses_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    real = LaneModel.evaluate

    def evaluate(self: LaneModel, state: Any, data: Split) -> Tensor:
        if len(state.tensors()[0]) > 2:
            raise torch.OutOfMemoryError("x")
        return real(self, state, data)

    monkeypatch.setattr(LaneModel, "evaluate", evaluate)
    job, data = recipe(mlp, sgd), splits()
    schedules = [Schedule("cosine", 0.01 * n, 2) for n in range(1, 6)]
    lanes, graph = replaying(job, data, 5)
    for number, schedule in enumerate(schedules):
        lanes.put(number, schedule, seed=0, epochs=2)
    by_epoch = [lanes.run_epoch(), lanes.run_epoch()]
    assert lanes.capacity == 2
    assert graph.kept == 3, "two, two and one of five rows"
    for number, schedule in enumerate(schedules):
        alone = train(job, data, schedule, epochs=2, seed=0, device="cpu")
        assert [f[number].metrics for f in by_epoch] == [pytest.approx(m.metrics, rel=1e-4) for m in alone]


def test_an_error_that_follows_from_a_lack_of_memory_counts_as_one() -> None:
    follows = RuntimeError("operation failed due to a previous error during capture")
    follows.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    assert is_out_of_memory(follows)
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not is_out_of_memory(RuntimeError("operation failed"))


@pytest.mark.parametrize(
    ("free", "peak", "known", "where"),
    [(100, 400, True, "cuda"), (100, 560, True, "cpu"), (100, 400, False, "cpu")],
)
def test_a_copy_of_lanes_stays_on_the_device_where_its_busiest_moment_leaves_room(
    free: int, peak: int, known: bool, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 500)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peak)
    assert backup_device("cuda", [torch.zeros(10)], known=known) == where
    assert backup_device("cpu", [torch.zeros(10)], known=True) == "cpu"


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of lanes on the CPU are captured by the recorder."""
    monkeypatch.setattr("lrsearch.objectives.lanes.graph.cuda_graph", recorded)
    for module in ("lanes", "lane_choice"):
        monkeypatch.setattr(f"lrsearch.objectives.lanes.{module}.graphs_possible", lambda device: True)


def test_graphs_are_off_unless_they_are_asked_for_and_the_reason_is_told(
    graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    used, said = choose_graph(recipe(mlp, sgd), splits(), "cpu", 2)
    assert (used, said) == (False, "CUDA graphs are off (LRSEARCH_CUDA_GRAPHS=auto measures them)")
    monkeypatch.setenv(SWITCH, "on")
    with pytest.raises(InputError, match="LRSEARCH_CUDA_GRAPHS must be off or auto, got 'on'"):
        choose_graph(recipe(mlp, sgd), splits(), "cpu", 2)


@pytest.mark.parametrize(("fast", "used"), [(0.5, True), (1.0, False)])
def test_graphs_are_chosen_by_their_speed(
    fast: float, used: bool, graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "auto")
    times = iter([1.0, fast])
    monkeypatch.setattr("lrsearch.objectives.lanes.lane_choice.epoch_seconds", lambda *a: next(times))
    said = f"a CUDA graph of the step is {1 / fast:.1f} times as fast as single launches"
    assert choose_graph(recipe(mlp, sgd), splits(), "cpu", 2) == (used, said)


def test_a_step_that_cannot_be_captured_or_comes_out_wrong_is_launched_and_the_reason_is_told(
    graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "auto")

    def refuses(step: Callable[[], Tensor]) -> Any:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr("lrsearch.objectives.lanes.graph.cuda_graph", refuses)
    used, said = choose_graph(recipe(mlp, sgd), splits(), "cpu", 2)
    assert not used
    assert said == "no CUDA graph (RuntimeError: operation not permitted when stream is capturing)"
    monkeypatch.setattr("lrsearch.objectives.lanes.graph.cuda_graph", lambda step: (step(), lambda: None))
    used, said = choose_graph(recipe(mlp, sgd), splits(), "cpu", 2)
    assert not used
    assert "where single launches have" in said


def test_elsewhere_than_on_cuda_there_is_nothing_to_say() -> None:
    assert choose_graph(recipe(mlp, sgd), splits(), "cpu", 2) == (False, "")
