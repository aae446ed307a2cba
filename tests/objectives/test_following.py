"""A job that trains with its schedule is known by its optimizers' real steps: right loops pass, wrong ones are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from lrsearch.errors import ObjectiveError
from lrsearch.objectives import Run, UserObjective
from lrsearch.spaces import Schedule

Job = Callable[[Run], Iterator[Any]]
N = 5
"""Batches in an epoch."""


def train(job: Job, interval: Any = "step", epochs: int = 3, family: str = "linear") -> list[float]:
    """The rates at the ends of the epochs."""

    def objective(run: Run) -> Iterator[Any]:
        yield from job(run)

    schedule = Schedule(family, 0.1, epochs, warmup=1, interval=interval)
    measurements = UserObjective(objective, optimizer="sgd", epochs=epochs).run(
        schedule, epochs=epochs, seed=0, device="cpu"
    )
    return [m.lr for m in measurements]


def line(**options: Any) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A model and its optimizer."""
    model = torch.nn.Linear(4, 1)
    return model, torch.optim.SGD(model.parameters(), **options)


def backward(model: torch.nn.Module, scale: float = 1.0) -> None:
    (model(torch.ones(2, 4)).square().mean() * scale).backward()


def plain(
    run: Run,
    before: Callable[..., Any] = lambda **given: None,
    after: Callable[..., Any] = lambda **given: None,
    steps_per_epoch: float = N,
) -> Iterator[float]:
    """A right loop, with something wrong done before an epoch or after a step."""
    model, optimizer = line()
    scheduler = run.scheduler(optimizer, steps_per_epoch)
    for epoch in range(run.epochs):
        before(optimizer=optimizer, epoch=epoch)
        for _ in range(N):
            optimizer.zero_grad()
            backward(model)
            optimizer.step()
            scheduler.step()
            after(optimizer=optimizer)
        yield 1.0


def scaled(run: Run, together: bool, fused: bool = False, every: int = 1) -> Iterator[float]:
    """fp16 with a GradScaler whose first steps overflow; the scheduler is skipped with them or not."""
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), fused=fused)
    scheduler = run.scheduler(optimizer, N)
    scaler = torch.amp.GradScaler("cpu")
    for epoch in range(run.epochs):
        for i in range(0, N, every):
            optimizer.zero_grad()
            scaler.scale(model(torch.ones(2, 4)).square().mean() * (float("inf") if epoch + i == 0 else 1.0)).backward()
            before = scaler.get_scale()
            scaler.step(optimizer)
            scaler.update()
            if not together or scaler.get_scale() >= before:
                scheduler.step()
        yield 1.0


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_a_grad_scaler_may_skip_steps_with_or_without_the_scheduler(together: bool, fused: bool) -> None:
    assert len(train(lambda run: scaled(run, together, fused))) == 3


@pytest.mark.parametrize("together", [False, True])
def test_a_grad_scaler_excuses_no_wrong_number_of_steps(together: bool) -> None:
    with pytest.raises(ObjectiveError, match=r"scheduler\.step\(\) [23] times in 1 epoch\(s\), not 5"):
        train(lambda run: scaled(run, together, every=2))


def test_batches_carried_over_to_the_next_epoch_make_a_fraction_of_a_step() -> None:
    def accumulates(run: Run) -> Iterator[float]:
        model, optimizer = line()
        scheduler = run.scheduler(optimizer, 25 / 3)
        batches = 0
        for _ in range(run.epochs):
            for _ in range(25):
                backward(model)
                batches += 1
                if batches % 3 == 0:
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
            yield 1.0

    assert train(accumulates) == pytest.approx([0.1 * (0.01 + 0.99 * 7 / 8), 0.1 * (1 - 8 / 17), 0.1 / 17])


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_optimizers_with_schedulers_of_their_own_are_all_followed(interval: str) -> None:
    def adversarial(run: Run, wrong: bool = False) -> Iterator[float]:
        both = [line(), line(momentum=0.9)]
        schedulers = [run.scheduler(optimizer, n) for (_, optimizer), n in zip(both, (N, 1), strict=True)]
        for _ in range(run.epochs):
            for i in range(N):
                for (model, optimizer), scheduler in zip(both, schedulers, strict=True):
                    if optimizer is both[0][1] or i == 0:
                        backward(model)
                        optimizer.step()
                        if wrong and i == 0:
                            optimizer.param_groups[0]["lr"] = 0.5
                        if interval == "step":
                            scheduler.step()
            if interval == "epoch":
                for scheduler in schedulers:
                    scheduler.step()
            yield 1.0

    assert len(train(adversarial, interval)) == 3
    with pytest.raises(ObjectiveError, match=r"the rate was .*, not "):
        train(lambda run: adversarial(run, wrong=True), interval, family="exp")


@pytest.mark.parametrize("wrong", [None, 0, 1])
def test_each_of_several_optimizers_with_one_scheduler_is_followed(wrong: int | None) -> None:
    rates: list[list[float]] = []

    def adversarial(run: Run) -> Iterator[float]:
        both = [line(lr=0.02), line(lr=0.001)]
        scheduler = run.scheduler([optimizer for _, optimizer in both], N)
        for _ in range(run.epochs):
            for i in range(N):
                if wrong is not None:
                    both[wrong][1].param_groups[0]["lr"] *= 1.001
                rates.append([optimizer.param_groups[0]["lr"] for _, optimizer in both])
                for model, optimizer in both if i == 0 else both[:1]:  # the second one seldom steps
                    backward(model)
                    optimizer.step()
                scheduler.step()
            yield 1.0

    if wrong is None:
        assert len(train(adversarial)) == 3
        expected = Schedule("linear", 0.1, 3, warmup=1).curve(N)
        np.testing.assert_allclose(rates, np.outer(expected, [1, 0.05]), rtol=1e-12)
        return
    with pytest.raises(ObjectiveError, match=r"the rate was .*, not "):
        train(adversarial)


def test_a_job_may_set_the_rates_itself() -> None:
    def by_hand(run: Run) -> Iterator[float]:
        model, optimizer = line()
        rates = iter(run.schedule.curve(N))
        for _ in range(run.epochs):
            for _ in range(N):
                optimizer.param_groups[0]["lr"] = next(rates)
                backward(model)
                optimizer.step()
            yield 1.0

    assert len(train(by_hand)) == 3


def own_scheduler(run: Run) -> Iterator[float]:
    model, optimizer = line()
    scheduler = CosineAnnealingLR(optimizer, run.epochs * N)
    for _ in range(run.epochs):
        for _ in range(N):
            backward(model)
            optimizer.step()
            scheduler.step()
        yield 1.0


def second_scheduler(run: Run) -> Iterator[float]:
    made: list[CosineAnnealingLR] = []

    def after(optimizer: torch.optim.Optimizer) -> None:
        if not made:
            made.append(CosineAnnealingLR(optimizer, run.epochs * N))
        made[0].step()

    return plain(run, after=after)


def overwrites(run: Run) -> Iterator[float]:
    def before(optimizer: torch.optim.Optimizer, epoch: int) -> None:
        optimizer.param_groups[0]["lr"] = 0.1 * 0.5**epoch

    return plain(run, before=before)


def other_optimizer(run: Run) -> Iterator[float]:
    model, _ = line()
    scheduler = run.scheduler(line()[1], N)
    optimizer = torch.optim.SGD(model.parameters())
    for _ in range(run.epochs):
        for _ in range(N):
            backward(model)
            optimizer.step()
            scheduler.step()
        yield 1.0


def made_again(run: Run) -> Iterator[float]:
    for _ in range(run.epochs):
        yield next(plain(run))


def every_batch(run: Run) -> Iterator[float]:
    model, optimizer = line()
    scheduler = run.scheduler(optimizer, 8)
    for _ in range(run.epochs):
        for i in range(8):
            backward(model)
            if i % 4 == 3:
                optimizer.step()
            scheduler.step()
        yield 1.0


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (own_scheduler, r"never used its schedule: .*run\.scheduler\(optimizer, steps_per_epoch\), or set .*\.curve"),
        (second_scheduler, r"at optimizer step \d the rate was .*Remove what else sets the optimizer's lr"),
        (overwrites, r"at optimizer step 1 the rate was 0\.1, not 0\.001\. Remove what else"),
        (other_optimizer, r"took no step in epoch 1: give run\.scheduler the optimizer that trains"),
        (made_again, r"called run\.scheduler again in epoch 2, .* once, before the first epoch"),
        (every_batch, r"8 times and optimizer\.step\(\) 2 times .* pass steps_per_epoch=2"),
        (lambda run: plain(run, steps_per_epoch=10), r"scheduler\.step\(\) 5 times in 1 epoch\(s\), not 10"),
    ],
)
def test_a_job_that_does_not_train_with_its_schedule_is_told_so_in_a_line(job: Job, says: str) -> None:
    with pytest.raises(ObjectiveError, match=says) as error:
        train(job)
    assert "\n" not in str(error.value)


def test_the_optimizer_behind_accelerates_is_what_is_told_of() -> None:
    accelerate: Any = pytest.importorskip("accelerate")
    run = Run(Schedule("linear", 0.1, 3), 3, 0, "cpu")
    run.scheduler(accelerate.Accelerator(cpu=True).prepare(line(momentum=0.9)[1]), N)
    assert run.optimizer is not None
    assert (run.optimizer.name, run.optimizer.options) == ("torch.optim.SGD", {"momentum": 0.9})


def test_accelerates_scheduler_which_steps_once_for_every_process_is_recognised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accelerate: Any = pytest.importorskip("accelerate")

    def prepared(run: Run) -> Iterator[float]:
        accelerator = accelerate.Accelerator(cpu=True)
        model, optimizer = line()
        model, optimizer = accelerator.prepare(model, optimizer)
        scheduler = accelerator.prepare(run.scheduler(optimizer, N))
        for _ in range(run.epochs):
            for _ in range(N):
                backward(model)
                optimizer.step()
                scheduler.step()
            yield 1.0

    assert len(train(prepared)) == 3
    monkeypatch.setitem(accelerate.state.PartialState._shared_state, "num_processes", 2)
    with pytest.raises(
        ObjectiveError, match=r"10 times and optimizer\.step\(\) 5 .* Leave it out of accelerator\.prepare"
    ):
        train(prepared)
