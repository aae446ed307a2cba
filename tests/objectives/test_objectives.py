"""Objectives: the built-in tasks on real data or files the tests make, and the user's own code."""

from __future__ import annotations

import pickle
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrsearch.errors import DataError, InputError, ObjectiveError
from lrsearch.objectives import TASKS, Run, TaskObjective, TaskOptions, UserObjective, get_task, resolve_device
from lrsearch.objectives.tasks.cifar10 import crop_and_flip
from lrsearch.objectives.tasks.digits import images_and_labels
from lrsearch.spaces import Schedule

Made = Callable[[str], str]


def write_fashion_mnist(root: Path, n: int = 600) -> None:
    """A small dataset in the files torchvision reads: IDX headers, then bytes."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", n), ("t10k", n // 6)):
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        images = (rng.integers(0, 64, (count, 28, 28)) + 19 * labels[:, None, None]).astype(np.uint8)
        header = np.array([0x803, count, 28, 28], ">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(np.array([0x801, count], ">i4").tobytes() + labels.tobytes())


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch, n: int = 40) -> None:
    """A small dataset in torchvision's own pickled batches; its checksums are not asked."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list]:
        batch = {"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8), "labels": rng.integers(0, 10, n).tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)]}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    write_fashion_mnist(tmp_path)
    write_cifar10(tmp_path, monkeypatch)
    return str(tmp_path)


EVERY = [(name, model, opt) for name, task in TASKS.items() for model in task.models for opt in ("sgd", "adamw")]


@pytest.mark.parametrize(("name", "model", "optimizer"), EVERY)
def test_every_task_yields_a_measurement_per_epoch(name: str, model: str, optimizer: str, data_dir: str) -> None:
    options = TaskOptions(model=model, optimizer=optimizer, data_dir=data_dir, batch_size=20, subset=60)
    objective = TaskObjective(get_task(name), options)
    schedule = Schedule("cosine", 0.05 if optimizer == "sgd" else 1e-3, 3, warmup=1)
    measurements = list(objective.run(schedule, epochs=2, seed=0, device="cpu"))
    assert [m.epoch for m in measurements] == [1, 2]
    assert objective.steps_per_epoch == 3
    assert all(m.finite and set(m.metrics) == {"train_loss", "val_loss", "val_accuracy"} for m in measurements)
    assert [m.lr for m in measurements] == pytest.approx(schedule.curve(3)[[2, 5]].tolist())
    assert pickle.loads(pickle.dumps(objective)).settings() == objective.settings()


def test_one_seed_gives_one_result_and_another_seed_another() -> None:
    objective = TaskObjective(get_task("digits"))

    def losses(seed: int) -> list[float]:
        run = objective.run(Schedule("exp", 0.1, 2), epochs=2, seed=seed, device="cpu")
        return [m.metrics["val_loss"] for m in run]

    assert losses(0) == losses(0) != losses(1)


def test_digits_learns_and_its_splits_are_disjoint() -> None:
    objective = TaskObjective(get_task("digits"))
    *_, last = objective.run(Schedule("cosine", 0.25, 20), epochs=20, seed=0, device="cpu")
    assert last.metrics["val_accuracy"] > 0.93
    data = objective.data()
    assert [len(s.y) for s in (data.train, data.val, data.test)] == [1077, 360, 360]
    rows = [tuple(x.flatten().tolist()) for s in (data.train, data.val, data.test) for x in s.x]
    assert len(set(rows)) > 1790  # the 1,797 images hold a few twins


def test_rates_per_epoch_are_those_of_stepping_after_each_epoch() -> None:
    schedule = Schedule("exp", 0.1, 3, {"gamma": 0.5}, interval="epoch")
    measurements = TaskObjective(get_task("digits")).run(schedule, epochs=3, seed=0, device="cpu")
    assert [m.lr for m in measurements] == pytest.approx([0.1, 0.05, 0.025])


def test_missing_data_names_the_folder_and_the_flags(tmp_path: Path) -> None:
    objective = TaskObjective(get_task("fashion-mnist"), TaskOptions(data_dir=str(tmp_path / "none")))
    with pytest.raises(DataError, match=r"none'.*--data-dir FOLDER.*--download"):
        objective.data()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (TaskOptions(model="cnm"), "unknown digits model 'cnm'"),
        (TaskOptions(optimizer="adam"), "Did you mean 'adamw'"),
        (TaskOptions(batch_size=5000), "exceeds the 1077 training samples"),
        (TaskOptions(subset=-1), "at least 1"),
    ],
)
def test_bad_options_are_refused(options: TaskOptions, says: str) -> None:
    with pytest.raises(InputError, match=says):
        TaskObjective(get_task("digits"), options).data()


def test_an_unknown_task_names_the_closest() -> None:
    with pytest.raises(InputError, match="Did you mean 'fashion-mnist'"):
        get_task("fashon-mnist")


def test_crop_and_flip_shifts_each_sample_by_at_most_four_pixels() -> None:
    x = torch.arange(2 * 3 * 32 * 32, dtype=torch.float32).view(2, 3, 32, 32) + 1
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(40):
        out = crop_and_flip(x, generator)
        assert out.shape == x.shape
        for sample, original in zip(out, x, strict=True):
            rows = [i for i in range(32) if sample[0, i].any()]
            assert len(rows) >= 28
            inside = sample[0][sample[0] > 0]
            assert set(inside.tolist()) <= set(original[0].flatten().tolist())
            row = sample[0, rows[0]]
            row = row[row > 0]
            seen.add(bool(row[1] < row[0]))
    assert seen == {True, False}


def test_an_unusable_device_is_explained() -> None:
    with pytest.raises(InputError, match="try --device auto or cpu"):
        resolve_device("abacus")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_about_the_same_losses() -> None:
    objective = TaskObjective(get_task("digits"))
    schedule = Schedule("cosine", 0.1, 3)
    cpu, gpu = (
        [m.metrics["val_loss"] for m in objective.run(schedule, epochs=3, seed=0, device=d)] for d in ("cpu", "cuda")
    )
    assert gpu == pytest.approx(cpu, rel=0.05)


GOOD = """
import torch

def objective(run):
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.{optimizer}(model.parameters(), lr=1.0)
    scheduler = run.scheduler(optimizer, steps_per_epoch=4)
    x, y = torch.randn(8, 2), torch.randn(8, 1)
    for epoch in range(run.epochs):
        for step in range(4):
            loss = (model(x) - y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            {order}
        yield {found}
"""
ORDER = "optimizer.step(); scheduler.step()"


def make_file(tmp_path: Path, **parts: str) -> str:
    given = {"optimizer": "SGD", "order": ORDER, "found": "{'val_loss': loss}", **parts}
    text = GOOD
    for key, value in given.items():
        text = text.replace("{" + key + "}", value)
    path = tmp_path / f"train_{abs(hash(text))}.py"
    path.write_text(text)
    return f"{path}:objective"


def run_it(spec: Any, epochs: int = 2, interval: str = "step") -> list[Any]:
    objective = UserObjective(spec, epochs=epochs)
    schedule = Schedule("exp", 0.1, epochs, {"gamma": 0.5}, interval=interval)  # type: ignore[arg-type]
    return list(objective.run(schedule, epochs=epochs, seed=0, device="cpu"))


def test_a_users_file_runs_and_its_lr_is_known(tmp_path: Path) -> None:
    measurements = run_it(make_file(tmp_path))
    assert [m.epoch for m in measurements] == [1, 2]
    assert measurements[0].lr == pytest.approx(0.1 * 0.5**0.75)
    assert measurements[0].metrics["val_loss"] > measurements[1].metrics["val_loss"]


def test_a_users_module_and_function_run_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(make_file(tmp_path).rpartition(":")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(run_it(f"{path.stem}:objective")) == 2

    def two_numbers(run: Run) -> Iterator[float]:
        yield from (run.schedule.base_lr, 1.0)

    assert [m.metrics for m in run_it(two_numbers)] == [{"val_loss": 0.1}, {"val_loss": 1.0}]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SGD", "sgd"),
        ("Adam", "adamw"),
        ("AdamW", "adamw"),
        ("RMSprop", "adamw"),
        ("Adagrad", "sgd"),
        ("LBFGS", "lbfgs"),
    ],
)
def test_the_optimizer_is_found_out(tmp_path: Path, name: str, kind: str) -> None:
    assert UserObjective(make_file(tmp_path, optimizer=name)).optimizer == kind


def test_the_look_at_the_optimizer_ends_a_job_that_asks_for_its_scheduler_in_a_thread() -> None:
    def threaded(run: Run) -> Iterator[float]:
        losses: queue.Queue[float] = queue.Queue()
        go_on = threading.Semaphore(0)

        def fit() -> None:
            model = torch.nn.Linear(2, 1)
            optimizer = torch.optim.AdamW(model.parameters())
            scheduler = run.scheduler(optimizer, 1)
            for _ in range(run.epochs):
                loss = model(torch.ones(1, 2)).square().mean()
                loss.backward()
                optimizer.step()
                scheduler.step()
                losses.put(loss.item())
                go_on.acquire()

        threading.Thread(target=fit, daemon=True).start()
        for _ in range(run.epochs):
            yield losses.get(timeout=60)
            go_on.release()

    objective = UserObjective(threaded, epochs=2)
    assert objective.optimizer == "adamw"
    assert len(list(objective.run(Schedule("exp", 1e-3, 2), epochs=2, seed=0, device="cpu"))) == 2


def test_a_script_finds_its_own_arguments_as_it_is_loaded_and_as_it_trains(tmp_path: Path) -> None:
    path = tmp_path / "with_arguments.py"
    path.write_text(
        "import argparse, sys\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('--wd', type=float, default=0.5)\n"
        "args = parser.parse_args()\ndef objective(run):\n"
        "    yield run.schedule.base_lr * 0 + args.wd\n    yield parser.parse_args().wd\n    yield len(sys.argv)\n"
    )

    def values(*arguments: str) -> list[float]:
        objective = UserObjective(f"{path}:objective", "sgd", arguments=arguments)
        again = pickle.loads(pickle.dumps(objective))
        assert objective.settings() == again.settings()
        measurements = again.run(Schedule("exp", 0.1, 3), epochs=3, seed=0, device="cpu")
        return [m.metrics["val_loss"] for m in measurements]

    before = list(sys.argv)
    assert values() == [0.5, 0.5, 1]
    assert values("--wd", "0.1") == [0.1, 0.1, 3]
    assert sys.argv == before
    with pytest.raises(ObjectiveError, match=r"it called sys\.exit\(2\); it was started as '.*py --lr 3'"):
        UserObjective(f"{path}:objective", arguments=["--lr", "3"])


@pytest.mark.parametrize("signature", ["", "run, config", "*, run"])
def test_a_function_of_another_signature_is_refused_in_a_line(tmp_path: Path, signature: str) -> None:
    path = tmp_path / f"signature_{len(signature)}.py"
    path.write_text(f"def objective({signature}):\n    yield 1.0\n")
    with pytest.raises(ObjectiveError, match=r"^objective\(.*\) must take one argument, the run: write .*$"):
        UserObjective(f"{path}:objective")


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"order": "scheduler.step(); optimizer.step()"}, "before optimizer.step()"),
        ({"order": "optimizer.step()"}, "called scheduler.step() 0 times in 1 epoch"),
        ({"order": "optimizer.step(); step == 0 and scheduler.step()"}, "called scheduler.step() 1 times in 1 epoch"),
        ({"found": "{'val_loss': 'low'}"}, "'low' as val_loss, which is not a number"),
        ({"found": "{'val_loss': None}"}, "None as val_loss"),
        ({"found": "{}"}, "gave no metric"),
        ({"found": "'done'"}, "not a number"),
        ({"found": "[1, 2]"}, "not a number"),
    ],
)
def test_broken_contracts_are_explained_in_a_line(tmp_path: Path, parts: dict[str, str], says: str) -> None:
    with pytest.raises(ObjectiveError) as error:
        run_it(make_file(tmp_path, **parts))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_stepping_once_an_epoch_is_right_for_that_interval(tmp_path: Path) -> None:
    spec = make_file(tmp_path, order="optimizer.step(); step == 3 and scheduler.step()")
    assert [m.lr for m in run_it(spec, interval="epoch")] == [0.1, 0.05]


def test_what_cannot_be_loaded_is_explained(tmp_path: Path) -> None:
    spec = make_file(tmp_path)
    with pytest.raises(ObjectiveError, match="Did you mean 'objective'"):
        UserObjective(spec.replace(":objective", ":objectiv"))
    with pytest.raises(ObjectiveError, match="there is no file"):
        UserObjective(str(tmp_path / "none.py:objective"))
    with pytest.raises(ObjectiveError, match="cannot be imported"):
        UserObjective("no_such_package.train:objective")
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_package\n")
    with pytest.raises(ObjectiveError, match=r"broken\.py cannot be loaded: ModuleNotFoundError"):
        UserObjective(f"{broken}:objective")
    number = tmp_path / "number.py"
    number.write_text("objective = 3\n")
    with pytest.raises(ObjectiveError, match="objective is of type int, not a function"):
        UserObjective(f"{number}:objective")


def test_the_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    for ours, theirs in zip(images_and_labels(), load_digits(return_X_y=True), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
